"""The plain records that box and point extractors return."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """One box of an answer.

    Attributes:
        label: The class it was given, spelled as in the closed set where one was passed; `None` where none was written.
        box: 2D: (x1, y1, x2, y2) as fractions of the image. 3D: (cx, cy, cz, dx, dy, dz) in metres, z up; 7 numbers
            add the yaw about z in radians, 9 numbers three Euler angles.
        score: The confidence the answer states, or `None`.
    """

    label: str | None
    box: tuple[float, ...]
    score: float | None = None


@dataclass(frozen=True, slots=True)
class LabelledPoint:
    """One point of an answer.

    Attributes:
        label: The name it was given, or `None`.
        point: (x, y) as fractions of the image.
    """

    label: str | None
    point: tuple[float, float]
