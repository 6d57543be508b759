"""Read a multiple-choice answer, whose options carry the letters A, B, C or labels of their own."""

import re
from collections.abc import Sequence
from functools import lru_cache

from lamm_metrics.extraction.choice_letters import (
    asserted_letters,
    closing_letter,
    declared_letters,
    leading_letter,
    ordinal_options,
    verdict_letters,
)
from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import final_statements, overlong, plain_answer
from lamm_metrics.extraction.text.assertion import Force, forces
from lamm_metrics.extraction.text.names import NameIndex, name_index, words_of
from lamm_metrics.extraction.text.refusal import split_refusal

_BASE = 0xE000  # private characters stand for the options in the name index: they are no words, so only the texts match
SHORT = 3  # a label of up to so many letters may as well be a word, so it must stand where a label stands
_LEAD = r"(?:^|\b(?:answer|option|label|choice)(?: is)?:? ?|^it(?: is|'s) )"
_MARKER = re.compile(r"^[(\[]?([A-Za-z]|\d{1,2})[)\].:]\s+(?=\S)")


def extract_choice(text: str, choices: Sequence[str]) -> Extraction[int]:
    """Find the option that an answer settles on, by letter (A..) or by the option's text.

    What the answer declares as final decides first; then a letter it opens with; then letters it asserts anywhere (a
    denied letter, "(A) is incorrect", does not count); then the options' texts. Letter and text must not contradict
    each other.

    Args:
        text: A free-form answer.
        choices: The option texts, in the order of their letters (at most 26).

    Returns:
        The index of the option, from 0.

    Example:
        >>> extract_choice("It is not A. It is B.", ["red", "blue", "green"]).value
        1
    """
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    plain, declined = split_refusal(plain_answer(text))
    options = [_MARKER.sub("", choice.strip()) for choice in choices]
    index = name_index([chr(_BASE + number) for number in range(len(options))], _names(options), inflect=False)
    exact = _exact(plain, options)
    if exact is not None:
        return Extraction(exact, Status.OK, "the option's text")
    for statement in final_statements(plain):
        found = _read_statement(statement, len(options), index)
        if found is not None:
            return found
    reviewed = verdict_letters(plain, len(options))
    if reviewed:
        return _decide(reviewed, plain, index)
    rest, restated = _without_restatements(plain, tuple(options))
    found = _read_rest(rest, len(options), index)
    if found is not None:
        return found
    if restated:
        return Extraction(None, Status.AMBIGUOUS, "the options are restated, none is chosen")
    return Extraction(None, Status.REFUSED if declined else Status.NONE)


def _read_rest(text: str, count: int, index: NameIndex) -> Extraction[int] | None:
    """Return the option that a text without final statement settles on, by letter, text or place; `None` if none."""
    for letters in (
        declared_letters(text, count),
        leading_letter(text, count),
        closing_letter(text, count),
        asserted_letters(text, count),
    ):
        if letters:
            return _decide(letters, text, index)
    texts = _asserted_texts(text, index)
    if len(texts) == 1:
        return Extraction(texts[0], Status.OK, "the option's text")
    if texts:
        return Extraction(None, Status.AMBIGUOUS, f"{len(texts)} options' texts are asserted")
    places = ordinal_options(text, count)
    return _decide(places, "", index) if places else None


@lru_cache(maxsize=1024)
def _restatement(options: tuple[str, ...]) -> re.Pattern[str]:
    """Matches a letter together with its own option's text: "(A) red", "option A is red"."""
    pairs = (
        rf"[(\[]?(?P<o{number}>{chr(65 + number)})[)\].:]{{0,2}} ?(?:is|=|-|:)? ?(?:the |"
        rf"an? )?{re.escape(' '.join(option.split()))}"
        for number, option in enumerate(options[:26])
        if option.strip()
    )
    return re.compile(
        rf"(?<![A-Za-z0-9_])(?:option |choice )?(?:{'|'.join(pairs) or '(?!)'})(?![A-Za-z0-9_])", re.IGNORECASE
    )


def _without_restatements(text: str, options: tuple[str, ...]) -> tuple[str, bool]:
    """Take out options that an answer only repeats, which it does where it writes two or more with letter and text."""
    pattern = _restatement(options)
    repeated = {found.lastgroup for found in pattern.finditer(text)}
    if len(repeated) < 2:
        return text, False
    return pattern.sub(" ", text), True


