"""Does training data touch a benchmark: the same image, the same room, the same words?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from lamm_data.jsonl import iter_values
from lamm_data.quality.findings import Finding
from lamm_data.records import InstructionRecord, media_paths

SPAN = 13
"""Words in a row that count as copied (GPT-3's contamination study, arXiv 2005.14165, appendix C)."""

_COCO = re.compile(r"^COCO_(?:train|val|test)\d{4}_")
_SCENE = re.compile(r"^(scene\d{4})_\d\d")
_WORD = re.compile(r"\w+")


def media_key(path: str) -> str:
    """Give the name under which the same picture or room shows in different data sets.

    COCO's 2014 and 2017 names become one, and ScanNet's repeated scans of a room become the room.

    >>> media_key("coco_images/COCO_val2014_000000001146.jpg"), media_key("./scannet_pcls/scene0011_01.npy")
    ('000000001146', 'scene0011')
    """
    stem = _COCO.sub("", PurePosixPath(path).stem)
    scene = _SCENE.match(stem)
    return scene[1] if scene else stem


class Benchmarks:
    """What must not be trained on.

    Args:
        paths: Benchmark files (JSON lists or JSON Lines).
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._media: dict[str, str] = {}
        self._spans: dict[tuple[str, ...], str] = {}
        for path in paths:
            for _, item in iter_values(path):
                if isinstance(item, dict):
                    self._add(item, path.name)

    def _add(self, item: dict[str, Any], name: str) -> None:
        for media in media_paths(item.get("image") or item.get("pcl")):
            self._media.setdefault(media_key(media), name)
        texts = [item.get("query"), *(item.get("sentences") or [])]
        for text in texts:
            if isinstance(text, str):
                for span in _spans(text):
                    self._spans.setdefault(span, name)

    def check(self, record: InstructionRecord) -> Iterator[Finding]:
        """Check one record.

        Args:
            record: The record.

        Yields:
            Findings of the kind contamination.
        """
        for media in record.media:
            if media_key(media) in self._media:
                yield Finding("contamination", f"{media} is in {self._media[media_key(media)]}")
        for number, turn in enumerate(record.conversations, start=1):
            span = next((span for span in _spans(turn.text) if span in self._spans), None)
            if span:
                yield Finding("contamination", f"{' '.join(span)} ({self._spans[span]})", number)


def _spans(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return (tuple(words[at : at + SPAN]) for at in range(len(words) - SPAN + 1))
