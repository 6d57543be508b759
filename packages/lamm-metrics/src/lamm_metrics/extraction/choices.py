"""Read a multiple-choice answer, whose options carry the letters A, B, C or labels of their own.

Every mention of an option, by its text, its letter or both, is replaced by one private character. What is inside an
option's own text (letters, denials, full stops) is gone then, and the rules below read sentences about characters.
docs/extraction.md has the ladder of evidence that `_settle` walks down.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from lamm_metrics.extraction.choice_evidence import (
    asserted,
    closing,
    declared,
    listed,
    number_of,
    opening,
    places,
    reviewed,
)
from lamm_metrics.extraction.choice_letters import join_mentions, mark_labels, mark_letters
from lamm_metrics.extraction.option_texts import BOTH, LETTER, MENTION, SEVERAL, TEXT, OptionTexts, option_texts
from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import answer_part, final_statements, overlong
from lamm_metrics.extraction.text.correction import drafts
from lamm_metrics.extraction.text.formulas import written
from lamm_metrics.extraction.text.refusal import split_refusal

_ONLY = "the only option that is asserted"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKER = re.compile(r"^[(\[]?([A-Za-z]|\d{1,2})[)\].:]\s+(?=\S)")
_MENTION = re.compile(MENTION)
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_HEAD_END = re.compile(r"[,;:.!](?=\s|$)|\s\(")
_CONTRADICTS = re.compile(
    rf"([{chr(LETTER)}-{chr(LETTER + 25)}])[)\].:,\"' -]{{1,4}}([\ue000-\ue019])(?=[\"')]?(?:[.,;!\n]|$))"
)


def extract_choice(text: str, choices: Sequence[str]) -> Extraction[int]:
    """Find the option that an answer settles on, by letter (A..) or by the option's text.

    The strongest evidence decides: the answer is nothing but an option; it declares an option as final; it marks one
    option as right; it opens or ends with one; it asserts one only; it names one by its place. A draft that the answer
    takes back and a denied option ("(A) is incorrect") do not count. Letter and text must not contradict each other.

    Args:
        text: A free-form answer.
        choices: The option texts, in the order of their letters (at most 26).

    Returns:
        The index of the option, from 0.

    Example:
        >>> extract_choice("It is not A. It is B.", ["red", "blue", "green"]).value
        1
        >>> extract_choice("The answer is -8.", ["8", "-8"]).value
        1
    """
    return _extract(text, _without_markers(tuple(choices)), tuple(_ALPHABET[: len(choices)]), ())


def extract_labelled_choice(text: str, options: Sequence[str], labels: Sequence[str]) -> Extraction[int]:
    """Find the option that an answer settles on, by its label or by its text; the two must not contradict each other.

    Args:
        text: A free-form answer.
        options: The option texts.
        labels: The label of each option, as the question shows it in parentheses.

    Returns:
        The index of the option, from 0.

    Example:
        >>> extract_labelled_choice("The answer is (2).", ["red", "blue"], ["1", "2"]).value
        1
        >>> extract_labelled_choice("beta", ["red", "blue"], ["alpha", "beta"]).value
        1
        >>> extract_labelled_choice("(B) red", ["red", "blue"], ["B", "A"]).value
        0
        >>> extract_labelled_choice("(1) blue", ["red", "blue"], ["1", "2"]).status
        <Status.AMBIGUOUS: 'ambiguous'>
    """
    capitals = tuple(label.upper() for label in labels)
    if len(set(capitals)) == len(capitals) and all(len(label) == 1 and label in _ALPHABET for label in capitals):
        return _extract(text, tuple(options), capitals, ())
    return _extract(text, tuple(options), (), tuple(labels))


@lru_cache(maxsize=1024)
def _without_markers(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Take "A. " off options where all carry their own letter or number."""
    found = [_MARKER.match(choice.strip()) for choice in choices]
    names = [match[1].upper() if match else "" for match in found]
    count = len(choices)
    if count > 1 and names in (list(_ALPHABET[:count]), [str(number + 1) for number in range(count)]):
        return tuple(_MARKER.sub("", choice.strip()) for choice in choices)
    return choices


