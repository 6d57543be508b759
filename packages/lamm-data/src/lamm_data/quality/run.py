"""Checks a whole file: what passes goes to one file, what does not to another with its reasons, and a funnel counts."""

from __future__ import annotations

import gc
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from lamm_data.errors import RecordError, UsageError
from lamm_data.files.processes import in_parallel
from lamm_data.files.shards import write_values
from lamm_data.generation.input_rows import RowIndex, rows_by_id
from lamm_data.near_duplicates.exact import find_near
from lamm_data.progress import Advance, unwatched
from lamm_data.quality.checks.bias import BiasFigures
from lamm_data.quality.checks.grounding import Grounding
from lamm_data.quality.checks.media import check_media
from lamm_data.quality.checks.record import KINDS, Finding, PreparedRecord
from lamm_data.quality.checks.text import check_text
from lamm_data.quality.chunks import Chunk, read_chunks
from lamm_data.quality.contamination.benchmarks import Benchmarks, ContaminationSettings
from lamm_data.quality.judging.judge import FaithfulnessSettings, Verdicts, judge_records
from lamm_data.records.benchmark import BenchmarkRecord, benchmark_faults
from lamm_data.records.dialogues import is_foreign
from lamm_data.records.instruction import PLACEHOLDERS, InstructionRecord, instruction_faults, is_header
from lamm_data.records.tasks import task_of_file_name
from lamm_llm import atomic_bytes, loads

WORTH_PROCESSES = 4_000_000
"""Bytes of a file from which checking is worth starting processes for."""


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        records: Records read, whether they are usable or not.
        usable: Records that keep the contract of instruction records.
        kept: Records without a finding.
        kinds: Records with at least one finding of a kind (a record may show in several).
        funnel: Records left after each kind of check, in order.
        findings: `(position, finding)` of every finding, in order of position.
        bias: Bias figures of all readable records, when they were wanted.
        verdicts: What a judge answered, when one was asked.
    """

    records: int = 0
    usable: int = 0
    kept: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    funnel: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    bias: BiasFigures | None = None
    verdicts: Verdicts | None = None


@dataclass(frozen=True)
class CheckSettings:
    """What to check.

    Attributes:
        annotations: Rows the records were made from; without them nothing is checked for grounding.
        media_root: Folder of the records' media, whose media are opened; None to leave them unopened.
        contamination: Benchmarks that must not be touched.
        near_duplicates: ROUGE-L from which two dialogues count as one; None to look for exact duplicates only.
        rounds: Rounds that conversations were asked to have; None for any number.
        skip: Kinds of findings to leave out.
        bias: Count bias figures.
        workers: Processes; 1 checks in this one. Small files are always checked in this one.
        judge: Who scores the faithfulness of records that have no other finding; None for nobody.
    """

    annotations: Path | None = None
    media_root: Path | None = None
    contamination: ContaminationSettings = field(default_factory=ContaminationSettings)
    near_duplicates: float | None = None
    rounds: int | None = None
    skip: frozenset[str] = frozenset()
    bias: bool = False
    workers: int = 1
    judge: FaithfulnessSettings | None = None


@dataclass
class ChunkReport:
    """What the checks of one chunk found: `(position, finding)` pairs, and bias figures where they are wanted.

    Attributes:
        first: Position of its first record.
        size: Bytes of the file, for progress.
        header: True when its first value is the file's header, no record.
        contents: Hash of each record's media and words for exact duplicates; empty for a record that cannot be read.
        texts: Its dialogues, when near duplicates are wanted.
    """

    first: int
    size: int
    header: bool = False
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    bias: BiasFigures | None = None


class Checker:
    """All checks that look at one record at a time."""

    def __init__(self, settings: CheckSettings) -> None:
        self.settings = settings
        self._rows = RowIndex.read(settings.annotations) if settings.annotations is not None else RowIndex()
        self._grounding = Grounding(self._rows) if len(self._rows) else None
        self._benchmarks = Benchmarks(settings.contamination) if settings.contamination.benchmarks else None

    def __reduce__(self) -> tuple[type[Checker], tuple[CheckSettings]]:
        """Travel to a process that does not inherit it as its settings alone."""
        return Checker, (self.settings,)

    def __call__(self, chunk: Chunk) -> ChunkReport:
        """Check a chunk.

        Raises:
            SourceError: A line is not JSON, or a medium that is to be compared cannot be read.
        """
        report = ChunkReport(chunk.first, chunk.size, bias=BiasFigures() if self.settings.bias else None)
        for index, value in enumerate(chunk.values(), start=chunk.first):
            if is_benchmark(value):
                report.findings += ((index, found) for found in self._of_benchmark(value, chunk.path))
                report.contents.append(hashlib.blake2b(str(value.get("id", index)).encode("utf-8", "replace")).digest())
                report.texts.append("")
                continue
            if index == 0 and is_header(value, "instructions", chunk.path):
                report.header = True
                report.contents.append(b"")
                report.texts.append("")
                continue
            try:
                prepared = PreparedRecord(InstructionRecord.from_dict(value))
            except RecordError as error:
                report.findings += ((index, Finding("format", fault.message)) for fault in error.faults)
                report.contents.append(b"")
                report.texts.append("")
                continue
            report.findings += ((index, found) for found in self._findings(prepared))
            report.contents.append(content_hash(prepared))
            if self.settings.near_duplicates is not None:
                record = prepared.record
                report.texts.append("\n".join([*record.media, *(turn.text for turn in record.dialogue())]))
            if report.bias is not None:
                report.bias.add(prepared, self._rows.get(str(prepared.record.id)))
        return report

    def _of_benchmark(self, value: dict[str, Any], path: str) -> Iterator[Finding]:
        """Hold a benchmark record against its task; of two with one id the second is the duplicate."""
        task = task_of_file_name(Path(path).name, "image" if value.get("image") is not None else "pcl")
        key = task.key if task else None
        faults = benchmark_faults(value, key)
        yield from (Finding("format", fault) for fault in faults)
        if self.settings.media_root is not None and not faults:
            yield from check_media(BenchmarkRecord.from_dict(value, key), self.settings.media_root)

    def _findings(self, prepared: PreparedRecord) -> Iterator[Finding]:
        yield from check_text(prepared, self.settings.rounds)
        if self.settings.media_root is not None:
            yield from check_media(prepared.record, self.settings.media_root)
        if self._benchmarks is not None:
            yield from self._benchmarks.check(prepared)
        if self._grounding is not None:
            yield from self._grounding.check(prepared)


def is_benchmark(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value is a record of a benchmark rather than of instructions: a question with its truth."""
    return isinstance(value, dict) and "query" in value and "conversations" not in value and not is_foreign(value)


