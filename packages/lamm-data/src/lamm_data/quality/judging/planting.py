"""Faults planted into sound records, of kinds that a judge of faithfulness has to find."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from lamm_data.generation.rows import Row
from lamm_data.quality.checks.mentions import MentionFinder
from lamm_data.quality.checks.vocabulary import COLOURS, NUMBERS, OPPOSITES
from lamm_data.records.instruction import InstructionRecord
from lamm_data.writing.english import plural, with_article

_NUMBER = re.compile(rf"\b({'|'.join(sorted(NUMBERS, key=len, reverse=True))}|\d{{1,2}})\b(?= [a-z])", re.IGNORECASE)
_COLOUR = re.compile(rf"\b({'|'.join(sorted(COLOURS))})\b", re.IGNORECASE)
_BOX = re.compile(r"\[(-?\d*\.?\d+(?:, ?-?\d*\.?\d+){3,8})\]")
_SAME_COLOUR = {"gray", "grey"}
_ARTICLE = re.compile(r"\b(an?) \Z", re.IGNORECASE)
Change = Callable[[str, random.Random], str | None]


@dataclass(frozen=True)
class Planted:
    """A record with one fault.

    Attributes:
        record: The record with the fault.
        kind: `colour`, `count`, `absent_object`, `relation` or `box`.
        words: The words of the answer that are wrong.
    """

    record: InstructionRecord
    kind: str
    words: str


KINDS = ("colour", "count", "absent_object", "relation", "box")


def plant_faults(
    records: Sequence[InstructionRecord], rows: Mapping[str, Row], count: int, seed: int = 0
) -> list[tuple[InstructionRecord, Planted]]:
    """Plant one fault each into records, the kinds in turn as far as the texts allow them.

    Args:
        records: Sound records.
        rows: Annotation rows by id: objects that are absent from one are taken from the others.
        count: Faults wanted.
        seed: Of the draw.

    Returns:
        Records as they are, each with its planted copy; at most one fault a record.
    """
    chance = random.Random(seed)
    labels = frozenset(item.label for row in rows.values() for item in row.objects)
    finder = MentionFinder(sorted(labels))
    made, pairs = Counter[str](), list[tuple[InstructionRecord, Planted]]()
    for record in chance.sample(list(records), len(records)):
        if len(pairs) == count:
            break
        for kind in sorted(KINDS, key=lambda name: (made[name], KINDS.index(name))):
            planted = _plant(record, kind, _changes(finder, labels, rows.get(str(record.id)))[kind], chance)
            if planted is not None:
                made[kind] += 1
                pairs.append((record, planted))
                break
    return pairs


def _plant(record: InstructionRecord, kind: str, change: Change, chance: random.Random) -> Planted | None:
    """Change one answer of a record; None where no answer can have the fault."""
    answers = [at for at, turn in enumerate(record.conversations) if turn.role == "gpt"]
    for at in chance.sample(answers, len(answers)):
        turns = list(record.conversations)
        changed = change(turns[at].text, chance)
        if changed is not None and changed != turns[at].text:
            words = _difference(turns[at].text, changed)
            turns[at] = replace(turns[at], text=changed)
            return Planted(replace(record, conversations=turns), kind, words)
    return None


def _difference(before: str, after: str) -> str:
    """Give the words of a text that another one does not have, from the first to the last."""
    old, new = before.split(), after.split()
    start = next((at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    end = next((at for at, pair in enumerate(zip(old[::-1], new[::-1], strict=False)) if pair[0] != pair[1]), 0)
    return " ".join(new[start : len(new) - end])


def _changes(finder: MentionFinder, labels: frozenset[str], row: Row | None) -> dict[str, Change]:
    return {
        "colour": _other_colour,
        "count": _other_count,
        "absent_object": lambda text, chance: _absent(text, chance, finder, labels, row),
        "relation": _swapped,
        "box": _moved,
    }


def _one_of(found: Iterable[re.Match[str]], chance: random.Random) -> re.Match[str] | None:
    listed = list(found)
    return chance.choice(listed) if listed else None


def _put(text: str, start: int, end: int, new: str) -> str:
    """Put words in the place of others, with their capital."""
    new = new[:1].upper() + new[1:] if text[start : start + 1].isupper() else new
    return text[:start] + new + text[end:]


def _other_colour(text: str, chance: random.Random) -> str | None:
    found = _one_of(_COLOUR.finditer(text), chance)
    if found is None:
        return None
    here = {word.lower() for word in _COLOUR.findall(text)}
    others = sorted(COLOURS - here - (_SAME_COLOUR if here & _SAME_COLOUR else set()))
    return _with_right_article(text, found.start(), found.end(), chance.choice(others)) if others else None


def _other_count(text: str, chance: random.Random) -> str | None:
    found = _one_of((found for found in _NUMBER.finditer(text) if _value(found[1]) >= 2), chance)
    if found is None:
        return None
    value = _value(found[1]) + chance.choice((1, 2, 3))
    words = {number: word for word, number in NUMBERS.items()}
    return _put(text, *found.span(1), str(value) if found[1].isdigit() else words.get(value, str(value)))


def _value(word: str) -> int:
    return int(word) if word.isdigit() else NUMBERS[word.lower()]


def _absent(
    text: str, chance: random.Random, finder: MentionFinder, labels: frozenset[str], row: Row | None
) -> str | None:
    """Write another class for one that the text names: one that neither the annotations nor their sentences hold."""
    if row is None:
        return None
    known = {item.label for item in row.objects}
    known |= {label for found in finder.find(" ".join(row.captions).lower()) for label in found.labels}
    mentions = [found for found in finder.find(text) if not known.isdisjoint(found.labels)]
    absent = sorted(labels - known - {label for found in finder.find(text) for label in found.labels})
    if not mentions or not absent:
        return None
    found = chance.choice(mentions)
    label = chance.choice(absent)
    several = found.word.lower() not in (name.lower() for name in found.labels) and found.word.lower().endswith("s")
    return _with_right_article(text, found.start, found.end, plural(label) if several else label)


def _with_right_article(text: str, start: int, end: int, new: str) -> str:
    """Put words in the place of others, with "a" or "an" before them as they need it."""
    article = _ARTICLE.search(text[:start])
    if article is None:
        return _put(text, start, end, new)
    return text[: article.start()] + _put(article[1], 0, len(article[1]), with_article(new)) + text[end:]


@cache
def _opposites() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Load the words that can be turned round in place, each with what contradicts it."""
    return tuple((re.compile(rf"\b{words}\b", re.IGNORECASE), other) for words, other in OPPOSITES.items())


