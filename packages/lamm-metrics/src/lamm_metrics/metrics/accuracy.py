"""Accuracy of closed answers: classification, facial attributes, multiple choice, and CircularEval."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamm_metrics.answers.kinds import reader_of
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import OK, Floats, labels_setting
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id
from lamm_metrics.results.score import ScoreSpec
from lamm_metrics.statistics import clustered_standard_error


class Outcome(NamedTuple):
    """Whether an answer is right, what was read, and the question it belongs to."""

    correct: bool
    given: str
    question: str


class Accuracy(AdditiveMetric[Outcome]):
    r"""Share of right answers; an answer that cannot be read is wrong.

    `extra` holds the score if every unread answer were right: the truth lies between.

    >>> metric = Accuracy("vqa")
    >>> record = {"id": 1, "gt_choice": 1, "gt_choices": ["red", "blue"]}
    >>> metric.update(record, Prediction("1", choice="B"))
    >>> metric.compute()[0].value
    1.0
    """

    name = "accuracy"

    def __init__(self, task: str = "classification", labels: Sequence[str] = ()) -> None:
        """Choose how answers are read.

        Args:
            task: A task with closed answers.
            labels: The closed label set, for records that do not carry their own.
        """
        super().__init__()
        self.task = task
        self.labels = list(labels)
        self._read = reader_of(task)

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"task": self.task, "failed": "wrong", **labels_setting(self.labels)}

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the one score."""
        return [ScoreSpec(self.name, proportion=True, bounded=True)]

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer."""
        answer = self._read(reference, prediction, self.labels)
        question = str(reference.get("question_id", record_id(reference)))
        self.keep(reference, answer.status, Outcome(answer.correct, answer.given, question), answer.detail)

    def row(self, state: Outcome) -> Sequence[float]:
        """Return whether the answer is right, and 1."""
        return float(state.correct), 1.0

    def row_if_right(self, state: Outcome) -> Sequence[float]:
        """Return a right answer."""
        return 1.0, 1.0

    def extra(self, name: str) -> Mapping[str, float]:
        """Return the clustered standard error CR1."""
        values = np.array([entry.state.correct for _, entry in self.ordered()], np.float64)
        error = clustered_standard_error(values, self.group_codes())
        return {} if error is None else {"se_cr1": error}

    def sample_value(self, state: Outcome) -> float | None:
        """1 for a right answer, 0 for a wrong one."""
        return float(state.correct)

    def shown(self, state: Outcome) -> str:
        """The class, attribute or letter that was read."""
        return state.given


class CircularAccuracy(Accuracy):
    """CircularEval (MMBench, arXiv 2307.06281): a question counts only if it is right under every order of its options.

    Records of one question share `question_id`. Without it, ids that are whole numbers are taken modulo 1,000,000, as
    MMBench numbers its rotations. The score is the share of questions, from 0 to 1; `n` counts questions.

    >>> metric = CircularAccuracy("vqa")
    >>> for number, options in ((7, ["red", "blue"]), (1_000_007, ["blue", "red"])):
    ...     record = {"id": number, "gt_choice": options.index("blue"), "gt_choices": options}
    ...     metric.update(record, Prediction(str(number), choice="B"))
    >>> metric.compute()[0].value, metric.compute()[0].extra["accuracy_per_rotation"]
    (0.0, 0.5)
    """

    name = "circular_accuracy"

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer to one rotation."""
        if "question_id" not in reference and record_id(reference).isdecimal():
            reference = {**reference, "question_id": int(record_id(reference)) % 1_000_000}
        super().update(reference, prediction)

    def rows(self, states: Sequence[Outcome]) -> Floats:
        """Return the rows of answers; a question's whole weight sits on its first record, to be counted once."""
        right: dict[str, bool] = {}
        for state in states:
            right[state.question] = right.get(state.question, True) and state.correct
        table = np.zeros((len(states), 2))
        for i, state in enumerate(states):
            if state.question in right:
                table[i] = right.pop(state.question), 1.0
        return table

    def _table_if_right(self) -> Floats:
        """An unread answer keeps its question from counting unless it is taken for right."""
        entries = [entry for _, entry in self.ordered()]
        return self.rows([entry.state._replace(correct=entry.state.correct or entry.status != OK) for entry in entries])

    def extra(self, name: str) -> Mapping[str, float]:
        """Return the plain accuracy over all rotations."""
        right = sum(entry.state.correct for entry in self.entries.values())
        return {"accuracy_per_rotation": right / len(self.entries)} if self.entries else {}

    @property
    def n_records(self) -> int:
        """Questions, not rotations."""
        return len({entry.state.question for entry in self.entries.values()})