def check_file(
    path: Path,
    settings: CheckSettings,
    kept: Path | None = None,
    rejected: Path | None = None,
    advance: Advance = unwatched,
) -> CheckReport:
    """Check a file of instruction records, or of benchmark records, which are held against their tasks.

    Args:
        path: JSON Lines or a JSON list.
        settings: What to check.
        kept: Where records without findings go; nowhere by default. Names in `.json` make a JSON list.
        rejected: Where the others go, each with its findings under `findings`.
        advance: Called with the number of newly checked bytes.

    Returns:
        The report.

    Raises:
        UsageError: An output is the file itself.
        SourceError: The file is not JSON.
    """
    for target in (kept, rejected):
        if target is not None and target.resolve() == path.resolve():
            raise UsageError(f"Expected an output beside the records, got the same file {path}. Choose another name.")
    report = CheckReport(bias=BiasFigures() if settings.bias else None)
    collected = _Collected(report)
    workers = settings.workers if path.is_file() and path.stat().st_size > WORTH_PROCESSES else 1
    with closing(_ChunkChecker(settings)) as check:
        for part in in_parallel(check, read_chunks(path), workers):
            collected.add(part)
            advance(part.size)
    if settings.near_duplicates is not None:
        report.findings += _near(collected.texts, settings.near_duplicates, settings.workers, collected.exact)
    if settings.judge is not None:
        report.verdicts = _judge(path, settings, settings.judge, report)
        report.findings += report.verdicts.findings(settings.judge.least)
    by_record = _finish(report, settings.skip)
    if kept is not None:
        _write_kept(kept, path, by_record)
    if rejected is not None:
        write_values(rejected, _rejected(path, by_record))
    return report


def _judge(path: Path, settings: CheckSettings, judge: FaithfulnessSettings, report: CheckReport) -> Verdicts:
    """Ask about the records that have no finding so far: what is refused anyway costs nothing."""
    faulty = {index for index, finding in report.findings if finding.kind not in settings.skip}
    rows = rows_by_id(settings.annotations) if settings.annotations is not None else {}

    def sound() -> Iterator[tuple[int, InstructionRecord]]:
        for index, item in _items(path):
            value = loads(item) if isinstance(item, bytes) and index not in faulty else item
            if index in faulty or instruction_faults(value) or (not index and is_header(value, "instructions", path)):
                continue
            yield index, InstructionRecord.from_dict(value)

    return judge_records(sound(), rows, judge)