def _extract(
    text: str, options: tuple[str, ...], capitals: tuple[str, ...], labels: tuple[str, ...]
) -> Extraction[int]:
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    answer = _PRIVATE.sub(" ", answer_part(text)).strip()
    texts = option_texts(options, capitals)
    same = texts.raw.get(answer, ())
    if answer and len(same) == 1 and answer not in texts.letter_texts:
        return Extraction(same[0], Status.OK, "the option's text")
    marked = texts.mark(written(mark_labels(answer, labels)))
    marked = mark_letters(marked, {letter: number for number, letter in enumerate(capitals)}, texts)
    marked, declined = split_refusal(join_mentions(marked, texts, capitals))
    parts = drafts(marked)
    for place in reversed(range(len(parts))):
        # What takes a draft back must assert something: "B. Hmm, it could be A" stays B.
        found = _settle(parts[place], len(options), weakly=place == 0)
        if found is not None:
            return _noted(found, marked, texts, capitals)
    head = _named_by_head(answer, options)
    if head is not None:
        return Extraction(head, Status.OK, "the beginning of the option's text")
    return Extraction(None, Status.REFUSED if declined else Status.NONE)


_LADDER = (
    ("nothing but options", listed),
    ("marked as right", reviewed),
    ("declared", declared),
    ("the answer opens with it", opening),
    ("the answer ends with it", closing),
)


def _settle(text: str, count: int, weakly: bool) -> Extraction[int] | None:
    """Walk down the ladder of evidence; `None` where the text names no option."""
    for statement in final_statements(text):
        found = _read_statement(statement, weakly)
        if found is not None:
            return found
    for evidence, find in _LADDER:
        numbers = find(text)
        if numbers:
            return _decide(numbers, text, evidence)
    return _from_mentions(text, count, weakly)


def _read_statement(statement: str, weakly: bool) -> Extraction[int] | None:
    """Return the option a final statement settles on; `None` where it names none."""
    numbers = opening(statement, final=True) or asserted(statement, weakly)
    return _decide(numbers, statement, "final statement") if numbers else None


def _from_mentions(text: str, count: int, weakly: bool) -> Extraction[int] | None:
    """Return the only option that is asserted, by letter before by text, or named by its place."""
    repeated = {char for char in _MENTION.findall(text) if char >= chr(BOTH)} - {SEVERAL}
    if len(repeated) > 1:  # two options or more with letter and text are but repeated
        text = re.sub(f"[{''.join(repeated)}]", " ", text)
    numbers = asserted(text, weakly)
    if numbers:
        return _decide(numbers, text, _ONLY)
    placed = places(text, count)
    if placed:
        return _decide(placed, text, "the option's place")
    if len(repeated) > 1:
        return Extraction(None, Status.AMBIGUOUS, "the options are restated, none is chosen")
    return None


def _decide(numbers: Iterable[int], text: str, evidence: str) -> Extraction[int]:
    """Settle on an option, unless there are several or the text beside the letter belongs to another one."""
    found = sorted(set(numbers))
    if found == [-1]:
        return Extraction(None, Status.AMBIGUOUS, "a text that fits several options")
    if len(found) > 1:
        names = ", ".join(chr(65 + number) for number in found[:6] if number >= 0)
        return Extraction(None, Status.AMBIGUOUS, f"options {names}")
    for beside in _CONTRADICTS.finditer(text):
        if number_of(beside[1]) == found[0] != number_of(beside[2]):
            return Extraction(None, Status.AMBIGUOUS, f"letter {chr(65 + found[0])} with the text of another option")
    return Extraction(found[0], Status.OK, evidence)


def _noted(found: Extraction[int], marked: str, texts: OptionTexts, capitals: tuple[str, ...]) -> Extraction[int]:
    """Say where the letter that was read as a position is another option's text; in mere prose it may be either."""
    if found.value is None or not texts.letter_texts or found.value >= len(capitals):
        return found
    letter = capitals[found.value]
    other = texts.letter_texts.get(letter, found.value)
    if other == found.value or {chr(BOTH + found.value), chr(TEXT + found.value)} & set(marked):
        return found
    note = f"{letter} read as a letter; it is the text of option {capitals[other]}"
    if found.detail == _ONLY:
        return Extraction(None, Status.AMBIGUOUS, note)
    return Extraction(found.value, found.status, note)


def _named_by_head(answer: str, options: Sequence[str]) -> int | None:
    """Return the only option that begins with what the answer begins with: "Yes" for "Yes, it does."."""
    head = _HEAD_END.split(answer[:200], maxsplit=1)[0].strip().casefold()
    fits = [number for number, option in enumerate(options) if _HEAD_END.split(option)[0].strip().casefold() == head]
    return fits[0] if head and len(fits) == 1 else None
