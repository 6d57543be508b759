"""Read a multiple-choice answer whose options carry other labels than A, B, C."""

import re
from collections.abc import Sequence

from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import overlong, plain_answer
from lamm_metrics.extraction.text.refusal import split_refusal

SHORT = 3  # a label of up to so many letters may as well be a word, so it must stand where a label stands
_LEAD = r"(?:^|\b(?:answer|option|label|choice)(?: is)?:? ?|^it(?: is|'s) )"


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
    """Whether a label stands without parentheses: a word anywhere, a short one or a sign where an answer names it."""
    written = re.escape(label)
    if label.isalnum() and len(label) > SHORT:
        return re.search(rf"(?<!\w){written}(?!\w)", text, re.IGNORECASE) is not None
    return re.search(rf"{_LEAD}{written}(?=$|[.):,;\n]| ?-)", text.strip(), re.IGNORECASE) is not None


def _named(text: str, options: Sequence[str]) -> set[int]:
    """The options whose texts occur as whole words; a longer one hides those that it contains."""
    folded = [option.strip().casefold() for option in options]
    longest = sorted(filter(None, set(folded)), key=len, reverse=True)
    if not longest:
        return set()
    pattern = "|".join(re.escape(option) for option in longest)
    found = set(re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", text))
    return {number for number, option in enumerate(folded) if option in found}
