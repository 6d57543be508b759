"""Find where an answer takes back what it said before."""

import re

# Each correction has one of these; where none occurs, the pattern need not be tried.
_SIGNS = ("wait", "actually", "hmm", "hold on", "second thought", "correct", "scratch", "oops", "sorry", "mistake",
          "i was", "i take", "misspoke", "change", "closer", "rather", "let me re", "let me double")  # fmt: skip
# A private character stands for an option there (see `option_texts`).
_CORRECTION = re.compile(
    r"(?:^|(?<=[.!?;,\n)\ue000-\ue300-])) ?(?:(?:oh|hmm+|no|but|oops|sorry|ah|well)[,!]? ?)?(?:wait|actually|hmm+|"
    r"hold on|on second thoughts?|correction|scratch that|oops|sorry|my mistake|let me (?:correct(?: myself)?|"
    r"re-?\w{4,10}|double[ -]check)|i (?:was wrong|made a mistake|take that back|misspoke|stand corrected|"
    r"(?:have to |will |must )?changed? my (?:answer|mind))|(?:on|upon) closer (?:look|inspection|examination)|"
    r"looking (?:closer|more closely)|(?:no|or),? rather)\b[,.:;!-]{0,3} ?(?:wait[,.]? ?)?",
    re.IGNORECASE,
)


def drafts(text: str) -> list[str]:
    """Return an answer in parts, each of which takes back what was said before it.

    Args:
        text: A plain answer.

    Example:
        >>> drafts("Five. Actually, six."), drafts("Six.")
        (['Five.', 'six.'], ['Six.'])
    """
    folded = text.lower()
    if not any(sign in folded for sign in _SIGNS):
        return [text]
    found = list(_CORRECTION.finditer(text))
    starts = [0, *(one.end() for one in found)]
    ends = [*(one.start() for one in found), len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def after_correction(text: str) -> str | None:
    """Return what stands behind the last "wait, actually" of an answer; `None` where it takes nothing back.

    Args:
        text: A plain answer.

    Example:
        >>> after_correction("Five. Actually, six."), after_correction("Six.")
        ('six.', None)
    """
    parts = drafts(text)
    return parts[-1] or None if len(parts) > 1 else None
