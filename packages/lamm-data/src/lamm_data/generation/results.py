"""What an outcome becomes, and where it goes: files of records and of rejections, in row order, complete or absent.

An answer becomes instruction records, an annotation row with captions, or a multiple-choice question.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import LammDataError
from lamm_data.generation.answers import Answer
from lamm_data.generation.prompts import Prompt
from lamm_data.generation.rows import Row, RowFault
from lamm_data.generation.settings import GenerationSettings
from lamm_data.generation.solving import Outcome
from lamm_data.records.instruction import MAX_ROUNDS_3D, ROLES
from lamm_llm import atomic_path, dumps


@dataclass
class Counts:
    """How the rows of a run ended; `rows` is always the sum of the others.

    Attributes:
        rows: Rows read.
        finished: Rows that became records.
        rejected: Rows whose answer is final but unusable, by reason.
        failed: Rows without an answer, by reason; running again tries them again.
        unsent: Rows not asked because the run had to stop.
        records: Records written (a long 3D dialogue makes several).
        salvaged: Finished rows of which part of the answer was dropped.
        asked_again: Finished rows that took a second request.
    """

    rows: int = 0
    finished: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    records: int = 0
    salvaged: int = 0
    asked_again: int = 0

    def add_up(self) -> bool:
        """Tell whether every row is accounted for."""
        return self.rows == self.finished + self.rejected.total() + self.failed.total() + self.unsent

    def to_dict(self) -> dict[str, Any]:
        """Give plain values; `dataclasses.asdict` would count the pairs of a Counter anew."""
        return {**vars(self), "rejected": dict(self.rejected), "failed": dict(self.failed)}


class Results:
    """Collects outcomes as they come and writes them in row order at the end.

    Args:
        settings: The run's settings: the output, and what records are written with.
        prompt: The prompt the answers belong to.
        rejected: File of rejections.
    """

    def __init__(self, settings: GenerationSettings, prompt: Prompt, rejected: Path) -> None:
        self.counts = Counts()
        self._settings, self._prompt = settings, prompt
        self._prompt_origin = {"name": prompt.name, "version": prompt.version, "sha256": prompt.sha256}
        self._make: Callable[[Row, Outcome, Answer], list[dict[str, Any]]] = {
            "dialogue": self._dialogues,
            "description": self._description,
            "statements": self._row_of_statements,
            "options": self._question,
        }[prompt.answer]
        self._records = _Spool(settings.output)
        self._rejections = _Spool(rejected)

    def add(self, position: int, row: Row, outcome: Outcome) -> None:
        """Take the outcome of the row at a position of the input."""
        counts, answer = self.counts, outcome.answer
        if answer is not None:
            records = self._make(row, outcome, answer)
            self._records.add(position, records)
            counts.finished += 1
            counts.records += len(records)
            counts.salvaged += answer.salvaged
            counts.asked_again += outcome.asked_again
            return
        (counts.failed if outcome.failed else counts.rejected)[outcome.reason] += 1
        rejection = {
            "id": row.id,
            "reason": outcome.reason,
            "detail": outcome.detail,
            "text": outcome.reply.text,
            "final": not outcome.failed,
            "request": outcome.requests[-1].key if outcome.requests else "",
            "source": row.origin,
        }
        self._rejections.add(position, [rejection])

    def add_fault(self, position: int, fault: RowFault) -> None:
        """Take a row that could not be read."""
        self.counts.rejected["bad_row"] += 1
        rejection = {"id": fault.id, "reason": "bad_row", "detail": fault.message, "text": "", "final": True}
        self._rejections.add(position, [{**rejection, "source": fault.origin}])

    def finish(self) -> None:
        """Write both files in row order, beside and then renamed."""
        self._rejections.write()
        self._records.write()

    def close(self) -> None:
        """Remove what was collected, without touching finished files."""
        self._rejections.close()
        self._records.close()

    def _dialogues(self, row: Row, outcome: Outcome, answer: Answer) -> list[dict[str, Any]]:
        """Make one record, or several when a 3D dialogue is longer than ten rounds."""
        size = MAX_ROUNDS_3D if row.modality == "pcl" else len(answer.rounds)
        parts = [answer.rounds[start : start + size] for start in range(0, len(answer.rounds), size)]
        return [self._record(row, outcome, answer, part) for part in parts]

    def _description(self, row: Row, outcome: Outcome, answer: Answer) -> list[dict[str, Any]]:
        question = self._random(outcome).choice(self._prompt.questions)
        return [self._record(row, outcome, answer, ((question, answer.description),))]

    def _row_of_statements(self, row: Row, outcome: Outcome, answer: Answer) -> list[dict[str, Any]]:
        """Give the row again with the statements as its captions: input of the 3D dialogues and descriptions."""
        objects = [
            _without_empty({"category": o.label, "bbox": o.box, "attributes": o.attributes}) for o in row.objects
        ]
        annotations = {
            "captions": answer.items,
            "instances": objects,
            "relations": row.relations,
            "label": row.label,
            "description": row.description,
            "group": row.group,
            "licence": row.licence,
        }
        return [self._about(row) | _without_empty(annotations) | {"meta": self._provenance(row, outcome, answer)}]

    def _question(self, row: Row, outcome: Outcome, answer: Answer) -> list[dict[str, Any]]:
        """Give a benchmark record whose options stand in an order drawn by the request's key."""
        from lamm_data.benchmark.entry import instructions
        from lamm_data.records.benchmark import BenchmarkRecord
        from lamm_data.records.tasks import TASKS
        from lamm_data.writing.draws import fill
        from lamm_data.writing.options import lettered

        question = row.questions[0]
        right = self._random(outcome).randrange(len(answer.items) + 1)
        choices = [*answer.items[:right], question.answers[0], *answer.items[right:]]
        task = next(key for key, task in TASKS.items() if (task.kind, task.modality) == ("choice", row.modality))
        words = instructions()[task]
        about = self._about(row)
        record = BenchmarkRecord(
            id=row.id,
            query=fill(words["query"], {"question": question.text, "options": lettered(choices)}),
            image=about.get("image"),
            pcl=about.get("pcl"),
            gt_choice=right,
            gt_choices=choices,
            task=task,
            dataset=row.source.get("src_dataset", row.source.get("src_image")),
            group=row.group or row.source.get("src_id", row.id),
            system=f"{words['definition']} {words['structure']}",
            src_image=about.get("src_image"),
            meta=self._provenance(row, outcome, answer),
        )
        return [record.to_dict()]

    def _record(
        self, row: Row, outcome: Outcome, answer: Answer, rounds: tuple[tuple[str, str], ...]
    ) -> dict[str, Any]:
        turns = [{"from": role, "value": text} for pair in rounds for role, text in zip(ROLES, pair, strict=True)]
        record = self._about(row) | {"conversations": turns, "task_type": self._prompt.task_type}
        record["meta"] = self._provenance(row, outcome, answer)
        return record

    def _about(self, row: Row) -> dict[str, Any]:
        """Say what a record is about: its id, medium and source."""
        source = self._settings.source or Path(str(row.origin.get("file", ""))).stem
        about = {"id": row.id, row.modality: self._settings.media_prefix + row.media}
        if row.modality == "pcl":
            about["src_dataset"] = row.source.get("src_dataset", source)
            about["src_id"] = row.source.get("src_id", row.id)
        else:
            about["src_image"] = row.source.get("src_image", source)
        return _without_empty(about)

    def _provenance(self, row: Row, outcome: Outcome, answer: Answer) -> dict[str, Any]:
        meta = {
            "source": row.origin,
            "licence": row.licence,
            "generator": outcome.reply.model,
            "fingerprint": outcome.reply.fingerprint,
            "prompt": self._prompt_origin,
            "request": outcome.requests[-1].key,
            "seed": outcome.requests[-1].seed,
            "salvaged": answer.salvaged,
            "shown": list(outcome.shown),
        }
        return {key: value for key, value in meta.items() if value not in ("", [])}

    def _random(self, outcome: Outcome) -> random.Random:
        return random.Random(f"{self._settings.seed}:{outcome.requests[-1].key}")


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", (), [])}


class _Spool:
    """Lines on disk in order of arrival, with an index that puts them in row order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # A nameless file: whatever ends the process, nothing stays behind.
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._spans: dict[int, tuple[int, int]] = {}
        self._size = 0

    def add(self, position: int, values: list[dict[str, Any]]) -> None:
        lines = b"".join([dumps(value) + b"\n" for value in values])
        with _room_for(self._path):
            self._file.write(lines)
        self._spans[position] = (self._size, len(lines))
        self._size += len(lines)

    def write(self) -> None:
        try:
            with _room_for(self._path), atomic_path(self._path, sync=True) as beside, beside.open("wb") as out:
                for _, (offset, length) in sorted(self._spans.items()):
                    self._file.seek(offset)
                    out.write(self._file.read(length))
        finally:
            self.close()

    def close(self) -> None:
        # What it could not take on a full disk has been reported by `add` or `write`; the file has no name.
        with suppress(OSError):
            self._file.close()


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """Say in one line that a disk does not take what has to be written; every answer is in the journal."""
    try:
        yield
    except OSError as error:
        raise LammDataError(
            f"Expected room and the right to write for {path}, got: {error}. Answers are kept in the journal; "
            "mend that and run the same command again."
        ) from error
