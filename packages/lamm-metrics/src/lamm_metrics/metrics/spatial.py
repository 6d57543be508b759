"""Spatial questions about a scene: mean relative accuracy of numbers, accuracy of options, their mean over tasks."""

from collections.abc import Sequence

import numpy as np

from lamm_metrics.metrics.base import Floats
from lamm_metrics.metrics.by_type import MeansByType
from lamm_metrics.metrics.question_types import Types
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.spatial_reading import Reading, read_letter, read_number
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, letter
from lamm_metrics.results.score import ScoreSpec

DIRECTION = "object_rel_direction"
"""The task whose three levels count as one."""
_ALLOWED = 1 - np.linspace(0.5, 0.95, 10)
# torch counts its second half from the end, which rounds one of the bounds otherwise.
_ALLOWED_BY_TORCH = 1 - np.r_[0.5 + (0.95 - 0.5) / 9 * np.arange(5), 0.95 - (0.95 - 0.5) / 9 * np.arange(4, -1, -1)]


def relative_accuracy(answer: float, truth: float, allowed: Floats = _ALLOWED) -> float:
    """Return the share of the bounds 50 %, 45 % … 5 % within which a number is off; absolute where the truth is 0.

    The bounds are those of the published code, rounding included.

    >>> relative_accuracy(3, 4), relative_accuracy(110, 100), relative_accuracy(4, 4)
    (0.6, 0.9, 1.0)
    """
    error = abs(answer - truth) / abs(truth) if truth else abs(answer)
    return float(np.mean(error <= allowed))


class MeanRelativeAccuracy(MeansByType):
    """Mean over tasks of MRA (numbers) and accuracy (options), as VSI-Bench reports them (arXiv 2412.14171).

    A task is a `question_type`; the three levels of relative direction are one task, their mean. Tasks that do not
    occur are left out. Records without types are one task. A record has a number (`num`) or options (`gt_choices`).

    >>> metric = MeanRelativeAccuracy()
    >>> metric.update({"id": 1, "num": 4, "question_type": "object_counting"}, Prediction("1", "There are three."))
    >>> options = {"gt_choice": 0, "gt_choices": ["bed", "desk"], "question_type": "object_rel_distance"}
    >>> metric.update({"id": 2, **options}, Prediction("2", "(A)"))
    >>> [(score.name, score.value) for score in metric.compute()]
    [('mra', 0.8), ('mra/object_counting', 0.6), ('mra/object_rel_distance', 1.0)]
    """

    name = "mra"
    needs = ("num", "gt_choice")

    def __init__(self, reading: Reading = "lamm", *, types: Types = "record") -> None:
        """Choose how answers are read.

        Args:
            reading: "lamm" for our extractors; "official" takes the first word, "torchmetrics" behind blanks; "lmms"
                takes the first number, letters as official; "vlmevalkit" the last number, and searches for a letter.
            types: Rule of question types; "record" takes the record's `question_type`.
        """
        super().__init__(types)
        one_of("reading", reading, Reading)
        self.reading: Reading = reading

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"reading": self.reading, "mean": "tasks", **super().settings()}

    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return how near a number is, or whether the option is right."""
        if "num" in reference:
            found = read_number(prediction, self.reading)
            if found is None:
                return [0.0], None
            allowed = _ALLOWED_BY_TORCH if self.reading == "torchmetrics" else _ALLOWED
            return [relative_accuracy(found, float(reference["num"]), allowed)], f"{found:g}"
        stated = read_letter(prediction, self.reading, [str(option) for option in reference["gt_choices"]])
        return [float(stated == letter(int(reference["gt_choice"])))], stated or None

    def _direction(self) -> list[int]:
        return [place for place, kind in enumerate(self.present()) if kind.startswith(f"{DIRECTION}_")]

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the mean over tasks, each type, and the mean of the levels of direction."""
        return [*super().specs(), *([ScoreSpec(f"{self.name}/{DIRECTION}", share=True)] if self._direction() else [])]

    def values(self, sums: Floats) -> Floats:
        """Return the scores, in the order of `specs`."""
        means = super().values(sums)
        if not self.present():
            return means
        levels = self._direction()
        tasks = np.delete(means[..., 1:], levels, axis=-1)
        merged = [_mean_of_known(means[..., 1:][..., levels])[..., None]] if levels else []
        overall = _mean_of_known(np.concatenate([tasks, *merged], axis=-1))
        return np.concatenate([overall[..., None], means[..., 1:], *merged], axis=-1)


def _mean_of_known(values: Floats) -> Floats:
    """Return the mean along the last axis over what is defined, NaN where nothing is."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1))
