"""Checks that need nothing but the record's own text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamm_data.quality.checks.record import Finding, PreparedRecord
from lamm_data.records.instruction import MAX_ROUNDS_3D, PLACEHOLDERS, InstructionRecord
from lamm_data.writing.words import phrase_index

PROSE_TYPES = {"conversation", "description", "commomsenseqa", "conversation3d", "description3d", "commomsenseqa3d"}
"""Task types whose text must not hold coordinates or speak of its sources."""

_KINDS = ("markup", "refusal", "profanity", "toxicity", "leakage")
"""Kinds that have phrases."""
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){1,4}(?![\w])")
_BARE_PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}(?:[ .-]?\d{2,8}){1,5}|"
    r"(?:call|phone|tel|ring|dial|mobile|fax)\W{1,3}(?:\w+\W+){0,3}?\d{7,14})\b",
    re.IGNORECASE,
)
_SHORTEST_PHONE = 7
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789\n"))
_SHORT = 128
"""Characters of texts that are as quickly compared as a whole as at their ends."""
_NUMBER = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_COORDINATES = re.compile(
    rf"[\[(]\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*){{2,8}}[\])]|[\[(]\s*-?\d*\.\d+\s*,\s*-?\d*\.\d+\s*[\])]"
)


def check_text(prepared: PreparedRecord, rounds: int | None = None) -> Iterator[Finding]:
    """Check one record, whose conversation was asked to have so many rounds (None for any number).

    Yields:
        Findings of the kinds format, markup, repetition, leakage, coordinates, refusal, personal_data, profanity and
        toxicity.
    """
    record = prepared.record
    prose = record.kind in PROSE_TYPES
    yield from _whole_record(record, prose, rounds)
    if "<" in prepared.text:
        yield from _placeholders(record)
    possible = phrase_index().possible(prepared.text, prepared.vocabulary)
    for kind in _KINDS:
        if kind in possible and (prose or kind != "leakage"):
            yield from _first_of_each_turn(kind, possible[kind], record, answers_only=kind == "refusal")
    if prose and ("[" in prepared.text or "(" in prepared.text):
        yield from _first_of_each_turn("coordinates", [_COORDINATES], record)
    if "@" in prepared.text:
        yield from _first_of_each_turn("personal_data", [_EMAIL], record, "e-mail ")
    if _most_digits(prepared.text) >= _SHORTEST_PHONE:
        yield from _phones(record)


def _whole_record(record: InstructionRecord, prose: bool, wanted: int | None) -> Iterator[Finding]:
    rounds = len(record.conversations) // 2
    if record.modality == "pcl" and rounds > MAX_ROUNDS_3D:
        yield Finding("format", f"{rounds} rounds, at most {MAX_ROUNDS_3D} in 3D")
    if wanted is not None and rounds != wanted and record.kind.startswith("conversation"):
        yield Finding("format", f"{rounds} rounds, expected {wanted}")
    if not prose or rounds < 2:
        return
    for role in ("human", "gpt"):
        texts = [turn.text for turn in record.conversations if turn.role == role]
        if max(map(len, texts)) > _SHORT:
            ends = set(map(_ends, texts))
            if "" not in ends and len(ends) == len(texts):
                continue
        texts = [" ".join(text.lower().split()) for text in texts]
        if len(set(texts)) < len(texts):
            repeated = next(text for at, text in enumerate(texts) if text in texts[:at])
            yield Finding("repetition", repeated[:80])


def _placeholders(record: InstructionRecord) -> Iterator[Finding]:
    """Find placeholders of media in answers, and more of them than there are media."""
    count = 0
    for number, turn in enumerate(record.conversations, start=1):
        for placeholder in PLACEHOLDERS:
            count += turn.text.count(placeholder)
            if turn.role == "gpt" and placeholder in turn.text:
                yield Finding("markup", placeholder, number)
    if count > len(record.media):
        yield Finding("format", f"{count} placeholders, {len(record.media)} media")


def _ends(text: str) -> str:
    """Give a text's first two words and its last one: texts that differ in them need not be compared as a whole.

    Empty where they cannot be told by a look at both ends.
    """
    first, last = text[:48].lower().split(None, 2), text[-48:].lower().rsplit(None, 1)
    if len(first) < 3 or len(last) < 2:  # a word may be cut off, and where depends on the white space
        return ""
    return f"{first[0]} {first[1]} {last[1]}"


def _first_of_each_turn(
    kind: str, patterns: list[re.Pattern[str]], record: InstructionRecord, label: str = "", answers_only: bool = False
) -> Iterator[Finding]:
    for number, turn in enumerate(record.conversations, start=1):
        if answers_only and turn.role != "gpt":
            continue
        first = next((match for pattern in patterns if (match := pattern.search(turn.text))), None)
        if first:
            yield Finding(kind, label + first[0].strip(), number)


def _phones(record: InstructionRecord) -> Iterator[Finding]:
    for number, turn in enumerate(record.conversations, start=1):
        if _most_digits(turn.text) < _SHORTEST_PHONE:
            continue
        phones = [found[0] for found in _PHONE.finditer(turn.text) if 9 <= _digits(found[0]) <= 15]
        phones += [found[0] for found in _BARE_PHONE.finditer(turn.text) if 7 <= _digits(found[0]) <= 15]
        if phones:
            yield Finding("personal_data", f"phone {phones[0]}", number)


def _digits(text: str) -> int:
    content = text.encode("utf-8", "replace")
    return len(content) - len(content.translate(None, b"0123456789"))


def _most_digits(text: str) -> int:
    """Count the digits of the line that has most: no number of a phone goes on in another line."""
    return max(map(len, text.encode("utf-8", "replace").translate(None, _NO_DIGITS).split(b"\n")))
