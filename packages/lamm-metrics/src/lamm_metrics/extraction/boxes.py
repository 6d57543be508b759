"""Read 2D and 3D boxes."""

from collections.abc import Sequence
from typing import Literal

from lamm_metrics.extraction.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.extraction.entities import LabelledBox
from lamm_metrics.extraction.result import Extraction, Status


def extract_boxes_2d(
    text: str,
    convention: BoxConvention = NORMALISED_XYXY,
    image_size: tuple[float, float] | None = None,
    labels: Sequence[str] | None = None,
) -> Extraction[list[LabelledBox]]:
    """Find all 2D boxes of an answer, with their labels and scores where they are written.

    Args:
        text: A free-form answer.
        convention: How the answer's model writes boxes; declared, never guessed.
        image_size: Width and height in pixels, for the pixel frame.
        labels: A closed label set; labels are then returned spelled as in it.

    Returns:
        Boxes (x1, y1, x2, y2) as fractions of the image, in the order of the text.
    """
    return Extraction([], Status.NONE)


def extract_boxes_3d(
    text: str, numbers: Literal[6, 7, 9] = 6, labels: Sequence[str] | None = None
) -> Extraction[list[LabelledBox]]:
    """Find all 3D boxes of an answer.

    Args:
        text: A free-form answer.
        numbers: How many numbers make a box: centre and size in metres (6), with yaw (7) or Euler angles (9).
        labels: A closed label set; labels are then returned spelled as in it.

    Returns:
        The boxes in the order of the text.
    """
    return Extraction([], Status.NONE)
