"""Does training data touch a benchmark: the same image, the same room, the same words?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values
from lamm_data.files.pictures import media_file
from lamm_data.quality.checks.record import Finding, PreparedRecord
from lamm_data.quality.contamination.image_hashes import HashIndex, ImageHash, hash_image
from lamm_data.quality.contamination.media_keys import MediaKeys
from lamm_data.records.instruction import media_paths
from lamm_data.writing.words import words_of

SPAN = 13
"""Words in a row that count as copied (GPT-3's contamination study, arXiv 2005.14165, appendix C)."""
COMMON = 10
"""A span in more items of a benchmark is its instruction, not its content, and does not count."""
STRIDE = (SPAN + 1) // 2
"""Any 13 words hold 7 that start at a multiple of 7: only every seventh place of a record is looked at first."""


@dataclass(frozen=True)
class ContaminationSettings:
    """What must not be touched.

    Attributes:
        benchmarks: Benchmark files (JSON lists or JSON Lines).
        links: Files that say which images or scans are the same, see `MediaKeys`.
        media_root: Folder of the records' media; with `benchmark_media`, files and pictures are compared too.
        benchmark_media: Folder of the benchmarks' media.
    """

    benchmarks: tuple[Path, ...] = ()
    links: tuple[Path, ...] = ()
    media_root: Path | None = None
    benchmark_media: Path | None = None


def media_beside(*files: Path) -> Path | None:
    """Find the folder below which the media of files of records lie: that of the files, where their first media are."""
    folders = {path.parent for path in files}
    if len(folders) != 1:
        return None
    folder = folders.pop()
    for path in files:
        values = (value for _, value in iter_values(path) if isinstance(value, dict))
        media = (media_paths(value.get("image") or value.get("pcl")) for value in values)
        first = next((paths[0] for paths in media if paths), None)
        try:
            media_file(folder, first or "")
        except SourceError:
            return None
    return folder


class Benchmarks:
    """What must not be trained on.

    Raises:
        SourceError: A benchmark's medium is missing or damaged, when media are compared.
    """

    def __init__(self, settings: ContaminationSettings) -> None:
        self._key = MediaKeys(settings.links)
        self._media: dict[str, str] = {}
        self._spans: dict[tuple[str, ...], str] = {}
        self._starts: set[tuple[str, ...]] = set()
        self._items: Counter[tuple[str, ...]] = Counter()
        self._pictures = HashIndex()
        self._compare = settings.media_root is not None and settings.benchmark_media is not None
        self._root, self._own = settings.benchmark_media or Path(), settings.media_root or Path()
        for path in settings.benchmarks:
            for _, item in iter_values(path):
                if isinstance(item, dict):
                    self._add(item, path.name)
        for span, count in self._items.items():
            if count > COMMON:
                del self._spans[span]
        self._items.clear()

    def _add(self, item: dict[str, Any], name: str) -> None:
        for media in media_paths(item.get("image") or item.get("pcl")):
            key = self._key(media)
            if self._compare and key not in self._media:
                self._pictures.add(_hash(media_file(self._root, media), "image" in item), f"{media} of {name}")
            self._media.setdefault(key, name)
        for text in (item.get("query"), *(item.get("sentences") or [])):
            if isinstance(text, str):
                words = words_of(text)
                spans = {tuple(words[at : at + SPAN]) for at in range(len(words) - SPAN + 1)}
                self._spans |= dict.fromkeys(spans, name)
                self._items.update(spans)
                self._starts.update(tuple(words[at : at + STRIDE]) for at in range(len(words) - STRIDE + 1))

    def check(self, prepared: PreparedRecord) -> Iterator[Finding]:
        """Check one record.

        Yields:
            Findings of the kind contamination, and media where a medium that is to be compared cannot be read.
        """
        record = prepared.record
        for kind, media in zip(record.kinds, record.media, strict=True):
            key = self._key(media)
            if key in self._media:
                yield Finding("contamination", f"{media} is in {self._media[key]} ({key})")
            elif self._compare:
                try:
                    copy = self._pictures.find(_hash(media_file(self._own, media), kind == "image"))
                except SourceError as error:
                    yield Finding("media", str(error))
                    continue
                if copy:
                    yield Finding("contamination", f"{media} is {copy[0]} ({copy[1]})")
        if self._spans and self._copied(prepared.words):
            for number, turn in enumerate(record.conversations, start=1):
                span = self._copied(words_of(turn.text))
                if span:
                    yield Finding("contamination", f"{' '.join(span)} ({self._spans[span]})", number)

    def _copied(self, words: Sequence[str]) -> tuple[str, ...] | None:
        """Find 13 words in a row that a benchmark holds."""
        for at in range(0, len(words) - STRIDE + 1, STRIDE):
            if tuple(words[at : at + STRIDE]) in self._starts:
                for start in range(max(at - STRIDE + 1, 0), at + 1):
                    span = tuple(words[start : start + SPAN])
                    if span in self._spans:
                        return span
        return None


def _hash(path: Path, picture: bool) -> ImageHash:
    if picture:
        return hash_image(path)
    try:
        return ImageHash(hashlib.sha256(path.read_bytes()).hexdigest(), flat=True)
    except OSError as error:
        raise SourceError(f"Expected a cloud, got {error} ({path}).") from error
