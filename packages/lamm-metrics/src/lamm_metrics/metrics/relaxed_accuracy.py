"""Relaxed accuracy: numbers read off a chart may be a little off (ChartQA)."""

from collections.abc import Sequence
from math import isfinite

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.by_type import MeansByType
from lamm_metrics.metrics.question_types import Types
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference


def _number(text: str) -> float | None:
    """Return the number that a whole text is, a per cent as a hundredth; None where it is none."""
    try:
        found = float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return found if isfinite(found) else None


def relaxed_match(answer: str, reference: str, tolerance: float) -> bool:
    """Return whether two numbers differ by no more than a share of the true one, or two texts are equal without case.

    A true 0 is compared as a text, as in the published code.

    >>> relaxed_match("104", "100", 0.05), relaxed_match("5%", "0.05", 0.05), relaxed_match("Yes", "yes", 0.05)
    (True, True, True)
    """
    given, true = _number(answer), _number(reference)
    if given is not None and true:
        return abs(given - true) / abs(true) <= tolerance
    return answer.lower() == reference.lower()


class RelaxedAccuracy(MeansByType):
    """Share of answers within 5 % of a true number, or equal to a true text (arXiv 2203.10244).

    >>> metric = RelaxedAccuracy()
    >>> metric.update({"id": 1, "answers": ["100"]}, Prediction("1", "95"))
    >>> metric.compute()[0].value
    1.0
    """

    name = "relaxed_accuracy"

    def __init__(self, tolerance: float = 0.05, *, types: Types = "record") -> None:
        """Choose how much a number may be off.

        Args:
            tolerance: Share of the true number.
            types: Rule of question types; "record" takes the record's `question_type`.
        """
        super().__init__(types)
        if not 0 <= tolerance < 1:
            raise UsageError(f"Expected tolerance from 0 to below 1, got {tolerance:g}. Change it.")
        self.tolerance = tolerance

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"tolerance": f"{self.tolerance:g}", **super().settings()}

    def proportions(self) -> bool:
        """Return that every value is 0 or 1."""
        return True

    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return whether the answer matches a reference."""
        answer = prediction.plain_text.strip()
        right = any(relaxed_match(answer, text.strip(), self.tolerance) for text in reference["answers"])
        return [right and bool(answer)], answer or None
