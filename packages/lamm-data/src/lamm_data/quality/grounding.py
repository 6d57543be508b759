"""Does the text speak only of what the annotations hold?

After CHAIR (Rohrbach et al., arXiv 1809.02156): a class of the vocabulary that a text names must be annotated in the
image or named by its captions. Counts are compared with boxes, written boxes with annotated ones, and relations with
triples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from lamm_data.generation.layout import format_number
from lamm_data.generation.rows import Row
from lamm_data.quality.findings import Finding
from lamm_data.quality.mentions import MentionFinder
from lamm_data.quality.prepared import PreparedRecord
from lamm_data.quality.relations import check_relations
from lamm_data.quality.text_checks import PROSE_TYPES
from lamm_data.quality.vocabulary import NUMBERS

_BOX = re.compile(r"\[\s*(-?\d*\.?\d+(?:\s*,\s*-?\d*\.?\d+){3,8})\s*\]")
_BOX_TOLERANCE = 0.0101


class Grounding:
    """Compares records with the annotations they were made from.

    Args:
        rows: Annotation rows; their labels together are the vocabulary.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row.id: row for row in rows}
        self._finder = MentionFinder(sorted({item.label for row in self._rows.values() for item in row.objects}))

    def check(self, prepared: PreparedRecord) -> Iterator[Finding]:
        """Check one record.

        Args:
            prepared: The record; its `id` finds the annotations.

        Yields:
            Findings of the kinds ungrounded_object, wrong_count, wrong_relation and unknown_box; none without
            annotations of that id.
        """
        record = prepared.record
        row = self._rows.get(str(record.id))
        if row is None:
            return
        counts = Counter(item.label for item in row.objects)
        boxed = "[" in prepared.text
        counted = record.kind in PROSE_TYPES and self._suspicious(prepared, counts)
        if counted:
            captions = " ".join(row.captions).lower()
            named = {found.label for found in self._finder.find(captions)}
        for number, turn in enumerate(record.conversations, start=1):
            if turn.role == "gpt":
                if boxed:
                    yield from _unknown_boxes(turn.text, row, number)
                if counted:
                    yield from self._mentions(turn.text, counts, named, captions, number)
                if row.relations:
                    yield from check_relations(turn.text, row, number)

    def _suspicious(self, prepared: PreparedRecord, counts: Counter[str]) -> bool:
        """Tell whether a record can have a finding at all: it names a class without a box, or a number near a class."""
        hits = self._finder.first_words & prepared.vocabulary
        if any(not self._finder.labels_from(word) <= counts.keys() for word in hits):
            return True
        numbers = [word for word in prepared.vocabulary if word in NUMBERS or word.isdecimal()] if hits else []
        return any(self._miscounts(word, following, counts) for word in numbers for following in prepared.after(word))

    def _miscounts(self, number: str, following: list[str], counts: Counter[str]) -> bool:
        """Tell whether a number stands before a class of which there are not so many."""
        value = NUMBERS.get(number) or int(number[:3])
        return value > 1 and any(
            counts[label] != value for word in following for label in self._finder.labels_from(word)
        )

    def _mentions(
        self, text: str, counts: Counter[str], named: set[str], captions: str, turn: int
    ) -> Iterator[Finding]:
        for found in self._finder.find(text):
            label, number = found.label, found.number
            if label not in counts and label not in named:
                if not _denied(text, found.start):
                    yield Finding("ungrounded_object", found.word, turn)
            elif number and counts[label] and label not in _crowded(counts):
                value = NUMBERS.get(number) or int(number)
                written = {number, *(word for word, count in NUMBERS.items() if count == value), str(value)}
                said = any(re.search(rf"\b{word}\b", captions) for word in written)
                if value > 1 and value != counts[label] and not said:
                    yield Finding("wrong_count", f"{number} {found.word}, annotated {counts[label]}", turn)


def _crowded(counts: Counter[str]) -> set[str]:
    """Labels with so many boxes that annotators stop counting (COCO marks at most 10 to 15 before a crowd region)."""
    return {label for label, count in counts.items() if count >= 10}


def _denied(text: str, at: int) -> bool:
    """Tell whether the words before a mention deny it: "there is no dog"."""
    before = text[max(at - 30, 0) : at].lower()
    return re.search(r"\b(no|not|without|any|nor|never)\b(?:\s+\w+){0,3}\s*$", before) is not None


def _unknown_boxes(text: str, row: Row, turn: int) -> Iterator[Finding]:
    known = [item.box for item in row.objects if item.box]
    for found in _BOX.finditer(text):
        box = [float(part) for part in found[1].split(",")]
        if known and not any(_same(box, other) for other in known):
            shown = ", ".join(format_number(value) for value in box)
            yield Finding("unknown_box", f"[{shown}]", turn)


def _same(box: list[float], other: tuple[float, ...]) -> bool:
    return len(box) == len(other) and all(abs(a - b) < _BOX_TOLERANCE for a, b in zip(box, other, strict=True))
