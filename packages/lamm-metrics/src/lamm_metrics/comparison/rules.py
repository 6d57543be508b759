"""The same predictions under every published rule of their task, side by side, and why the numbers differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.exact_match import match_answer, overlaps
from lamm_metrics.metrics.texts import TEXTS
from lamm_metrics.protocols import PUBLISHED, protocols_of, published
from lamm_metrics.records.predictions import Prediction, PredictionSource, read_predictions
from lamm_metrics.records.tasks import ReferenceSource, all_tasks, pair, read_references
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import Score
from lamm_metrics.scoring import score
from lamm_metrics.tables import number, table

SHOWN = 40
"""Characters of an answer in a reason."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """The numbers of one rule.

    Attributes:
        name: The protocol.
        scores: Its scores over all records, the headline first, without those of single types.
        rule: In words, what differs from the others.
        source: The project and commit.
        note: What one must know to read the numbers.
    """

    name: str
    scores: tuple[Score, ...]
    rule: str
    source: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        scores = [one.to_json() for one in self.scores]
        return {"name": self.name, "scores": scores, "rule": self.rule, "source": self.source, "note": self.note}


@dataclass(frozen=True, slots=True)
class Rules:
    """One predictions file under several rules.

    Attributes:
        task: Task key.
        rows: A row a rule, the standard protocol first.
        reasons: Why exact matches differ, a sentence a step, each with its answers; empty for other truths.
    """

    task: str
    rows: tuple[RuleRow, ...]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        return {"task": self.task, "rows": [row.to_json() for row in self.rows], "reasons": list(self.reasons)}

    def __str__(self) -> str:
        columns = self._columns()
        lines = [("protocol", *columns)]
        for row in self.rows:
            values = {one.name: number(one.value) for one in row.scores}
            lines.append((row.name, *(values.get(name, "") for name in columns)))
        noted: dict[str, list[str]] = {}
        for row in self.rows:
            for note in filter(None, row.note.split("; ")):
                noted.setdefault(note, []).append(row.name)
        parts = (
            [table(lines)],
            [f"{row.name}: {row.rule}" for row in self.rows],
            [f"{', '.join(names)}: {note}" for note, names in noted.items()],
            self.reasons,
        )
        return "\n\n".join("\n".join(part) for part in parts if part)

    def _columns(self) -> list[str]:
        """Return the names of the scores, each behind the one that comes before it in its row."""
        columns: list[str] = []
        for row in self.rows:
            place = 0
            # BLEU-1 to BLEU-3 stand in the JSON.
            for name in (one.name for one in row.scores if one.name not in ("bleu_1", "bleu_2", "bleu_3")):
                if name not in columns:
                    columns.insert(place, name)
                place = columns.index(name) + 1
        return columns


def compare_rules(
    references: ReferenceSource,
    predictions: PredictionSource,
    task: str,
    protocols: Sequence[str] = (),
    missing: str = "error",
) -> Rules:
    """Score one predictions file under the standard protocol and every published rule of its task, without intervals.

    Args:
        references: Benchmark records of the task, or the path of their file.
        predictions: Answers, or the path of their file.
        task: A task that published rules score.
        protocols: Rules to show; all that score the task if empty.
        missing: "error" refuses records without an answer; "failed" counts them as answers that cannot be read.

    Raises:
        UsageError: No published rule scores the task, or there is no such rule.
        FileFaultsError: Faulty files or ids that do not match.

    >>> rules = compare_rules([{"id": 1, "answers": ["tv"]}], [{"id": 1, "text": "TV stand"}], "open_vqa3d", ["leo"])
    >>> [(row.name, row.scores[1].value) for row in rules.rows]
    [('standard', 1.0), ('leo', 1.0)]
    >>> rules.reasons[-1]
    "em_r counts 1 more that only contain a reference or are contained in one, such as 'TV stand' for 'tv'"
    """
    able = [key for key in all_tasks() if protocols_of(key)]
    if task not in able:
        raise UsageError(f"Expected a task with published rules ({', '.join(able)}), got {task!r}. Choose one of them.")
    for name in protocols:
        published(name, task)
    truth, answers = read_references(references, task), read_predictions(predictions)
    paired = pair(truth, answers, missing)
    rows = []
    for name in dict.fromkeys(["standard", *(protocols or protocols_of(task))]):
        report = score(task, truth, answers, name, draws=0, missing=missing, samples=False)
        whole = tuple(one for one in report.scores if "/" not in one.name)
        rule = PUBLISHED.get(name)
        said = (rule.rule, rule.source) if rule else ("the task's own metrics and defaults", "")
        rows.append(RuleRow(name, whole, *said, report.note))
    matched = any(one.name == "em" for row in rows for one in row.scores)
    return Rules(task, tuple(rows), tuple(_reasons(truth.records, paired)) if matched else ())


_STEPS: Mapping[str, str] = {
    "written": "{n} are a reference letter by letter",
    "cleaned": "em on cleaned text counts {n} more: case, articles, number words, punctuation",
    "trimmed": "rules that take the final dot off before they clean (chatscene-sqa3d) count {n} more than those",
    "order": "rules that walk references in order (leo) lose {n} of these, since an earlier one overlaps",
    "first": "rules that look at the first reference alone (video3dllm-sqa3d) lose {n} of these",
    "raw": "rules that clean the answer alone (chatscene) lose {n} of these",
    "empty": "rules by which every text contains an empty answer count {n} empty ones in em_r",
    "loose": "em_r counts {n} more that only contain a reference or are contained in one",
}
"""What rules differ in, from the strictest on."""


def _steps(answer: str, truth: Sequence[str]) -> Iterator[str]:
    """Yield the keys of `_STEPS` at which an answer is counted, or lost again."""
    cleaned = TEXTS["leo"]
    exact, refined = match_answer(answer, truth, cleaned, "any", "contained")
    if answer in truth:
        yield "written"
    elif exact:
        yield "cleaned"
    elif refined:
        yield "loose" if cleaned.answer(answer).strip() else "empty"
    if not exact and match_answer(answer, truth, TEXTS["chatscene-sqa3d"], "any", "wrong")[0]:
        yield "trimmed"
    if exact and not match_answer(answer, truth, cleaned, "in-order", "contained")[0]:
        yield "order"
    if exact and not match_answer(answer, truth, cleaned, "first", "contained")[0]:
        yield "first"
    if exact and not match_answer(answer, truth, TEXTS["chatscene"], "any", "wrong")[0]:
        yield "raw"


def _reasons(records: Mapping[str, Reference], answers: Mapping[str, Prediction]) -> Iterator[str]:
    """Yield, step by step, what each looser rule counts in addition, with an example."""
    clean = TEXTS["leo"].answer
    found: dict[str, list[tuple[str, str]]] = {step: [] for step in _STEPS}
    for key, record in records.items():
        answer, truth = (answers[key].ranked or [answers[key].plain_text])[0], record["answers"]
        overlapping = [one for one in truth if overlaps(clean(answer), clean(one))]
        equal = [one for one in truth if clean(answer) == clean(one)]
        for step in _steps(answer, truth):
            nearest = overlapping if step == "order" else truth if step == "first" else [*equal, *overlapping, *truth]
            found[step].append((answer, nearest[0]))
    yield f"of {len(records)} answers:"
    for step, words in _STEPS.items():
        if found[step] or step in ("written", "cleaned", "loose"):
            yield words.format(n=len(found[step])) + _such(found[step])


def _such(examples: Sequence[tuple[str, str]]) -> str:
    """Return the shortest example, of two that are different where there is one."""
    if not examples:
        return ""
    answer, truth = min(examples, key=lambda one: (one[0] == one[1], len(one[0]) + len(one[1]), one))
    return f", such as {answer[:SHOWN]!r} for {truth[:SHOWN]!r}"
