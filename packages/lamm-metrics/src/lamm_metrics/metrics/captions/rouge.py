"""ROUGE-L of captions (Lin 2004), with the conventions of the COCO caption evaluation."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.extraction import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.captions.tokenizers import ptb
from lamm_metrics.metrics.edit_distance import common_subsequence
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference

# Recall counts beta² times as much as precision.
BETA = 1.2


def rouge_l(answer: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """F-measure of the longest common subsequence, 0 to 1, by the best precision and the best recall of the references.

    Args:
        answer: Tokens.
        references: Tokens of each reference, at least one.

    >>> rouge_l("police killed the gunman".split(), ["police kill the gunman".split()])
    0.75
    """
    lengths = [(common_subsequence(answer, reference), len(reference)) for reference in references]
    precision = max(common / len(answer) for common, _ in lengths) if answer else 0.0
    recall = max(common / length if length else 0.0 for common, length in lengths)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


class RougeL(AdditiveMetric[float]):
    """Mean ROUGE-L over captions, from 0 to 1; an empty answer scores 0.

    >>> metric = RougeL()
    >>> metric.update({"id": 1, "sentences": ["A cat sits."]}, Prediction("1", "a cat sits"))
    >>> metric.compute()[0].value
    1.0
    """

    name = "rouge_l"
    needs = ("sentences",)

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"tok": "ptb", "case": "lower", "beta": BETA, "refs": "best", "failed": "zero"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one caption."""
        answer = ptb(prediction.plain_text.lower())
        value = rouge_l(answer, [ptb(sentence.lower()) for sentence in reference["sentences"]])
        self.keep(reference, Status.OK if answer else Status.NONE, value)

    def row(self, state: float) -> Sequence[float]:
        """The score and 1."""
        return state, 1.0

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean."""
        return sums[..., :1] / sums[..., 1:]

    @property
    def score_names(self) -> Sequence[str]:
        """One score."""
        return [self.name]

    def is_share(self, name: str) -> bool:
        """It is."""
        return True

    def extra(self, name: str) -> Mapping[str, float]:
        """The score with every empty answer wrong, and with every one right."""
        if not self.entries:
            return {}
        total, n = sum(entry.state for _, entry in self.ordered()), len(self.entries)
        return {"failures_wrong": total / n, "failures_right": (total + self.n_failed) / n}

    def sample_value(self, state: float) -> float | None:
        """The caption's own score."""
        return state
