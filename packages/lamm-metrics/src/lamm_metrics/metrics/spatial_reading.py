"""How an answer to a spatial question is read: our extractors, and the rules of three published evaluations."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from lamm_metrics import extraction
from lamm_metrics.extraction.number_words import UNITS, WORDS, parse_number_words
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import letter

Reading = Literal["lamm", "official", "lmms", "vlmevalkit", "torchmetrics"]
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_IN_WORDS = re.compile(rf"\b{WORDS}\b", re.IGNORECASE)
_NUMERAL = r"[-+]?(?:\d*\.\d+|\d+)(?:[eE][-+]?\d+)?"
_WORDS = {word: str(value) for value, word in enumerate((*UNITS, "twenty"))}
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_TAGGED_NUMBER = re.compile(rf"<answer\b[^>]{{0,200}}>\s*({_NUMERAL})(?:[^\d<][^<]*)?</answer>", re.IGNORECASE)
_TAGGED_LETTER = re.compile(r"<answer\b[^>]{0,200}>\s*([A-J])(?![a-z])[^<]*</answer>", re.IGNORECASE)
_THOUGHT = re.compile(r"</?think>", re.IGNORECASE)
_OPEN, _CLOSE = r"[*_`(\[{（【]{0,8}\s{0,8}", r"\s{0,8}[*_`)\]}）】]{0,8}"
_ALONE = re.compile(rf"{_OPEN}([A-F]){_CLOSE}", re.IGNORECASE)
_LABELLED = re.compile(r"([A-F])\s{0,8}[.:)\]、-]\s+", re.IGNORECASE)
_LISTED = re.compile(r"[*_>\- ]*option\s+[A-J]\s*:", re.IGNORECASE)
_INLINE = re.compile(rf"(?<![A-Za-z]){_OPEN}([A-F]){_CLOSE}(?=$|[\s.,:;!?)\]])")
_CONCLUDED = re.compile(rf"(?i:answer(?:\s{{0,8}}is)?)\s{{0,8}}[:=>]?{_OPEN}([A-Fa-f]){_CLOSE}(?:\b|[.)])")
# What the published rule looks at, from the end.
_LINES, _WINDOW = 6, 800


def first_word(text: str) -> str:
    """Return what stands before the first blank, without dots at its end: what VSI-Bench's own code reads.

    >>> first_word("4 chairs"), first_word("A. chair"), first_word(" A")
    ('4', 'A', '')
    """
    return text.split(" ")[0].rstrip(".").strip()


def _official(text: str) -> float | None:
    try:
        return float(first_word(text))
    except ValueError:
        return None


def _lmms(text: str) -> float | None:
    """Return the first number in digits, else the first in words."""
    digits = _DIGITS.search(text)
    if digits:
        return float(digits[0])
    words = _IN_WORDS.search(text)
    return parse_number_words(words[0]) if words else None


def _after_thought(text: str) -> str:
    """Return what stands behind the last thinking tag."""
    closed = [hit.end() for hit in _THOUGHT.finditer(text) if hit[0][1] == "/"]
    opened = [hit.end() for hit in _THOUGHT.finditer(text)]
    return text[(closed or opened or [0])[-1] :].strip()


def _last_number(text: str) -> float | None:
    """Return the tagged number, else the last one behind the thinking, else the last one at all."""
    plain = _WORD.sub(lambda hit: _WORDS[hit[0].lower()], text.strip())
    tagged = _TAGGED_NUMBER.search(plain)
    found = [tagged[1]] if tagged else re.findall(_NUMERAL, _after_thought(plain)) or re.findall(_NUMERAL, plain)
    return float(found[-1]) if found else None


def _of_lines(text: str) -> str:
    """Return the letter that the last telling line of a text states."""
    lines = [line.strip() for line in text.splitlines()[-_LINES:] if line.strip()]
    for line in reversed(lines):
        if _LISTED.match(line):
            continue
        stated = _ALONE.fullmatch(line) or _LABELLED.match(line)
        if stated:
            return str(stated[1]).upper()
        inline = {*_INLINE.findall(line)}
        if len(inline) == 1:
            return str(inline.pop())
    return ""


def _searched_letter(text: str) -> str:
    """Return the letter that a ladder of ever weaker evidence finds, from an answer tag down to a lone capital."""
    text = text.strip()
    tagged = _TAGGED_LETTER.search(text)
    if tagged:
        return tagged[1].upper()
    before = re.search(rf"(?<![A-Za-z]){_OPEN}([A-Fa-f]){_CLOSE}\s{{0,8}}</(?:answer|think)>", text[-_WINDOW:])
    if before:
        return before[1].upper()
    found = _of_lines(_after_thought(text)) or _of_lines(text[-_WINDOW:])
    if found:
        return found
    concluded = _CONCLUDED.search(text)
    if concluded:
        return concluded[1].upper()
    kept = "\n".join(line for line in text.splitlines() if not _LISTED.match(line))
    alone = {*re.findall(r"(?<![A-Za-z])([A-F])(?![A-Za-z])", kept)}
    return alone.pop() if len(alone) == 1 else ""


NUMBERS: Mapping[Reading, Callable[[str], float | None]] = {
    "lamm": lambda text: extraction.extract_number(text).value,
    "official": _official,
    "torchmetrics": lambda text: _official(text.strip()),
    "lmms": _lmms,
    "vlmevalkit": _last_number,
}
"""From a text to the number it states, None where it states none."""


def read_number(prediction: Prediction, reading: Reading) -> float | None:
    """Return the number of an answer: the structured one where there is no text, else what the rule reads."""
    if prediction.number is not None and (reading == "lamm" or not prediction.plain_text):
        return prediction.number
    return NUMBERS[reading](prediction.plain_text)


def read_letter(prediction: Prediction, reading: Reading, options: Sequence[str]) -> str:
    """Return the letter of the option of an answer; empty where the rule reads none.

    Args:
        prediction: The answer; a structured choice counts where there is no text.
        reading: The rule.
        options: The texts of the options, of which only our own rule makes use.
    """
    text, choice = prediction.plain_text, prediction.choice
    if choice is not None and (reading == "lamm" or not text):
        return letter(choice) if isinstance(choice, int) and 0 <= choice < len(options) else str(choice).strip().upper()
    if reading == "lamm":
        found = extraction.extract_choice(text, options).value
        return "" if found is None else letter(found)
    if reading == "vlmevalkit":
        return _searched_letter(text)
    return first_word(text.strip() if reading == "torchmetrics" else text).upper()
