"""Does the text speak only of what the annotations hold?

After CHAIR (Rohrbach et al., arXiv 1809.02156): a class of the vocabulary that a text names must be annotated in the
image or named by its captions. Counts are compared with boxes, written boxes with annotated ones, and relations with
triples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Set

from lamm_data.generation.input_rows import RowIndex
from lamm_data.generation.request_builder import format_number
from lamm_data.generation.rows import Row
from lamm_data.quality.checks.mentions import Mention, MentionFinder
from lamm_data.quality.checks.record import Finding, PreparedRecord
from lamm_data.quality.checks.relations import check_relations
from lamm_data.quality.checks.text import PROSE_TYPES
from lamm_data.quality.checks.vocabulary import NUMBERS, exact_words
from lamm_data.stats.geometry import number_groups

_BOX_TOLERANCE = 0.0101
_CROWD = 10
_NUMBER_WORDS = frozenset(NUMBERS)


class Grounding:
    """Compares records with the annotations they were made from.

    Args:
        rows: Annotation rows; their labels together are the vocabulary.
    """

    def __init__(self, rows: RowIndex) -> None:
        self._rows = rows
        self._finder = MentionFinder(sorted(rows.vocabulary))

    def check(self, prepared: PreparedRecord) -> Iterator[Finding]:
        """Check one record against the annotations of its `id`, if there are any.

        Yields:
            Findings of the kinds ungrounded_object, wrong_count, wrong_relation and unknown_box.
        """
        record = prepared.record
        labels, related = self._rows.labels(str(record.id))
        boxed = "[" in prepared.text
        counted = record.kind in PROSE_TYPES and self._suspicious(prepared, labels)
        row = self._rows.get(str(record.id)) if counted or boxed or related else None
        if row is None:
            return
        counts = Counter(labels)
        if counted:
            captions = " ".join(row.captions).lower()
            named = {label for found in self._finder.find(captions) for label in found.labels}
        for number, turn in enumerate(record.conversations, start=1):
            if turn.role == "gpt":
                if boxed:
                    yield from _unknown_boxes(turn.text, row, number)
                if counted:
                    yield from self._mentions(turn.text, counts, named, captions, number)
                if row.relations:
                    yield from check_relations(turn.text, row, number)

    def _suspicious(self, prepared: PreparedRecord, labels: tuple[str, ...]) -> bool:
        """Tell whether a record can have a finding at all: it names a class without a box, or a number near a class."""
        named = self._finder.labels_by_word
        hits = self._finder.first_words & prepared.vocabulary
        there = frozenset(labels)
        for word in hits:
            if not named[word] <= there:
                return True
        if not hits:
            return False
        counts = {label: labels.count(label) for word in hits for label in named[word]}
        numbers = [*(_NUMBER_WORDS & prepared.vocabulary), *filter(str.isdecimal, prepared.vocabulary)]
        return any(self._miscounts(word, prepared, counts) for word in numbers)

    def _miscounts(self, number: str, prepared: PreparedRecord, counts: dict[str, int]) -> bool:
        """Tell whether a number stands before a class of which there are not so many."""
        value = NUMBERS.get(number) or int(number[:3])
        if value <= 1 or all(count == value for count in counts.values()):
            return False
        named = self._finder.labels_by_word
        return any(
            counts[label] != value
            for following in prepared.after(number)
            for word in following
            for label in named.get(word, ())
        )

    def _mentions(
        self, text: str, counts: Counter[str], named: set[str], captions: str, turn: int
    ) -> Iterator[Finding]:
        known = counts.keys() | named
        mentions = list(self._finder.find(text))
        for at, found in enumerate(mentions):
            if known.isdisjoint(found.labels):
                if not _denied(text, found.start) and not _compound(text, mentions, at, known):
                    yield Finding("ungrounded_object", found.word, turn)
            elif found.number and len(found.labels) == 1 and _wrong_count(found, counts[found.labels[0]], captions):
                yield Finding("wrong_count", f"{found.number} {found.word}, annotated {counts[found.labels[0]]}", turn)


def _wrong_count(found: Mention, annotated: int, captions: str) -> bool:
    """Tell whether a number before a class contradicts its boxes.

    More than are annotated are wrong, and fewer where the words mean all of the class: "two women" of five people and
    "two red cars" of five may be right. Classes of ten boxes and more are left out: COCO's annotators stop there.
    """
    value = NUMBERS.get(found.number) or int(found.number)
    if value <= 1 or not 0 < annotated < _CROWD or value == annotated:
        return False
    if value < annotated and found.word.lower() not in exact_words(found.labels[0]):
        return False
    written = {found.number, *(word for word, count in NUMBERS.items() if count == value), str(value)}
    return not any(re.search(rf"\b{word}\b", captions) for word in written)


def _compound(text: str, mentions: list[Mention], at: int, known: Set[str]) -> bool:
    """Tell whether a word stands right beside a class that is there, as in "toilet bowl" or "cake donuts"."""
    beside = [(mentions[at - 1], mentions[at])] if at else []
    beside += [(mentions[at], mentions[at + 1])] if at + 1 < len(mentions) else []
    return any(
        text[one.end : other.start] in (" ", "-") and not known.isdisjoint({*one.labels, *other.labels})
        for one, other in beside
    )


def _denied(text: str, at: int) -> bool:
    """Tell whether the words before a mention deny it: "there is no dog"."""
    before = text[max(at - 30, 0) : at].lower()
    return re.search(r"\b(no|not|without|any|nor|never)\b(?:\s+\w+){0,3}\s*$", before) is not None


def _unknown_boxes(text: str, row: Row, turn: int) -> Iterator[Finding]:
    known = [item.box for item in row.objects if item.box]
    for box in number_groups(text):
        if known and 4 <= len(box) <= 9 and not any(_same(box, other) for other in known):
            shown = ", ".join(format_number(value) for value in box)
            yield Finding("unknown_box", f"[{shown}]", turn)


def _same(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(box) == len(other) and all(abs(a - b) < _BOX_TOLERANCE for a, b in zip(box, other, strict=True))
