"""Binary Locating: is the point that an answer gives for an object on the object?

The metric of LAMM (arXiv 2306.06687), pooled over VOC2012, LSP and FSC147, with rules under which naming many points
cannot help: one point an object, in the order of the answer, and one object a point.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.located import AnsweredPoints, class_of, closed_set, needed_size, points_2d
from lamm_metrics.average_precision.pairs import matching_size
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.geometry.boxes import repaired
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Located(NamedTuple):
    """Objects found and objects asked for in one record, its data set, and the points that were read."""

    hits: int
    objects: int
    dataset: str
    points: tuple[tuple[float, float], ...]


def points_in_boxes(points: Floats, boxes: Floats) -> Flags:
    """Whether points lie in closed boxes, [P, B]; NaN lies nowhere.

    Args:
        points: Points `[x, y]`, [P, 2].
        boxes: Boxes `[x1, y1, x2, y2]` in the same unit, [B, 4].
    """
    x, y = points[:, :1], points[:, 1:]
    return np.asarray((x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3]))


class BinaryLocating(AdditiveMetric[Located]):
    """Share of objects on which the answer puts a point.

    * Objects with boxes (VOC2012): of the points named for a class, the first as many as there are objects of it count;
      the score is the largest number of objects that can be paired with a point inside their closed box. Points without
      a name count where the record has a single class.
    * A person with joints (LSP): the first point counts, the box is that of the visible joints.
    * Objects marked by points (FSC147): as boxes of one class, with a disc of radius 0.1 in shares of the image around
      each. Like in the paper only images with fewer than ten objects count; the others are in `extra`.

    A box answers with its centre. The first score pools all objects; the data sets' own follow if there are several.

    >>> metric = BinaryLocating()
    >>> record = {"id": 1, "object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    >>> metric.update(record, Prediction("1", points=[{"label": "cat", "point": [0.1, 0.5]}]))
    >>> metric.compute()[0].name, metric.compute()[0].value
    ('binary_locating', 1.0)
    """

    name = "binary_locating"

    def __init__(
        self,
        labels: Sequence[str] = (),
        convention: BoxConvention = NORMALISED_XYXY,
        radius: float = 0.1,
        fewer_than: int = 10,
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            labels: The closed set of classes, for records that do not carry their own.
            convention: How the model writes coordinates.
            radius: Radius around objects marked by points, in shares of the image's width and height.
            fewer_than: Records with this many marked objects or more are left out.
        """
        super().__init__()
        self.labels = tuple(labels)
        self.convention = convention
        self.radius = radius
        self.fewer_than = fewer_than

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {
            "points": "one-an-object",
            "box": "closed",
            "classes": "paired",
            "radius": f"{self.radius:g}",
            "marked": f"<{self.fewer_than}",
            "coords": self.convention,
        }

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one image's answer.

        Raises:
            LammMetricsError: The truth cannot be used, or the record was read before.
        """
        if "object" in reference:
            kind, (answer, hits, objects) = "objects", self._objects(reference, prediction)
        elif "gt_joints" in reference:
            kind, (answer, hits, objects) = "person", self._person(reference, prediction)
        elif "points" in reference:
            kind, (answer, hits, objects) = "marked", self._marked(reference, prediction)
        else:
            raise LammMetricsError(
                f"Expected `object`, `gt_joints` or `points` in record {record_id(reference)!r}, got none of them. "
                "Mend the record."
            )
        read = tuple(point.point for point in answer.points)
        located = Located(hits, objects, str(reference.get("dataset") or kind), read)
        self.keep(reference, answer.status, located, answer.detail)

    def _objects(self, reference: Reference, prediction: Prediction) -> tuple[AnsweredPoints, int, int]:
        labels = closed_set(reference, self.labels)
        answer = points_2d(reference, prediction, labels, self.convention)
        truth: dict[str, list[Floats]] = {}
        for item in reference["object"]:
            truth.setdefault(class_of(str(item["label"]), labels) or "", []).append(repaired(item["bbox"]))
        lone = next(iter(truth)) if len(truth) == 1 else None
        answered: dict[str | None, list[tuple[float, float]]] = {}
        for point in answer.points:
            answered.setdefault(class_of(point.label, labels) or lone, []).append(point.point)
        hits = 0
        for name, boxes in truth.items():
            points = np.array(answered.get(name, [])[: len(boxes)], np.float64).reshape(-1, 2)
            hits += matching_size(points_in_boxes(points, np.array(boxes)))
        return answer, hits, len(reference["object"])

    def _person(self, reference: Reference, prediction: Prediction) -> tuple[AnsweredPoints, int, int]:
        answer = points_2d(reference, prediction, None, self.convention)
        size = np.array(needed_size(reference))
        given = [[float(number) for number in joint] for joint in reference["gt_joints"]]
        seen = np.array([joint[:2] for joint in given if len(joint) < 3 or joint[2] > 0], np.float64).reshape(-1, 2)
        if not len(seen):
            return answer, 0, 0
        box = np.concatenate([seen.min(axis=0) / size, seen.max(axis=0) / size])
        first = np.array([point.point for point in answer.points[:1]], np.float64).reshape(-1, 2)
        return answer, int(points_in_boxes(first, box[None]).sum()), 1

    def _marked(self, reference: Reference, prediction: Prediction) -> tuple[AnsweredPoints, int, int]:
        answer = points_2d(reference, prediction, None, self.convention)
        marks = np.array(reference["points"], np.float64).reshape(-1, 2) / np.array(needed_size(reference))
        if len(marks) >= self.fewer_than:
            return answer, 0, 0
        points = np.array([point.point for point in answer.points[: len(marks)]], np.float64).reshape(-1, 2)
        distance = np.linalg.norm(points[:, None] - marks[None], axis=2)
        return answer, matching_size(distance <= self.radius), len(marks)

    @property
    def _datasets(self) -> list[str]:
        names = sorted({entry.state.dataset for entry in self.entries.values()})
        return names if len(names) > 1 else []

    def row(self, state: Located) -> Sequence[float]:
        """Hits and objects: of all, then of each data set."""
        outcome = (float(state.hits), float(state.objects))
        return [
            *outcome,
            *(number * (name == state.dataset) for name in self._datasets for number in outcome),
        ]

    def rows(self) -> Floats:
        """As `row`, with the list of data sets made once."""
        names = self._datasets
        states = [entry.state for _, entry in self.ordered()]
        counts = np.array([(state.hits, state.objects) for state in states], np.float64).reshape(-1, 2)
        own = np.array([[state.dataset == name for name in names] for state in states], np.float64)
        parts = counts[:, None, :] * own.reshape(len(states), len(names), 1)
        return np.concatenate([counts, parts.reshape(len(states), -1)], axis=1)

    def values(self, sums: Floats) -> Floats:
        """Hits over objects."""
        return np.asarray(sums[..., ::2] / sums[..., 1::2])

    @property
    def score_names(self) -> Sequence[str]:
        """The pooled score, then each data set's."""
        return [self.name, *(f"{self.name}/{name}" for name in self._datasets)]

    def is_share(self, name: str) -> bool:
        """All of them are."""
        return True

    def extra(self, name: str) -> Mapping[str, float]:
        """The score with all unreadable answers right, objects asked for, and records that ask for none."""
        states = [entry.state for entry in self.entries.values()]
        if not states or name != self.name:
            return {}
        objects, hits = sum(state.objects for state in states), sum(state.hits for state in states)
        missed = sum(entry.state.objects - entry.state.hits for entry in self.entries.values() if entry.status != OK)
        bounds = {"failures_wrong": hits / objects, "failures_right": (hits + missed) / objects} if objects else {}
        return bounds | {
            "objects": objects,
            "records_left_out": sum(state.objects == 0 for state in states),
        }

    def sample_value(self, state: Located) -> float | None:
        """Share of the record's objects."""
        return state.hits / state.objects if state.objects else None

    def shown(self, state: Located) -> str:
        """The points that were read."""
        return "; ".join(f"[{x:.4g}, {y:.4g}]" for x, y in state.points)
