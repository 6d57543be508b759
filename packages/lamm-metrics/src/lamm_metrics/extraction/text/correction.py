"""Find where an answer takes back what it said before."""

import re

from lamm_metrics.extraction.text.answer import last_match

_CORRECTION = re.compile(
    r"(?:(?:^|[.!?;,\n-]) ?)(?:(?:oh|hmm+|no|but|oops|sorry|ah)[,!]? ?)?(?:wait|actually|on second thoughts?|"
    r"correction|scratch that|let me correct(?: myself)?|i (?:was wrong|made a mistake|take that back|misspoke)|(?:on|"
    r"upon) closer (?:look|inspection|"
    r"examination)|looking (?:closer|more closely)|(?:no|or),? rather)\b[,.:;!-]{0,3} ?(?:wait[,.]? ?)?",
    re.IGNORECASE,
)


def after_correction(text: str) -> str | None:
    """Return what stands behind the last "wait, actually" of an answer; `None` where it takes nothing back.

    Args:
        text: A plain answer.

    Example:
        >>> after_correction("Five. Actually, six."), after_correction("Six.")
        ('six.', None)
    """
    found = last_match(_CORRECTION, text)
    return None if found is None else text[found.end() :].strip() or None