def _names(options: Sequence[str]) -> dict[str, list[str]]:
    return {chr(_BASE + number): [option] for number, option in enumerate(options) if words_of(option)}


def _exact(plain: str, options: Sequence[str]) -> int | None:
    if len(plain) > 2000:
        return None
    words = words_of(plain)
    matches = [number for number, option in enumerate(options) if words and words_of(option) == words]
    if not matches:
        # "Yes" for the option "Yes, it does."
        matches = [number for number, option in enumerate(options) if words and words_of(option.split(",")[0]) == words]
    return matches[0] if len(matches) == 1 else None


def _asserted_texts(text: str, index: NameIndex) -> list[int]:
    """Return options whose text is asserted; weakly asserted ones only where no other is."""
    judged = forces(text, index.find(text))
    for wanted in (Force.ASSERTED, Force.WEAK):
        numbers = sorted({ord(hit.label) - _BASE for hit, force in judged if force is wanted})
        if numbers:
            return numbers
    return []


def _read_statement(statement: str, count: int, index: NameIndex) -> Extraction[int] | None:
    """Return the option a final statement settles on; `None` where it names none."""
    letters = leading_letter(statement, count, lower_case=True) or asserted_letters(statement, count)
    if letters:
        return _decide(letters, statement, index)
    texts = _asserted_texts(statement, index)
    if len(texts) == 1:
        return Extraction(texts[0], Status.OK, "final statement")
    if texts:
        return Extraction(None, Status.AMBIGUOUS, f"the final statement names {len(texts)} options")
    return None


def _decide(letters: list[int], text: str, index: NameIndex) -> Extraction[int]:
    """Settle on a letter, unless there are several or the text beside it belongs to another option."""
    if len(letters) > 1:
        names = ", ".join(chr(65 + letter) for letter in letters[:6])
        return Extraction(None, Status.AMBIGUOUS, f"letters {names}")
    beside = re.match(rf"\W{{0,3}}{chr(65 + letters[0])}\W{{1,4}}(.{{1,200}})", text, re.IGNORECASE)
    if beside is not None:
        texts = _asserted_texts(beside.group(1), index)
        if texts and letters[0] not in texts and len(texts) == 1:
            return Extraction(None, Status.AMBIGUOUS, f"letter {chr(65 + letters[0])} with the text of another option")
    return Extraction(letters[0], Status.OK)


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
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    plain, declined = split_refusal(plain_answer(text))
    # Signs such as # and * are labels here, where plain text would drop them as markup.
    written, named_in = text.casefold(), plain.casefold()
    marked = {number for number, label in enumerate(labels) if f"({label})".casefold() in written}
    for label in labels:
        named_in = named_in.replace(f"({label})".casefold(), " ")
    marked = marked or {number for number, label in enumerate(labels) if _stands(label, text)}
    named = _named(named_in, options)
    if len(marked) == 1 and (not named or marked <= named):
        return Extraction(next(iter(marked)), Status.OK, "the option's label")
    if not marked and len(named) == 1:
        return Extraction(next(iter(named)), Status.OK, "the option's text")
    if marked or named:
        return Extraction(None, Status.AMBIGUOUS, "several options, or a label and the text of another")
    return Extraction(None, Status.REFUSED if declined else Status.NONE)


def _stands(label: str, text: str) -> bool:
    """Return whether a label stands without parentheses: a word anywhere, a short one or a sign where it is named."""
    written = re.escape(label)
    if label.isalnum() and len(label) > SHORT:
        return re.search(rf"(?<!\w){written}(?!\w)", text, re.IGNORECASE) is not None
    return re.search(rf"{_LEAD}{written}(?=$|[.):,;\n]| ?-)", text.strip(), re.IGNORECASE) is not None


def _named(text: str, options: Sequence[str]) -> set[int]:
    """Return the options whose texts occur as whole words; a longer one hides those that it contains."""
    folded = [option.strip().casefold() for option in options]
    longest = sorted(filter(None, set(folded)), key=len, reverse=True)
    if not longest:
        return set()
    pattern = "|".join(re.escape(option) for option in longest)
    found = set(re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", text))
    return {number for number, option in enumerate(folded) if option in found}
