"""Checks a whole file: what passes goes to one file, what does not to another with its reasons, and a funnel counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import RecordError
from lamm_data.generation.rows import Row, read_rows
from lamm_data.jsonl import atomic_text, iter_values
from lamm_data.quality.contamination import Benchmarks
from lamm_data.quality.duplicates import find_exact, find_near
from lamm_data.quality.findings import KINDS, Finding
from lamm_data.quality.grounding import Grounding
from lamm_data.quality.text_checks import check_text
from lamm_data.records import InstructionRecord


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        records: Records read.
        kept: Records without a finding.
        kinds: Records with at least one finding of a kind (a record may show in several).
        funnel: Records left after each kind of check, in order.
        findings: `(position, finding)` of every finding.
    """

    records: int = 0
    kept: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    funnel: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[int, Finding]] = field(default_factory=list)


@dataclass(frozen=True)
class CheckSettings:
    """What to check.

    Attributes:
        annotations: Rows the records were made from; without them nothing is checked for grounding.
        benchmarks: Benchmark files that must not be touched.
        near_duplicates: ROUGE-L from which two dialogues count as one; None to look for exact duplicates only.
        skip: Kinds of findings to leave out.
    """

    annotations: Path | None = None
    benchmarks: tuple[Path, ...] = ()
    near_duplicates: float | None = None
    skip: frozenset[str] = frozenset()


def check_file(
    path: Path, settings: CheckSettings, kept: Path | None = None, rejected: Path | None = None
) -> CheckReport:
    """Check a file of instruction records.

    Args:
        path: JSON Lines or a JSON list.
        settings: What to check.
        kept: Where records without findings go; nowhere by default.
        rejected: Where the others go, each with its findings under `findings`.

    Returns:
        The report.

    Raises:
        SourceError: When the file is not JSON.
    """
    values = [value for _, value in iter_values(path)]
    report = CheckReport(records=len(values))
    found: dict[int, list[Finding]] = {}
    for place, finding in _findings(values, settings):
        if finding.kind not in settings.skip:
            found.setdefault(place, []).append(finding)
            report.findings.append((place, finding))
    report.kept = len(values) - len(found)
    _count(report, found)
    _write(values, found, kept, rejected)
    return report


def _findings(values: list[Any], settings: CheckSettings) -> Iterator[tuple[int, Finding]]:
    grounding = None
    if settings.annotations is not None:
        grounding = Grounding(row for row in read_rows(settings.annotations) if isinstance(row, Row))
    benchmarks = Benchmarks(settings.benchmarks)
    places: list[int] = []
    texts: list[str] = []
    for place, value in enumerate(values):
        try:
            record = InstructionRecord.from_dict(value)
        except RecordError as error:
            yield from ((place, Finding("format", fault.message)) for fault in error.faults)
            continue
        yield from ((place, finding) for finding in check_text(record))
        yield from ((place, finding) for finding in benchmarks.check(record))
        if grounding is not None:
            yield from ((place, finding) for finding in grounding.check(record))
        places.append(place)
        texts.append(dialogue_text(record))
    yield from _duplicates(places, texts, settings.near_duplicates)


def _duplicates(places: list[int], texts: list[str], threshold: float | None) -> Iterator[tuple[int, Finding]]:
    exact = find_exact(texts)
    for item in exact:
        yield places[item.place], Finding("duplicate", f"of record {places[item.of] + 1}")
    if threshold is not None:
        known = {item.place for item in exact}
        for item in find_near(texts, threshold):
            if item.place not in known:
                detail = f"ROUGE-L {item.similarity:.2f} with record {places[item.of] + 1}"
                yield places[item.place], Finding("near_duplicate", detail)


def dialogue_text(record: InstructionRecord) -> str:
    """Give the whole dialogue with its media, the text that duplicates are looked for in."""
    return "\n".join([*record.media, *(turn.text for turn in record.dialogue())])


def _count(report: CheckReport, found: dict[int, list[Finding]]) -> None:
    for findings in found.values():
        report.kinds.update({finding.kind for finding in findings})
    gone: set[int] = set()
    for kind in KINDS:
        if report.kinds[kind]:
            gone |= {place for place, findings in found.items() if any(item.kind == kind for item in findings)}
            report.funnel[kind] = report.records - len(gone)


def _write(values: list[Any], found: dict[int, list[Finding]], kept: Path | None, rejected: Path | None) -> None:
    with ExitStack() as stack:
        files: list[IO[str] | None] = [
            stack.enter_context(atomic_text(path)) if path else None for path in (kept, rejected)
        ]
        for place, value in enumerate(values):
            findings = found.get(place)
            target = files[1] if findings else files[0]
            if target is None:
                continue
            if findings:
                reasons = [{"kind": item.kind, "detail": item.detail, "turn": item.turn} for item in findings]
                value = (
                    {**value, "findings": reasons} if isinstance(value, dict) else {"value": value, "findings": reasons}
                )
            target.write(json.dumps(value, ensure_ascii=False) + "\n")
