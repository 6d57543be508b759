"""Where somebody stands and which way they look: read from records of SQA3D and from answers."""

from collections.abc import Sequence
from typing import NamedTuple

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction.coordinates.boxes import prepared
from lamm_metrics.extraction.coordinates.groups import find_groups
from lamm_metrics.extraction.text.answer import overlong
from lamm_metrics.records.truth import Reference, axes, record_id


class Situation(NamedTuple):
    """Candidates of an answer: positions in metres, and rotations as quaternions x, y, z, w."""

    positions: Sequence[tuple[float, ...]]
    rotations: Sequence[tuple[float, ...]]


def true_situation(reference: Reference) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the true position and rotation, a quaternion x, y, z, w.

    Raises:
        LammMetricsError: One of them is missing or no numbers.

    >>> true_situation({"id": 1, "position": [1, 2, 0], "rotation": {"_w": 1, "_x": 0, "_y": 0, "_z": 0}})[1]
    (0.0, 0.0, 0.0, 1.0)
    """
    found = axes(reference.get("position"), "xyz"), axes(reference.get("rotation"), "xyzw")
    if found[0] is None or found[1] is None or not any(found[1]):
        raise LammMetricsError(
            f"Expected `position` x, y, z and `rotation` x, y, z, w in record {record_id(reference)!r}, got "
            f"{reference.get('position')!r} and {reference.get('rotation')!r}. Mend the record."
        )
    return found[0], found[1]


def read_situation(text: str) -> Situation:
    """Return the positions and rotations of an answer: its groups of three and of four numbers.

    >>> read_situation("I stand at [1, 2, 0] and look along [0, 0, 0, 1].").rotations
    [(0.0, 0.0, 0.0, 1.0)]
    """
    if overlong(text):
        return Situation([], [])
    groups = [tuple(map(float, group.numbers)) for group in find_groups(prepared(text))]
    positions, rotations = ([group for group in groups if len(group) == length] for length in (3, 4))
    return Situation(positions, [group for group in rotations if any(group)])