def _swapped(text: str, chance: random.Random) -> str | None:
    found = [(match, other) for pattern, other in _opposites() for match in pattern.finditer(text)]
    if not found:
        return None
    match, other = chance.choice(found)
    return _put(text, *match.span(), other)


def _moved(text: str, chance: random.Random) -> str | None:
    """Move one box of the text: by a third of the picture, or by one and a half metres."""
    found = _one_of(_BOX.finditer(text), chance)
    if found is None:
        return None
    numbers = [float(number) for number in found[1].split(",")]
    places = max(len(number.strip().partition(".")[2]) for number in found[1].split(","))
    moved = list(_moved_in_picture(numbers) if len(numbers) == 4 else [*(n + 1.5 for n in numbers[:2]), *numbers[2:]])
    return _put(text, found.start(1), found.end(1), ", ".join(f"{number:.{places}f}" for number in moved))


def _moved_in_picture(box: Sequence[float]) -> Iterator[float]:
    """Move a box `(x1, y1, x2, y2)` to the side that has more room, in fractions or in pixels and thousandths."""
    whole = 1.0 if max(box) <= 1 else max(box)
    far = whole / 3
    for at, number in enumerate(box):
        low, high = (box[0], box[2]) if at % 2 == 0 else (box[1], box[3])
        yield min(max(number + (far if low + high < whole else -far), 0), whole)
