"""POPE's set of numbers for yes/no questions about objects (arXiv 2305.10355)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.closed import read_yes_no
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction import Status
from lamm_metrics.metrics.base import derived
from lamm_metrics.metrics.parted import Missing, PartedMetric
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.records.parts import parts_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import YES_NO, Reference, record_id, truth_label
from lamm_metrics.results.score import ScoreSpec

Parser = Literal["sense", "pope", "pope3d"]
Pooling = Literal["records", "templates"]
_DENIALS = frozenset({"No", "not", "no"})


class Verdict(NamedTuple):
    """The true answer, the given one (empty where it could not be read), parts, whether it counts, the template."""

    truth: str
    given: str
    parts: tuple[str, ...] = ()
    counted: bool = True
    template: str = ""


def pope_verdict(text: str) -> str:
    """Return POPE's reading: no where the first sentence has the word No, no or not, else yes, also for silence.

    >>> pope_verdict("There is not."), pope_verdict("Nothing there."), pope_verdict("")
    ('no', 'yes', 'yes')
    """
    words = text.partition(".")[0].replace(",", "").split(" ")
    return "yes" if _DENIALS.isdisjoint(words) else "no"


def pope3d_verdict(text: str) -> str:
    """Return 3D-POPE's reading: yes where the answer is that word alone, else no, also for silence.

    >>> pope3d_verdict("Yes."), pope3d_verdict("Yes, there is")
    ('yes', 'no')
    """
    return "yes" if text.lower().strip().rstrip(".") == "yes" else "no"


_VERDICTS = {"pope": pope_verdict, "pope3d": pope3d_verdict}


class YesNo(PartedMetric[Verdict]):
    """Accuracy, precision, recall and F1 of "yes", and the share of "yes".

    An answer that cannot be read is wrong and is no "yes"; precision and F1 are 0 where nothing was ever affirmed.
    Where records say their `setting` (random, popular or adversarial), the scores of each follow.

    >>> metric = YesNo()
    >>> metric.update({"id": 1, "label": "yes"}, Prediction("1", probabilities={"yes": 0.9, "no": 0.1}))
    >>> metric.compute()[0].value
    1.0
    """

    name = "yes_no"
    needs = ("label", "attr")

    def __init__(self, parser: Parser = "sense", missing: Missing = "wrong", pooled: Pooling = "records") -> None:
        """Choose how answers are read and put together.

        Args:
            parser: "sense" reads what an answer says; "pope" and "pope3d" compare words as those projects' code does.
            missing: Whether a record without an answer is "wrong" or is left out ("skip").
            pooled: Whether scores are those of all "records", or the mean of those of each of the "templates" that
                records name.
        """
        super().__init__()
        one_of("parser", parser, Parser)
        one_of("missing", missing, Missing)
        one_of("pooled", pooled, Pooling)
        self.parser, self.missing, self.pooled = parser, missing, pooled

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        own = {"missing": self.missing, "pooled": self.pooled}
        changed = {key: value for key, value in own.items() if value not in ("wrong", "records")}
        return {"positive": "yes", "parser": self.parser, "failed": "wrong", **changed}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer.

        Raises:
            LammMetricsError: The truth is neither yes nor no, or the record was read before.
        """
        truth = YES_NO.get(truth_label(reference).strip().lower())
        if truth is None:
            got = truth_label(reference)[:80]
            raise LammMetricsError(
                f"Expected yes or no as the truth of record {record_id(reference)!r}, got {got!r}. "
                "Choose a metric that fits the records."
            )
        if self.parser in _VERDICTS and not prediction.absent:
            status, given, detail = str(Status.OK), _VERDICTS[self.parser](prediction.plain_text), ""
        else:
            answer = read_yes_no(reference, prediction, ())
            status, given, detail = answer.status, answer.given, answer.detail
        counted = self.missing != "skip" or not prediction.absent
        state = Verdict(truth, given, parts_of(reference), counted, str(reference.get("template", "")))
        self.keep(reference, status, state, detail)

    @derived
    def _templates(self) -> list[str]:
        """Return what scores are averaged over."""
        if self.pooled == "records":
            return [""]
        return sorted({entry.state.template for entry in self.entries.values()})

    def outcome(self, state: Verdict) -> Sequence[float]:
        """Right answers, true positives, given positives, actual positives, answers: in the place of its template."""
        right = float(state.truth == state.given)
        positive = float(state.truth == "yes")
        own = (right, right * positive, float(state.given == "yes"), positive, 1.0)
        if self.pooled == "records":
            return own
        return [number * (name == state.template) for name in self._templates() for number in own]

    def if_right(self, state: Verdict) -> Verdict:
        """Return the true answer."""
        return state._replace(given=state.truth)

    def shares(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The five scores, in the order of `whole`."""
        split = sums.reshape(*sums.shape[:-1], len(self._templates()), 5)
        right, hits, given, positive, n = np.moveaxis(split, -1, 0)
        precision = np.where(given > 0, hits / np.maximum(given, 1), np.where(n > 0, 0.0, np.nan))
        f1 = np.where(given + positive > 0, 2 * hits / np.maximum(given + positive, 1), np.where(n > 0, 0.0, np.nan))
        scores = np.stack([right / n, precision, hits / positive, f1, given / n], axis=-1)
        return scores[..., 0, :] if self.pooled == "records" else _mean_of_defined(scores)

    def whole(self) -> Sequence[ScoreSpec]:
        """Return accuracy first; those that are shares of all records are proportions."""
        return [
            ScoreSpec(name, proportion=name in ("accuracy", "yes_rate"), share=True, bounded=name == "accuracy")
            for name in ("accuracy", "precision", "recall", "f1", "yes_rate")
        ]

    def sample_value(self, state: Verdict) -> float | None:
        """1 for a right answer, 0 for a wrong one."""
        return float(state.truth == state.given) if state.counted else None

    def shown(self, state: Verdict) -> str:
        """What was read."""
        return state.given

    def remarks(self) -> list[str]:
        """Return how many records without an answer are left out."""
        return self.left_out()


def _mean_of_defined(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over templates, [..., templates, scores] to [..., scores], of those that are defined."""
    defined = ~np.isnan(scores)
    return np.asarray(np.where(defined, scores, 0.0).sum(axis=-2) / defined.sum(axis=-2))
