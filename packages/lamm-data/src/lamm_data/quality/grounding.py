"""Does the text speak only of what the annotations hold?

After CHAIR (Rohrbach et al., arXiv 1809.02156): a class of the vocabulary that a text names must be annotated in the
image or named by its captions. Counts are compared with boxes, and written boxes with annotated ones.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files

from lamm_data.generation.layout import format_number
from lamm_data.generation.rows import Row
from lamm_data.quality.findings import Finding
from lamm_data.quality.text_checks import PROSE_TYPES
from lamm_data.records import InstructionRecord

_BOX = re.compile(r"\[\s*(-?\d*\.?\d+(?:\s*,\s*-?\d*\.?\d+){3,8})\s*\]")
_WORDS = tomllib.loads((files("lamm_data.quality") / "words.toml").read_text(encoding="utf-8"))
_NUMBERS: dict[str, int] = _WORDS["numbers"]
_SYNONYMS: dict[str, list[str]] = _WORDS["synonyms"]
_BOX_TOLERANCE = 0.0101


class Grounding:
    """Compares records with the annotations they were made from.

    Args:
        rows: Annotation rows; their labels together are the vocabulary.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row.id: row for row in rows}
        labels = sorted({item.label for row in self._rows.values() for item in row.objects})
        self._label_of = {form: label for label in labels for word in _words_of(label) for form in _forms(word)}
        forms = sorted(self._label_of, key=len, reverse=True)
        numbers = "|".join(_NUMBERS)
        words = "|".join(map(re.escape, forms)) or "(?!)"
        self._mention = re.compile(
            rf"\b(?:(?P<number>{numbers}|\d{{1,3}})\s+(?:\w+\s+)?)?(?P<word>{words})\b", re.IGNORECASE
        )

    def check(self, record: InstructionRecord) -> Iterator[Finding]:
        """Check one record.

        Args:
            record: The record; its `id` finds the annotations.

        Yields:
            Findings of the kinds ungrounded_object, wrong_count and unknown_box; none without annotations of that id.
        """
        row = self._rows.get(str(record.id))
        if row is None:
            return
        counts = Counter(item.label for item in row.objects)
        captions = " ".join(row.captions).lower()
        named = {self._label_of[found["word"].lower()] for found in self._mention.finditer(captions)}
        for number, turn in enumerate(record.conversations, start=1):
            if turn.role == "gpt":
                yield from _unknown_boxes(turn.text, row, number)
                if record.kind in PROSE_TYPES:
                    yield from self._mentions(turn.text, counts, named, captions, number)

    def _mentions(
        self, text: str, counts: Counter[str], named: set[str], captions: str, turn: int
    ) -> Iterator[Finding]:
        for found in self._mention.finditer(text):
            label, number = self._label_of[found["word"].lower()], found["number"]
            if label not in counts and label not in named:
                if not _denied(text, found.start()):
                    yield Finding("ungrounded_object", found["word"], turn)
            elif number and counts[label] and label not in _crowded(counts):
                value = _NUMBERS.get(number.lower()) or int(number)
                written = {number.lower(), *(word for word, count in _NUMBERS.items() if count == value), str(value)}
                said = any(re.search(rf"\b{word}\b", captions) for word in written)
                if value > 1 and value != counts[label] and not said:
                    yield Finding("wrong_count", f"{found[0]}, annotated {counts[label]}", turn)


def _crowded(counts: Counter[str]) -> set[str]:
    """Labels with so many boxes that annotators stop counting (COCO marks at most 10 to 15 before a crowd region)."""
    return {label for label, count in counts.items() if count >= 10}


def _denied(text: str, at: int) -> bool:
    """Tell whether the words before a mention deny it: "there is no dog"."""
    before = text[max(at - 30, 0) : at].lower()
    return re.search(r"\b(no|not|without|any|nor|never)\b(?:\s+\w+){0,3}\s*$", before) is not None


def _words_of(label: str) -> list[str]:
    return _SYNONYMS.get(label.lower(), [label.lower()])


def _forms(word: str) -> set[str]:
    """A word and its regular plural."""
    if word.endswith(("s", "x", "ch", "sh")):
        return {word, word + "es"}
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return {word, word[:-1] + "ies"}
    if word.endswith("fe"):
        return {word, word[:-2] + "ves"}
    return {word, word + "s"}


def _unknown_boxes(text: str, row: Row, turn: int) -> Iterator[Finding]:
    known = [item.box for item in row.objects if item.box]
    for found in _BOX.finditer(text):
        box = [float(part) for part in found[1].split(",")]
        if known and not any(_same(box, other) for other in known):
            shown = ", ".join(format_number(value) for value in box)
            yield Finding("unknown_box", f"[{shown}]", turn)


def _same(box: list[float], other: tuple[float, ...]) -> bool:
    return len(box) == len(other) and all(abs(a - b) < _BOX_TOLERANCE for a, b in zip(box, other, strict=True))
