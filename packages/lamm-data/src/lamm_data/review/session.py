"""One reviewer's session: the sample, its verdicts so far, and the next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.files.pictures import media_file
from lamm_data.files.settings import packaged_toml
from lamm_data.generation.rows import Row
from lamm_data.records.instruction import InstructionRecord
from lamm_data.review.sampling import content_key, stratum
from lamm_data.review.statistics import ReviewReport, summarise
from lamm_data.review.verdicts import Verdict, VerdictFile, read_verdicts
from lamm_data.view.media import shown_series


class ReviewSession:
    """What the page shows and changes.

    Args:
        sample: The records to read.
        verdicts: File that verdicts are appended to; further ones are other reviewers', read for agreement only.
        reviewer: Name of the reviewer.
        media_root: Folder that media paths are relative to.
        rows: Annotation rows by id, whose boxes are drawn.
    """

    def __init__(
        self,
        sample: Iterable[InstructionRecord],
        verdicts: Sequence[Path],
        reviewer: str,
        media_root: Path,
        rows: Mapping[str, Row],
    ) -> None:
        self.reviewer, self.media_root = reviewer, media_root
        self.records = {content_key(record): record for record in sample}
        if not self.records:
            raise UsageError("Expected records to review, got none. Check the file and --share.")
        self.keys = list(self.records)
        self._rows, self._verdicts = rows, verdicts
        self.file = VerdictFile(verdicts[0])
        self._mine = {item.record: item for item in read_verdicts(verdicts[:1]) if item.reviewer == reviewer}

    def overview(self) -> dict[str, Any]:
        """Give what the page needs at its start: keys, strata, this reviewer's verdicts, reasons."""
        return {
            "reviewer": self.reviewer,
            "reasons": load_reasons(),
            "records": [
                {"key": key, "stratum": stratum(record), "verdict": self._verdict_of(key)}
                for key, record in self.records.items()
            ],
        }

    def item(self, index: int) -> dict[str, Any]:
        """Give one record for the page."""
        record = self.at(index)
        row = self._rows.get(str(record.id))
        return {
            "id": "" if record.id is None else str(record.id),
            "stratum": stratum(record),
            "modality": record.modality,
            "media": list(record.media),
            "turns": [{"from": turn.role, "value": turn.text} for turn in record.dialogue()],
            "series": shown_series(record, row),
            "captions": list(row.captions) if row else [],
            "findings": record.extra.get("findings", []),
            "verdict": self._verdict_of(self.keys[index]),
        }

    def at(self, index: int) -> InstructionRecord:
        """Give the record at an index of the sample.

        Raises:
            UsageError: There is no such record.
        """
        if not 0 <= index < len(self.keys):
            raise UsageError(f"Expected a record from 0 to {len(self.keys) - 1}, got {index}.")
        return self.records[self.keys[index]]

    def medium(self, index: int, number: int) -> tuple[str, Path]:
        """Find a medium of a record: its modality and its file below the media root.

        Raises:
            UsageError: There is no such record or medium.
            SourceError: The file is missing or lies outside the root.
        """
        record = self.at(index)
        if not 0 <= number < len(record.media):
            raise UsageError(f"Expected a medium from 0 to {len(record.media) - 1}, got {number}.")
        return record.kinds[number], media_file(self.media_root, record.media[number])

    def judge(self, index: int, verdict: str, reason: str = "", note: str = "") -> dict[str, Any]:
        """Store a verdict, and return it as it stands on the disk.

        Raises:
            UsageError: The record or the verdict is none.
            OSError: It could not be stored.
        """
        record = self.at(index)
        judged = Verdict(
            record=self.keys[index],
            reviewer=self.reviewer,
            verdict=verdict,
            stratum=stratum(record),
            id="" if record.id is None else str(record.id),
            reason=reason,
            note=note,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.file.add(judged)
        self._mine[judged.record] = judged
        return asdict(judged)

    def report(self) -> ReviewReport:
        """Count the verdicts of everybody."""
        sample = {key: stratum(record) for key, record in self.records.items()}
        return summarise(sample, read_verdicts(self._verdicts))

    def close(self) -> None:
        """Close the verdict file."""
        self.file.close()

    def _verdict_of(self, key: str) -> dict[str, str] | None:
        judged = self._mine.get(key)
        return None if judged is None else {"verdict": judged.verdict, "reason": judged.reason, "note": judged.note}


@cache
def load_reasons() -> list[str]:
    """Load the reasons a record may be rejected for."""
    reasons: list[str] = packaged_toml("review", "reasons.toml")["reasons"]
    return reasons
