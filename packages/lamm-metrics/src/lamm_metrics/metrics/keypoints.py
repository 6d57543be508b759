"""PCK: the percentage of correct keypoints, under the four norms in use, each under its own name."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.located import class_key, needed_size, points_2d
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction import Status
from lamm_metrics.extraction.result import LabelledPoint
from lamm_metrics.geometry.conventions import NORMALISED_XYXY, BoxConvention
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK, Floats, derived, labels_setting
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import LSP_JOINTS, Reference, record_id
from lamm_metrics.results.score import POINT, Mark, ScoreSpec


class Norm(StrEnum):
    """What the distance of a joint is divided by."""

    BOX = "box"  # the longer side of the person's box
    HEAD = "head"  # the head's length: neck to head top, or 0.6 of the diagonal of `head_bbox` (MPII)
    TORSO = "torso"  # left shoulder to right hip
    IMAGE = "image"  # width for x, height for y: the unit of LAMM's threshold


NAMES = {Norm.BOX: "pck", Norm.HEAD: "pckh", Norm.TORSO: "torso_pck", Norm.IMAGE: "image_pck"}
THRESHOLDS = {Norm.BOX: 0.2, Norm.HEAD: 0.5, Norm.TORSO: 0.2, Norm.IMAGE: 0.1}


class Pose(NamedTuple):
    """The visible joints of one record, with distances in units of each norm, infinity for a joint without answer."""

    names: tuple[str, ...]
    distances: Floats  # [norms, joints], NaN for the norms that the record does not define
    truth: Floats  # [joints, 2] in shares of the image
    answered: Floats  # [joints, 2] in shares of the image, NaN for a joint without answer
    hidden: int


def pose_distances(
    answered: Floats, joints: Floats, image_size: tuple[float, float], norms: Mapping[Norm, float]
) -> Floats:
    """Normalised distances of joints.

    Args:
        answered: Answered points as shares of the image, [J, 2]; NaN for none.
        joints: True points in pixels, [J, 2].
        image_size: Width and height in pixels.
        norms: The length in pixels that each norm divides by; `Norm.IMAGE` divides by the size and needs none.

    Returns:
        Distances [norms, J] in the order of `Norm`; infinity where there is no answer, NaN where the norm is undefined.
    """
    size = np.array(image_size, np.float64)
    offset = answered * size - joints
    answerless = np.isnan(offset).any(axis=1)
    result = np.full((len(Norm), len(joints)), np.nan)
    for row, norm in enumerate(Norm):
        length = size if norm is Norm.IMAGE else norms.get(norm, 0.0)
        if np.all(np.asarray(length) > 0):
            result[row] = np.where(answerless, np.inf, np.linalg.norm(offset / length, axis=1))
    return result


class KeypointPCK(AdditiveMetric[Pose]):
    """Share of the visible joints whose answer is strictly nearer than a threshold.

    Every joint has one answer: the point answered for it by name, or the first point of the answer to its own question.
    Joints that are not visible (third number 0) are left out; joints without answer are wrong. The scores are PCK@0.2
    of the person's box, PCKh@0.5 of the head, torso PCK@0.2 and, under its own name because it is no PCK, LAMM's
    threshold of 0.1 in shares of the image. Norms that no record defines are left out. A record may state the person's
    `bbox` and `head_bbox`, `[x1, y1, x2, y2]` in pixels; without them the box is that of the visible joints, and the
    head reaches from neck to head top.

    >>> metric = KeypointPCK()
    >>> record = {"id": 1, "gt_joints": [[10, 10, 1], [90, 90, 1]], "joints": ["neck", "head top"],
    ...           "image_size": [100, 100]}
    >>> points = [{"label": "neck", "point": [0.1, 0.1]}, {"label": "head top", "point": [0.5, 0.5]}]
    >>> metric.update(record, Prediction("1", points=points))
    >>> metric.compute()[0].name, metric.compute()[0].value
    ('pck@0.2', 0.5)
    """

    name = "pck"
    needs = ("gt_joints",)

    def __init__(
        self,
        joints: Sequence[str] = LSP_JOINTS,
        convention: BoxConvention = NORMALISED_XYXY,
        thresholds: Mapping[Norm, float] = THRESHOLDS,
    ) -> None:
        """Choose how answers are read and when they are right.

        Args:
            joints: Joint names in the order of `gt_joints`, for records that do not carry their own.
            convention: How the model writes coordinates.
            thresholds: Threshold of each norm.
        """
        super().__init__()
        self.joints = tuple(joints)
        self.convention = BoxConvention.of(convention)
        self.thresholds = {**THRESHOLDS, **thresholds}

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {
            "below": ",".join(f"{norm}<{self.thresholds[norm]:g}" for norm in Norm),
            "joints": "visible" if self.joints == LSP_JOINTS else f"visible-{labels_setting(self.joints)['labels']}",
            "unanswered": "wrong",
            "coords": self.convention,
        }

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one image's answer.

        Raises:
            LammMetricsError: The number of joints and of their names differ, the size is missing, or the record was
                read before.
        """
        given = [tuple(float(number) for number in joint) for joint in reference["gt_joints"]]
        names = tuple(reference.get("joints") or self.joints)
        if len(names) != len(given):
            raise LammMetricsError(
                f"Expected as many joint names as `gt_joints` in record {record_id(reference)!r}, got {len(names)} and "
                f"{len(given)}. Name the joints in `joints`."
            )
        size = needed_size(reference)
        visible = np.array([len(joint) < 3 or joint[2] > 0 for joint in given], np.bool_)
        where = np.array([joint[:2] for joint in given], np.float64).reshape(-1, 2)
        status, answered, why = self._read(reference, prediction, names)
        distances = pose_distances(answered, where, size, _norms(reference, names, where, visible))
        seen = tuple(name for name, is_seen in zip(names, visible, strict=True) if is_seen)
        pose = Pose(seen, distances[:, visible], where[visible] / size, answered[visible], hidden=int((~visible).sum()))
        self.keep(reference, status, pose, why)

    def _read(self, reference: Reference, prediction: Prediction, names: Sequence[str]) -> tuple[str, Floats, str]:
        """How reading ended, a point a joint [J, 2] as shares of the image, NaN where there is none, and why."""
        points = np.full((len(names), 2), np.nan)
        if isinstance(prediction.text, Mapping) and prediction.points is None:
            texts = {class_key(name): text for name, text in prediction.text.items()}
            found = False
            for i, name in enumerate(names):
                single = Prediction(prediction.id, texts.get(class_key(name), ""))
                answer = points_2d(reference, single, None, self.convention)
                if answer.points:
                    points[i], found = _choose(answer.points, name).point, True
            return (Status.OK if found else Status.NONE), points, "no joint has a point"
        answer = points_2d(reference, prediction, names, self.convention)
        named = {class_key(point.label): point.point for point in reversed(answer.points) if point.label}
        for i, name in enumerate(names):
            points[i] = named.get(class_key(name), points[i])
        unnamed = [point.point for point in answer.points if not point.label]
        if not named and len(unnamed) == len(names):
            points = np.array(unnamed, np.float64)  # one point a joint, in the order that was asked for
        return answer.status, points, answer.detail

    def rows(self, states: Sequence[Pose]) -> Floats:
        """Return correct and counted joints of each norm."""
        limits = np.array([self.thresholds[norm] for norm in Norm])[:, None]
        joints = [len(state.names) for state in states]
        distances = np.concatenate([np.empty((len(Norm), 0)), *(state.distances for state in states)], axis=1)
        counted = ~np.isnan(distances)
        # Sums up to each record, so that records without visible joints add nothing.
        up_to = np.zeros((2 * len(Norm), distances.shape[1] + 1))
        np.cumsum(np.concatenate([(distances < limits) & counted, counted]), axis=1, out=up_to[:, 1:])
        ends = np.cumsum(joints)
        sums = up_to[:, ends] - up_to[:, ends - joints]
        return sums.reshape(2, len(Norm), -1).transpose(2, 1, 0).reshape(len(states), -1)

    def row_if_right(self, state: Pose) -> Sequence[float]:
        """Return the row of the true joints."""
        right = np.where(np.isnan(state.distances), np.nan, -np.inf)
        row: list[float] = self.rows([state._replace(distances=right)])[0].tolist()
        return row

    @derived
    def _present(self) -> list[Norm]:
        counted = self.group_sums()[:, 1::2].sum(axis=0).tolist() if self.entries else [0.0] * len(Norm)
        return [norm for norm, joints in zip(Norm, counted, strict=True) if joints] or [Norm.BOX]

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Correct over counted joints of each norm."""
        table = sums.reshape(*sums.shape[:-1], len(Norm), 2)
        shares = table[..., 0] / table[..., 1]
        order = list(Norm)
        return np.asarray(shares[..., [order.index(norm) for norm in self._present()]])

    def specs(self) -> Sequence[ScoreSpec]:
        """Return one score a norm that some record defines."""
        present = self._present()
        return [
            ScoreSpec(f"{NAMES[norm]}@{self.thresholds[norm]:g}", share=True, bounded=norm is present[0])
            for norm in present
        ]

    def extra(self, name: str) -> Mapping[str, float]:
        """Return joints counted, hidden and without answer, and each joint's own share, beside the headline."""
        states = [entry.state for _, entry in self.ordered()]
        if not states or name != self.specs()[0].name:
            return {}
        norm = self._present()[0]
        hits: dict[str, list[bool]] = {}
        for state in states:
            for joint, distance in zip(state.names, state.distances[list(Norm).index(norm)], strict=True):
                if not np.isnan(distance):
                    hits.setdefault(joint, []).append(bool(distance < self.thresholds[norm]))
        return {
            "joints": float(sum(len(state.names) for state in states)),
            "hidden_joints": float(sum(state.hidden for state in states)),
            "unanswered_joints": float(sum(int(np.isnan(state.answered).any(axis=1).sum()) for state in states)),
            **{f"pck/{joint}": sum(near) / len(near) for joint, near in hits.items()},
        }

    def remarks(self) -> list[str]:
        """Return that points were read, but none for a joint."""
        read = [entry.state.answered for entry in self.entries.values() if entry.status == OK]
        if not read or any(np.isfinite(points).any() for points in read):
            return []
        return ["points were read, but none for a joint by its name; have answers use the joints' names"]

    def sample_value(self, state: Pose) -> float | None:
        """PCK of one image under the box norm."""
        distances = state.distances[0]
        return float((distances < self.thresholds[Norm.BOX]).mean()) if len(distances) else None

    def marks(self, state: Pose) -> list[Mark]:
        """Return the visible joints and the point answered for each."""
        near = (state.distances[0] < self.thresholds[Norm.BOX]).tolist()
        truth, answered = (list(map(tuple, points.tolist())) for points in (state.truth, state.answered))
        return [
            Mark(POINT, point, name, true, hit)
            for points, true in ((truth, True), (answered, False))
            for point, name, hit in zip(points, state.names, near, strict=True)
        ]

    def shown(self, state: Pose) -> str:
        """The distance of each joint in shares of the image; empty where no joint was answered."""
        row = state.distances[list(Norm).index(Norm.IMAGE)]
        if not np.isfinite(row).any():
            return ""
        off = (f"{distance:.3g} off" if np.isfinite(distance) else "no point" for distance in row)
        return "; ".join(f"{name} {words}" for name, words in zip(state.names, off, strict=True))