class _ChunkChecker:
    """Checks chunks by a checker that each process makes for itself, when it gets its first chunk.

    The garbage collector does not walk through the checker, whose rows are many and end with it: collections over and
    over take a third of the time in which rows are read.
    """

    def __init__(self, settings: CheckSettings) -> None:
        self._settings = settings
        self._checker: Checker | None = None

    def __call__(self, chunk: Chunk) -> ChunkReport:
        if self._checker is None:
            enabled = gc.isenabled()
            gc.disable()
            try:
                self._checker = Checker(self._settings)
                gc.freeze()
            finally:
                if enabled:
                    gc.enable()
        return self._checker(chunk)

    def close(self) -> None:
        """Give this process's checker back to the garbage collector."""
        if self._checker is not None:
            gc.unfreeze()


class _Collected:
    """Puts the reports of chunks together and finds exact duplicates among them."""

    def __init__(self, report: CheckReport) -> None:
        self.report = report
        self.texts: list[str] = []
        self.exact: set[int] = set()
        self._first_of: dict[bytes, int] = {}

    def add(self, part: ChunkReport) -> None:
        self.report.findings += part.findings
        self.report.records += len(part.contents) - part.header
        self.report.usable += len(part.contents) - part.contents.count(b"")
        self.texts += part.texts
        for index, content in enumerate(part.contents, start=part.first):
            first = self._first_of.setdefault(content, index) if content else index
            if first != index:
                self.exact.add(index)
                self.report.findings.append((index, Finding("duplicate", f"of record {first + 1}")))
        if self.report.bias is not None and part.bias is not None:
            self.report.bias.merge(part.bias)


def _near(texts: list[str], threshold: float, workers: int, exact: set[int]) -> Iterator[tuple[int, Finding]]:
    indices = [index for index, text in enumerate(texts) if text and index not in exact]
    for item in find_near([texts[index] for index in indices], threshold, workers):
        detail = f"ROUGE-L {item.similarity:.2f} with record {indices[item.of] + 1}"
        yield indices[item.index], Finding("near_duplicate", detail)


_SPACES = b" \n\t\r"


def content_hash(prepared: PreparedRecord) -> bytes:
    """Hash a record's media and its text up to white space and case, the same for what says the same."""
    text = prepared.text
    if "<" in text:
        for placeholder in PLACEHOLDERS:
            text = text.replace(placeholder, "")
    text = text.replace("\u00a0", "")
    media = "\n".join([*prepared.record.media, ""]).encode("utf-8", "surrogatepass")
    content = media + text.encode("utf-8", "surrogatepass").translate(None, _SPACES)
    return hashlib.blake2b(content, digest_size=16).digest()


def _finish(report: CheckReport, skip: frozenset[str]) -> dict[int, list[Finding]]:
    """Sort and count the findings; return them by the position of their record."""
    report.findings = sorted((item for item in report.findings if item[1].kind not in skip), key=lambda item: item[0])
    indices, by_record, gone = defaultdict[str, set[int]](set), defaultdict[int, list[Finding]](list), set[int]()
    for index, finding in report.findings:
        indices[finding.kind].add(index)
        by_record[index].append(finding)
    for kind in KINDS:
        if kind in indices:
            gone |= indices[kind]
            report.kinds[kind] = len(indices[kind])
            report.funnel[kind] = report.records - len(gone)
    report.kept = report.records - len(gone)
    return by_record


def _write_kept(target: Path, path: Path, by_record: dict[int, list[Finding]]) -> None:
    """Copy lines as they stand; nothing is decoded that need not be."""
    items = (item for index, item in _items(path) if index not in by_record)
    if target.suffix == ".json":
        write_values(target, (json.loads(item) if isinstance(item, bytes) else item for item in items))
        return
    with atomic_bytes(target) as handle:
        for item in items:
            line = item if isinstance(item, bytes) else json.dumps(item, ensure_ascii=False).encode("utf-8")
            handle.write(line.strip() + b"\n")


def _rejected(path: Path, by_record: dict[int, list[Finding]]) -> Iterator[dict[str, Any]]:
    for index, item in _items(path):
        if index in by_record:
            value = json.loads(item) if isinstance(item, bytes) else item
            reasons = list(map(asdict, by_record[index]))
            yield {**(value if isinstance(value, dict) else {"value": value}), "findings": reasons}


def _items(path: Path) -> Iterator[tuple[int, Any]]:
    return ((index, item) for chunk in read_chunks(path) for index, item in enumerate(chunk.items, start=chunk.first))
