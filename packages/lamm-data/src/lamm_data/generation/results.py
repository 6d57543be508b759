"""Where outcomes go: a file of records and a file of rejections, both in row order, both complete or absent."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import LammDataError
from lamm_data.generation.record_maker import RecordMaker
from lamm_data.generation.rows import Row, RowFault
from lamm_data.generation.solving import Outcome
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
        output: File of records; `rejected` stands beside it.
        maker: Makes the records.
    """

    def __init__(self, output: Path, maker: RecordMaker) -> None:
        self.output = output
        self.rejected_path = output.with_name(f"{output.stem}.rejected.jsonl")
        self.counts = Counts()
        self._maker = maker
        self._kept = _Spool(output)
        self._refused = _Spool(self.rejected_path)

    def add(self, place: int, row: Row, outcome: Outcome) -> None:
        """Take the outcome of one row.

        Args:
            place: Position of the row in the input.
            row: The row.
            outcome: How it ended.
        """
        counts = self.counts
        if outcome.answer is not None:
            records = self._maker.records(row, outcome)
            self._kept.add(place, records)
            counts.finished += 1
            counts.records += len(records)
            counts.salvaged += outcome.answer.salvaged
            counts.asked_again += outcome.asks > 1
            return
        (counts.failed if outcome.failed else counts.rejected)[outcome.reason] += 1
        rejection = {
            "id": row.id,
            "reason": outcome.reason,
            "detail": outcome.detail,
            "text": outcome.text,
            "final": not outcome.failed,
            "request": outcome.request,
            "source": row.origin,
        }
        self._refused.add(place, [rejection])

    def add_fault(self, place: int, fault: RowFault) -> None:
        """Take a row that could not be read."""
        self.counts.rejected["bad_row"] += 1
        rejection = {"id": fault.id, "reason": "bad_row", "detail": fault.message, "text": "", "final": True}
        self._refused.add(place, [{**rejection, "source": fault.origin}])

    def finish(self) -> None:
        """Write both files in row order, beside and then renamed."""
        self._refused.write(self.rejected_path)
        self._kept.write(self.output)

    def discard(self) -> None:
        """Remove what was collected, without touching finished files."""
        self._refused.close()
        self._kept.close()


class _Spool:
    """Lines on disk in order of arrival, with an index that puts them in row order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # A nameless file: whatever ends the process, nothing stays behind.
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._places: dict[int, tuple[int, int]] = {}
        self._size = 0

    def add(self, place: int, values: list[dict[str, Any]]) -> None:
        lines = b"".join(dumps(value) + b"\n" for value in values)
        with _room_for(self._path):
            self._file.write(lines)
        self._places[place] = (self._size, len(lines))
        self._size += len(lines)

    def write(self, path: Path) -> None:
        try:
            with _room_for(path), atomic_path(path, sync=True) as beside, beside.open("wb") as out:
                for place in sorted(self._places):
                    offset, length = self._places[place]
                    self._file.seek(offset)
                    out.write(self._file.read(length))
        finally:
            self.close()

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:
            # What it could not take on a full disk has been reported by `add` or `write`; the file has no name.
            return


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
