"""Checks that need nothing but the record's own text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamm_data.quality.findings import Finding
from lamm_data.quality.prepared import PreparedRecord, load_phrases
from lamm_data.records import InstructionRecord

PROSE_TYPES = {"conversation", "description", "commomsenseqa", "conversation3d", "description3d", "commomsenseqa3d"}
"""Task types whose text must not hold coordinates or speak of its sources."""

MAX_ROUNDS_3D = 10
_SPOKEN = {"markup": False, "refusal": True, "profanity": False, "toxicity": False}
"""Kinds that are looked for in every record, and whether in answers only."""
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){1,4}(?![\w])")
_BARE_PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}(?:[ .-]?\d{2,8}){1,5}|"
    r"(?:call|phone|tel|ring|dial|mobile|fax)\W{1,3}(?:\w+\W+){0,3}?\d{7,14})\b",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d")
_NUMBER = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_COORDINATES = re.compile(
    rf"[\[(]\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*){{2,8}}[\])]|[\[(]\s*-?\d*\.\d+\s*,\s*-?\d*\.\d+\s*[\])]"
)


def check_text(prepared: PreparedRecord, rounds: int | None = None) -> Iterator[Finding]:
    """Check one record.

    Args:
        prepared: The record.
        rounds: Rounds that a conversation was asked to have; None for any number.

    Yields:
        Findings of the kinds format, markup, repetition, leakage, coordinates, refusal, personal_data, profanity and
        toxicity.
    """
    record = prepared.record
    prose = record.kind in PROSE_TYPES
    yield from _whole_record(record, prose, rounds)
    for kind, answers_only in _SPOKEN.items():
        yield from _phrases(kind, prepared, answers_only)
    if prose:
        yield from _phrases("leakage", prepared, False)
        if "[" in prepared.text or "(" in prepared.text:
            yield from _first_of_each_turn("coordinates", _COORDINATES, record)
    if "@" in prepared.text:
        yield from _first_of_each_turn("personal_data", _EMAIL, record, "e-mail ")
    yield from _phones(prepared)


def _whole_record(record: InstructionRecord, prose: bool, wanted: int | None) -> Iterator[Finding]:
    rounds = len(record.conversations) // 2
    if record.modality == "pcl" and rounds > MAX_ROUNDS_3D:
        yield Finding("format", f"{rounds} rounds, at most {MAX_ROUNDS_3D} in 3D")
    if wanted is not None and rounds != wanted and record.kind.startswith("conversation"):
        yield Finding("format", f"{rounds} rounds, expected {wanted}")
    if not prose or rounds < 2:
        return
    for role in ("human", "gpt"):
        texts = [" ".join(turn.text.lower().split()) for turn in record.conversations if turn.role == role]
        if len(set(texts)) < len(texts):
            repeated = next(text for at, text in enumerate(texts) if text in texts[:at])
            yield Finding("repetition", repeated[:80])


def _phrases(kind: str, prepared: PreparedRecord, answers_only: bool) -> Iterator[Finding]:
    possible = [phrase.pattern for phrase in load_phrases(kind) if phrase.possible(prepared)]
    if not possible:
        return
    for number, turn in enumerate(prepared.record.conversations, start=1):
        if answers_only and turn.role != "gpt":
            continue
        found = next((match for pattern in possible if (match := pattern.search(turn.text))), None)
        if found:
            yield Finding(kind, found[0].strip(), number)


def _first_of_each_turn(
    kind: str, pattern: re.Pattern[str], record: InstructionRecord, label: str = ""
) -> Iterator[Finding]:
    for number, turn in enumerate(record.conversations, start=1):
        found = pattern.search(turn.text)
        if found:
            yield Finding(kind, label + found[0], number)


def _phones(prepared: PreparedRecord) -> Iterator[Finding]:
    if len(_DIGITS.findall(prepared.text)) < 7:
        return
    for number, turn in enumerate(prepared.record.conversations, start=1):
        for pattern in (_PHONE, _BARE_PHONE):
            matches = (found[0] for found in pattern.finditer(turn.text))
            least = 9 if pattern is _PHONE else 7
            phone = next((text for text in matches if least <= sum(map(str.isdigit, text)) <= 15), None)
            if phone:
                yield Finding("personal_data", f"phone {phone}", number)
                break
