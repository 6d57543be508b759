"""Localisation in a scene: where does somebody stand, and which way do they look?"""

from collections.abc import Mapping, Sequence
from math import atan2, hypot, pi, sin
from typing import NamedTuple

import numpy as np

from lamm_metrics.answers.situations import read_situation, true_situation
from lamm_metrics.extraction import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import BOX_3D, Mark, ScoreSpec

# How large a standpoint is drawn, in metres.
_DRAWN = 0.2


class Placed(NamedTuple):
    """The least distance in metres, the least turn in degrees, and the true and answered standpoints."""

    distance: float
    turn: float
    marks: tuple[Mark, ...]


def yaw_of(rotation: Sequence[float]) -> float:
    """Return the z component of the rotation vector of a quaternion x, y, z, w, in radians.

    It is the yaw of a turn about z; of any other turn it is what SQA3D's code compares.

    >>> round(yaw_of([0, 0, 0.7071067811865475, 0.7071067811865476]), 6)
    1.570796
    """
    length = float(np.linalg.norm(rotation))
    x, y, z, w = (number / (length if rotation[3] >= 0 else -length) for number in rotation)
    angle = 2 * atan2(hypot(x, y, z), w)
    # In this order the last digit is that of the project's code, where an angle is exactly a bound.
    return angle / sin(angle / 2) * z if angle else 0.0


def turn_between(first: float, second: float) -> float:
    """Return the angle between two yaws in degrees, 0 to 180.

    >>> round(turn_between(3.0, -3.0), 3)
    16.225
    """
    apart = abs(first - second) % (2 * pi)
    return min(apart, 2 * pi - apart) / pi * 180


class Localisation(AdditiveMetric[Placed]):
    """Share of situations that an answer places within half a metre, a metre, 15° and 30° of the truth.

    SQA3D's localisation (arXiv 2210.07474): of up to three candidates each, the best position and the best rotation
    count on their own; distances are taken on the floor, and must be below the bound.

    >>> metric = Localisation()
    >>> record = {"id": 1, "position": [0, 0, 0], "rotation": {"_w": 1, "_x": 0, "_y": 0, "_z": 0}}
    >>> metric.update(record, Prediction("1", "position [0.3, 0.4, 0], rotation [0, 0, 0.1305, 0.9914]"))
    >>> [(score.name, score.value) for score in metric.compute()][:2]
    [('localisation@0.5m', 0.0), ('localisation@1m', 1.0)]
    """

    name = "localisation"
    needs = ("position",)

    def __init__(
        self, metres: Sequence[float] = (0.5, 1.0), degrees: Sequence[float] = (15.0, 30.0), candidates: int = 3
    ) -> None:
        """Choose the bounds and how many candidates of an answer count."""
        super().__init__()
        self.metres, self.degrees, self.candidates = tuple(metres), tuple(degrees), candidates

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        metres, degrees = (",".join(f"{bound:g}" for bound in bounds) for bounds in (self.metres, self.degrees))
        return {"m": f"<{metres}", "deg": f"<{degrees}", "candidates": self.candidates, "failed": "wrong"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one situation's answer.

        Raises:
            LammMetricsError: The true position or rotation cannot be used, or the record was read before.
        """
        position, rotation = true_situation(reference)
        found = read_situation(prediction.plain_text)
        positions, rotations = found.positions[: self.candidates], found.rotations[: self.candidates]
        apart = (hypot(place[0] - position[0], place[1] - position[1]) for place in positions)
        turns = (turn_between(yaw_of(turn), yaw_of(rotation)) for turn in rotations)
        distance, turn = min(apart, default=np.inf), min(turns, default=np.inf)
        near = distance < min(self.metres)
        marks = [Mark(BOX_3D, (*position, _DRAWN, _DRAWN, _DRAWN), "", True, near)]
        marks += [Mark(BOX_3D, (*place, _DRAWN, _DRAWN, _DRAWN), "", False, near) for place in positions]
        unread = not positions or not rotations
        detail = f"it names no {'position' if not positions else 'rotation'}"
        self.keep(reference, Status.NONE if unread else Status.OK, Placed(distance, turn, tuple(marks)), detail)

    def row(self, state: Placed) -> Sequence[float]:
        """Return whether the answer is within each bound, and 1."""
        near = [float(state.distance < bound) for bound in self.metres]
        return [*near, *(float(state.turn < bound) for bound in self.degrees), 1.0]

    def row_if_right(self, state: Placed) -> Sequence[float]:
        """Return an answer at the truth."""
        return self.row(state._replace(distance=0.0, turn=0.0))

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the distances, then the angles."""
        names = [*(f"{bound:g}m" for bound in self.metres), *(f"{bound:g}deg" for bound in self.degrees)]
        return [ScoreSpec(f"{self.name}@{name}", proportion=True, bounded=name == names[0]) for name in names]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return the median distance and turn of the answers that have them, beside the headline."""
        if name != f"{self.name}@{self.metres[0]:g}m":
            return {}
        columns = np.array([(entry.state.distance, entry.state.turn) for _, entry in self.ordered()]).reshape(-1, 2)
        read = {"median_metres": columns[:, 0], "median_degrees": columns[:, 1]}
        return {key: float(np.median(one[np.isfinite(one)])) for key, one in read.items() if np.isfinite(one).any()}

    def sample_value(self, state: Placed) -> float | None:
        """The least distance in metres."""
        return state.distance if np.isfinite(state.distance) else None

    def marks(self, state: Placed) -> Sequence[Mark]:
        """Return the true standpoint and the answered ones, as small boxes."""
        return state.marks

    def shown(self, state: Placed) -> str:
        """Return the positions that were read."""
        read = (mark.numbers[:3] for mark in state.marks if not mark.true)
        return "; ".join(f"[{', '.join(f'{number:.4g}' for number in place)}]" for place in read)
