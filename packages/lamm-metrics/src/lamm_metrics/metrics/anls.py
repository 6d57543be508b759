"""ANLS: how alike an answer and a text of a document are, forgiving errors of reading (DocVQA)."""

from collections.abc import Sequence

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.by_type import MeansByType
from lamm_metrics.metrics.edit_distance import levenshtein
from lamm_metrics.metrics.question_types import Types
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference


def similarity(answer: str, reference: str, threshold: float) -> float:
    """Return 1 minus the edit distance over the longer length, 0 where that is below the threshold.

    Case and runs of white space do not count.

    >>> similarity("Hotel", "hotels", 0.5), similarity("cat", "dog", 0.5)
    (0.8333333333333334, 0.0)
    """
    first, second = (" ".join(text.lower().split()) for text in (answer, reference))
    longer = max(len(first), len(second))
    alike = 1.0 - levenshtein(first, second) / longer if longer else 1.0
    return alike if alike >= threshold else 0.0


class Anls(MeansByType):
    """Average normalised Levenshtein similarity, the best over the references (arXiv 1905.13648, 2007.00398).

    >>> metric = Anls()
    >>> metric.update({"id": 1, "answers": ["12 May 1990"]}, Prediction("1", "12 may 1990"))
    >>> metric.compute()[0].value
    1.0
    """

    name = "anls"

    def __init__(self, threshold: float = 0.5, *, types: Types = "record") -> None:
        """Choose the least similarity that counts.

        Args:
            threshold: From 0 to 1; a similarity of exactly this much counts, as on the challenge's server.
            types: Rule of question types; "record" takes the record's `question_type`.
        """
        super().__init__(types)
        if not 0 <= threshold <= 1:
            raise UsageError(f"Expected threshold from 0 to 1, got {threshold:g}. Change it.")
        self.threshold = threshold

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"least": f"{self.threshold:g}", "case": "lower", **super().settings()}

    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return the best similarity to a reference."""
        answer = prediction.plain_text
        return [max(similarity(answer, text, self.threshold) for text in reference["answers"])], answer.strip() or None
