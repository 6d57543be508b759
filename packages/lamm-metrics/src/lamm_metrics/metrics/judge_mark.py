"""Marks that a language model gave to open answers, read and averaged as OpenEQA, MSQA and Beacon3D do."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from lamm_metrics.metrics.base import Floats
from lamm_metrics.metrics.by_type import MeansByType, Typed
from lamm_metrics.metrics.exact_match import match_answer
from lamm_metrics.metrics.question_types import Types
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.texts import TEXTS, clean_answer
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec

Judge = Literal["openeqa", "msqa", "beacon3d"]
BEST, GOOD = 5, 4
_OPENEQA = re.compile(r"Your mark:[ \t]*(\d+)[ \t]*(?:\n|$)")


def mark_of_reply(reply: object, judge: Judge) -> int | None:
    r"""Return the mark that a judge's reply states, None where the project's rule reads none.

    Args:
        reply: A number, or the text of a reply.
        judge: OpenEQA takes digits alone or the rest of the line behind "Your mark:"; the others
            the first whole number.

    >>> [mark_of_reply(reply, "openeqa") for reply in ("Your mark: 4\nbecause", "3.5")], mark_of_reply("4/5", "msqa")
    ([4, None], 4)
    """
    if isinstance(reply, int | float) and not isinstance(reply, bool):
        return int(reply) if reply == int(reply) else None
    if not isinstance(reply, str):
        return None
    if judge != "openeqa":
        found = re.search(r"\d+", reply)
        return int(found[0]) if found else None
    if reply.isdecimal():
        return int(reply)
    stated = _OPENEQA.search(reply)
    return int(stated[1]) if stated else None


def is_binary(references: Sequence[str]) -> bool:
    """Return whether a question passes for one of yes or no under Beacon3D's rule: "piano" does, since it holds "no".

    >>> is_binary(["Piano"]), is_binary(["brown"])
    (True, False)
    """
    return any(word in clean_answer(text) for text in references for word in ("yes", "no"))


class JudgeMark(MeansByType):
    """Mean of (mark - 1) / 4 over answers, marks cut to 1..5; the mark is `meta.mark` of the prediction.

    A mark that cannot be read counts as the lowest, and as failed. Under "beacon3d" records that name their `object_id`
    also give `objects_right`, the share of objects all of whose answers have a mark of 4 or 5. Numbers of different
    judges do not compare: name the judge beside them.

    >>> metric = JudgeMark()
    >>> metric.update({"id": 1, "answers": ["red"]}, Prediction("1", "reddish", meta={"mark": "Your mark: 4"}))
    >>> metric.compute()[0].value
    0.75
    """

    name = "judge_mark"

    def __init__(self, judge: Judge = "openeqa", *, types: Types = "record") -> None:
        """Choose how replies are read.

        Args:
            judge: "openeqa", "msqa" or "beacon3d"; the last gives the best mark to exact matches without a judge, and
                to yes and no where the answer overlaps the reference.
            types: Rule of question types; "record" takes the record's `question_type`.
        """
        super().__init__(types)
        one_of("judge", judge, Judge)
        self.judge: Judge = judge

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        return {"judge": self.judge, **super().settings()}

    @property
    def exchangeable(self) -> bool:
        """Return whether the row of a record depends on no other answer."""
        return not self._of_objects()

    def _of_objects(self) -> bool:
        return self.judge == "beacon3d" and any(entry.state.object for entry in self.entries.values())

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the means, then the share of objects."""
        return [*super().specs(), *[ScoreSpec("objects_right", share=True)] * self._of_objects()]

    def rows(self, states: Sequence[Typed]) -> Floats:
        """Return the summands of the means, then at the first record of an object whether all are right, and 1."""
        rows = super().rows(states)
        if not self._of_objects():
            return rows
        good: dict[str, list[bool]] = {}
        for state in states:
            good.setdefault(state.object, []).append(state.values[0] >= (GOOD - 1) / (BEST - 1))
        firsts = {state.object: place for place, state in reversed([*enumerate(states)]) if state.object}
        objects = np.zeros((len(states), 2))
        for name, place in firsts.items():
            objects[place] = all(good[name]), 1
        return np.hstack([rows, objects])

    def values(self, sums: Floats) -> Floats:
        """Return the scores, in the order of `specs`."""
        if not self._of_objects():
            return super().values(sums)
        return np.concatenate([super().values(sums[..., :-2]), sums[..., -2:-1] / sums[..., -1:]], axis=-1)

    def judged(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[float], str | None]:
        """Return the mark in shares of the best one."""
        mark = mark_of_reply(prediction.meta.get("mark"), self.judge)
        if self.judge == "beacon3d":
            truth = reference["answers"]
            exact, refined = match_answer(prediction.plain_text, truth, TEXTS["leo"], "in-order", "contained")
            mark = BEST if exact or (refined and is_binary(truth)) else mark
        if mark is None:
            return [0.0], None
        return [(min(max(mark, 1), BEST) - 1) / (BEST - 1)], str(mark)
