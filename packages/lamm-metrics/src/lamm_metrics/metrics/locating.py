"""Binary Locating: is the point that an answer gives for an object on the object?

The metric of LAMM (arXiv 2306.06687), pooled over VOC2012, LSP and FSC147, with rules under which naming many points
cannot help: one point an object, in the order of the answer, and one object a point.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.located import (
    AnsweredPoints,
    bad_truth,
    class_key,
    class_of,
    closed_set,
    needed_size,
    points_2d,
    strange_names,
)
from lamm_metrics.average_precision.pairs import largest_matching
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.geometry.boxes import ordered_corners
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import Floats, derived, labels_setting
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id
from lamm_metrics.results.score import BOX, POINT, Mark, ScoreSpec

Flags = NDArray[np.bool_]


class Located(NamedTuple):
    """Objects found and objects asked for in one record, its data set, its objects and the points that were read."""

    hits: int
    objects: int
    dataset: str
    marks: tuple[Mark, ...]


class _Compared(NamedTuple):
    """An answer held against the objects of a record: which point found which of them, and how many count."""

    answer: AnsweredPoints
    kind: str
    truth: Sequence[tuple[Floats, str]]
    found: Mapping[int, int]
    objects: int


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
        self.convention = BoxConvention.of(convention)
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
            **labels_setting(self.labels),
        }

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one image's answer.

        Raises:
            LammMetricsError: The truth cannot be used, or the record was read before.
        """
        if "object" in reference:
            dataset, compared = "objects", self._objects(reference, prediction)
        elif "gt_joints" in reference:
            dataset, compared = "person", self._person(reference, prediction)
        elif "points" in reference:
            dataset, compared = "marked", self._marked(reference, prediction)
        else:
            raise LammMetricsError(
                f"Expected `object`, `gt_joints` or `points` in record {record_id(reference)!r}, got none of them. "
                "Mend the record."
            )
        answer, kind, truth, found, objects = compared
        hitting = set(found.values())
        marks = (
            *(Mark(kind, tuple(where.tolist()), name, True, i in found) for i, (where, name) in enumerate(truth)),
            *(Mark(POINT, at.point, at.label or "", False, i in hitting) for i, at in enumerate(answer.points)),
        )
        located = Located(len(found), objects, str(reference.get("dataset") or dataset), marks)
        self.keep(reference, answer.status, located, answer.detail)

    def _objects(self, reference: Reference, prediction: Prediction) -> _Compared:
        labels = closed_set(reference, self.labels)
        answer = points_2d(reference, prediction, labels, self.convention)
        solid = next((item["bbox"] for item in reference["object"] if len(item["bbox"]) != 4), None)
        if solid is not None:
            raise bad_truth(reference, solid, "four numbers")
        boxes = ordered_corners([item["bbox"] for item in reference["object"]])
        truth = [(box, str(item["label"])) for box, item in zip(boxes, reference["object"], strict=True)]
        objects: dict[str, list[int]] = {}
        for i, (_, name) in enumerate(truth):
            objects.setdefault(class_of(name, labels) or "", []).append(i)
        lone = next(iter(objects)) if len(objects) == 1 else None
        answered: dict[str | None, list[int]] = {}
        for i, point in enumerate(answer.points):
            answered.setdefault(class_of(point.label, labels) or lone, []).append(i)
        found = {}
        for name, rows in objects.items():
            named = answered.get(name, [])[: len(rows)]
            points = np.array([answer.points[i].point for i in named], np.float64).reshape(-1, 2)
            pairs = largest_matching(points_in_boxes(points, np.array([truth[i][0] for i in rows])))
            found.update({rows[box]: named[point] for box, point in pairs.items()})
        return _Compared(answer, BOX, truth, found, len(truth))

    def _person(self, reference: Reference, prediction: Prediction) -> _Compared:
        answer = points_2d(reference, prediction, None, self.convention)
        size = np.array(needed_size(reference))
        given = [[float(number) for number in joint] for joint in reference["gt_joints"]]
        seen = np.array([joint[:2] for joint in given if len(joint) < 3 or joint[2] > 0], np.float64).reshape(-1, 2)
        if not len(seen):
            return _Compared(answer, BOX, (), {}, 0)
        box = np.concatenate([seen.min(axis=0) / size, seen.max(axis=0) / size])
        first = np.array([point.point for point in answer.points[:1]], np.float64).reshape(-1, 2)
        found = {0: 0} if points_in_boxes(first, box[None]).any() else {}
        return _Compared(answer, BOX, [(box, "")], found, 1)

    def _marked(self, reference: Reference, prediction: Prediction) -> _Compared:
        answer = points_2d(reference, prediction, None, self.convention)
        marked = np.array(reference["points"], np.float64).reshape(-1, 2) / np.array(needed_size(reference))
        truth = [(point, "") for point in marked]
        if len(marked) >= self.fewer_than:
            return _Compared(answer, POINT, truth, {}, 0)
        points = np.array([point.point for point in answer.points[: len(marked)]], np.float64).reshape(-1, 2)
        distance = np.linalg.norm(points[:, None] - marked[None], axis=2)
        return _Compared(answer, POINT, truth, largest_matching(distance <= self.radius), len(marked))

    @derived
    def _datasets(self) -> list[str]:
        names = sorted({entry.state.dataset for entry in self.entries.values()})
        return names if len(names) > 1 else []

    def rows(self, states: Sequence[Located]) -> Floats:
        """Return hits and objects: of all, then of each data set."""
        counts = np.array([(state.hits, state.objects) for state in states], np.float64).reshape(-1, 2)
        own = (np.array([[state.dataset == name] for state in states]).reshape(-1, 1) for name in self._datasets())
        return np.hstack([counts, *(counts * is_own for is_own in own)])

    def row_if_right(self, state: Located) -> Sequence[float]:
        """Return the row of an answer that finds every object."""
        row: list[float] = self.rows([state._replace(hits=state.objects)])[0].tolist()
        return row

    def values(self, sums: Floats) -> Floats:
        """Hits over objects."""
        return np.asarray(sums[..., ::2] / sums[..., 1::2])

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the pooled score, then each data set's."""
        names = [self.name, *(f"{self.name}/{name}" for name in self._datasets())]
        return [ScoreSpec(name, share=True, bounded=name == self.name) for name in names]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return objects asked for and records that ask for none, beside the headline."""
        objects = [entry.state.objects for entry in self.entries.values()]
        return {"objects": sum(objects), "records_left_out": objects.count(0)} if objects and name == self.name else {}

    def remarks(self) -> list[str]:
        """Return that no point bears the name of an object, where there are several to tell apart."""
        if self.n_failed == len(self.entries) or any(entry.state.hits for entry in self.entries.values()):
            return []
        marks = [mark for _, entry in self.ordered() for mark in entry.state.marks if mark.label or not mark.true]
        answered, true = ([(class_key(m.label), m.label) for m in marks if m.true is side] for side in (False, True))
        return strange_names(answered, true, "point")

    def sample_value(self, state: Located) -> float | None:
        """Share of the record's objects."""
        return state.hits / state.objects if state.objects else None

    def shown(self, state: Located) -> str:
        """Return the points that were read."""
        return "; ".join(f"[{mark.numbers[0]:.4g}, {mark.numbers[1]:.4g}]" for mark in state.marks if not mark.true)

    def marks(self, state: Located) -> Sequence[Mark]:
        """Return the objects and the points that were read."""
        return state.marks
