"""What extractors return: a value and how far it can be trusted; boxes and points with their names."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Status(StrEnum):
    """How reading one answer ended.

    Attributes:
        OK: The answer states exactly one readable value.
        AMBIGUOUS: It states several values that exclude each other and nothing says which one is meant.
        REFUSED: It declines to answer ("I cannot see the image").
        NONE: It states no value of the wanted kind.
        MALFORMED: It states a value that breaks the form asked for (a box of five numbers, a coordinate that is no
            number).
    """

    OK = "ok"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    NONE = "none"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Extraction(Generic[T]):
    """The reading of one answer.

    Attributes:
        value: What was read. Extractors of single values leave it `None` unless the status is `ok`. Extractors of lists
            always give a list: under `malformed` it holds the items that could be read, otherwise it may be empty.
        status: How the reading ended.
        detail: One short sentence for a person who asks why; empty when there is nothing to add.
    """

    value: T | None
    status: Status
    detail: str = ""


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
