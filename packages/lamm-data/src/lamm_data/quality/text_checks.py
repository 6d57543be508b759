"""Checks that need nothing but the record's own text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from lamm_data.quality.findings import Finding
from lamm_data.records import InstructionRecord

PROSE_TYPES = {"conversation", "description", "commomsenseqa", "conversation3d", "description3d", "commomsenseqa3d"}
"""Task types whose text must not hold coordinates or speak of its sources."""

MAX_ROUNDS_3D = 10
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){1,4}(?![\w])")
_NUMBER = r"-?\d+(?:\.\d+)?"
_COORDINATES = re.compile(
    rf"[\[(]\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*){{2,8}}[\])]|[\[(]\s*-?\d*\.\d+\s*,\s*-?\d*\.\d+\s*[\])]"
)


def check_text(record: InstructionRecord) -> Iterator[Finding]:
    """Check one record.

    Args:
        record: The record.

    Yields:
        Findings of the kinds format, markup, repetition, leakage, coordinates, refusal and personal_data.
    """
    yield from _whole_record(record)
    prose = record.kind in PROSE_TYPES
    for number, turn in enumerate(record.conversations, start=1):
        yield from _matches("markup", turn.text, number)
        yield from _personal_data(turn.text, number)
        if turn.role == "gpt":
            yield from _matches("refusal", turn.text, number)
        if prose:
            yield from _matches("leakage", turn.text, number)
            found = _COORDINATES.search(turn.text)
            if found:
                yield Finding("coordinates", found[0], number)


def _whole_record(record: InstructionRecord) -> Iterator[Finding]:
    rounds = len(record.conversations) // 2
    if record.modality == "pcl" and rounds > MAX_ROUNDS_3D:
        yield Finding("format", f"{rounds} rounds, at most {MAX_ROUNDS_3D} in 3D")
    if record.kind not in PROSE_TYPES:
        return
    for role in ("human", "gpt"):
        texts = [" ".join(turn.text.lower().split()) for turn in record.conversations if turn.role == role]
        if len(set(texts)) < len(texts):
            repeated = next(text for at, text in enumerate(texts) if text in texts[:at])
            yield Finding("repetition", repeated[:80])


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    lists = tomllib.loads((files("lamm_data.quality") / "phrases.toml").read_text(encoding="utf-8"))
    return re.compile("|".join(f"(?:{item})" for item in lists[kind]), re.IGNORECASE)


def _matches(kind: str, text: str, turn: int) -> Iterator[Finding]:
    found = _pattern(kind).search(text)
    if found:
        yield Finding(kind, found[0].strip(), turn)


def _personal_data(text: str, turn: int) -> Iterator[Finding]:
    if "@" in text and (found := _EMAIL.search(text)):
        yield Finding("personal_data", f"e-mail {found[0]}", turn)
    for found in _PHONE.finditer(text):
        if 9 <= sum(character.isdigit() for character in found[0]) <= 15:
            yield Finding("personal_data", f"phone {found[0]}", turn)
            return
