"""ROUGE-L of captions (Lin 2004), with the conventions of the COCO caption evaluation."""

from collections.abc import Sequence

from lamm_metrics.extraction import Status
from lamm_metrics.metrics.captions.prepared import PreparedTexts
from lamm_metrics.metrics.edit_distance import common_subsequence
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

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


class RougeL(PreparedTexts[float]):
    """Mean ROUGE-L over captions, from 0 to 1; an empty answer scores 0.

    >>> metric = RougeL()
    >>> metric.update({"id": 1, "sentences": ["A cat sits."]}, Prediction("1", "a cat sits"))
    >>> metric.compute()[0].value
    1.0
    """

    name = "rouge_l"

    def own_settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"beta": BETA, "refs": "best"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one caption."""
        answer, truth = self.words(reference, prediction)
        self.keep(reference, Status.OK if any(answer) else Status.NONE, rouge_l(answer, truth))

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the one score."""
        return [ScoreSpec(self.name, share=True, bounded=True)]

    def row(self, state: float) -> Sequence[float]:
        """Return the score and 1."""
        return state, 1.0

    def row_if_right(self, state: float) -> Sequence[float]:
        """Return the best score."""
        return 1.0, 1.0

    def sample_value(self, state: float) -> float | None:
        """The caption's own score."""
        return state