def _choose(points: Sequence[LabelledPoint], name: str) -> LabelledPoint:
    """The point answered for a joint: the one that bears its name, else the first."""
    return next((point for point in points if point.label and class_key(point.label) == class_key(name)), points[0])


def _norms(reference: Reference, names: Sequence[str], joints: Floats, visible: NDArray[np.bool_]) -> dict[Norm, float]:
    """The lengths in pixels that the record defines."""
    place = {class_key(name): joint for name, joint, seen in zip(names, joints, visible, strict=True) if seen}
    lengths: dict[Norm, float] = {}
    if "bbox" in reference:
        x1, y1, x2, y2 = (float(number) for number in reference["bbox"])
        lengths[Norm.BOX] = max(abs(x2 - x1), abs(y2 - y1))
    elif visible.any():
        lengths[Norm.BOX] = float(np.ptp(joints[visible], axis=0).max())
    if "head_bbox" in reference:
        x1, y1, x2, y2 = (float(number) for number in reference["head_bbox"])
        lengths[Norm.HEAD] = 0.6 * float(np.hypot(x2 - x1, y2 - y1))
    elif {"neck", "headtop"} <= place.keys():
        lengths[Norm.HEAD] = float(np.linalg.norm(place["neck"] - place["headtop"]))
    if {"leftshoulder", "righthip"} <= place.keys():
        lengths[Norm.TORSO] = float(np.linalg.norm(place["leftshoulder"] - place["righthip"]))
    return lengths
