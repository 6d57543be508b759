"""Read a yes or a no."""

import re

from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import final_statements, overlong, plain_answer
from lamm_metrics.extraction.text.refusal import split_refusal

_YES = (
    r"(?:yes|yeah|yep|yup|true|correct|affirmative|indeed|absolutely|certainly|definitely|of course|sure thing|"
    r"that's right|that is right)"
)
_NO = (
    r"(?:no(?! (?:problem|worries|doubt))|nope|nah|false|incorrect|negative|not really|not at all|"
    r"definitely not|certainly not|absolutely not|"
    r"of course not|never)"
)
_LEADING = re.compile(
    rf"\W{{0,4}}(?:(?:well|ok|okay|sure|hmm|so|answer|the answer is|it is|it's|that is|that's|i think|i believe|"
    rf"i would say|i'd say|certainly, (?=no|yes))[,:.]? ?){{0,2}}\W{{0,3}}(?:(?P<no>{_NO})|(?P<yes>{_YES}))"
    r"(?![^\W_]|-)",
    re.IGNORECASE,
)
_WORD = re.compile(
    r"(?<![^\W_])(?:(?P<no>no|nope|false|incorrect)|(?P<yes>yes|yeah|yep|true|correct|affirmative))(?![^\W_]|-)",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\b(?:yes and no|yes or no|no and yes|yes/no|both yes)\b", re.IGNORECASE)
_NEGATED = re.compile(
    r"\b(?:not(?! (?:only|just|merely))|n't|no|none|never|neither|nobody|nothing|without|lacks?|lacking|absent|"
    r"missing|fails? to|cannot|nowhere|un(?:smiling|likely|happy))\b|n't\b",
    re.IGNORECASE,
)
_OPPOSITE = re.compile(
    r"\b(?:frown\w{0,3}|neutral|serious|stern|sad|straight face|blank expression|grim|pout\w{0,3}|scowl\w{0,3}|"
    r"unsmiling|solemn|angry|closed lips|expressionless|hides?|too (?:small|dark))\b",
    re.IGNORECASE,
)
_NOT_OPPOSITE = re.compile(
    r"(?:\bnot|n't|\bwithout) (?:an? )?(?:frown\w{0,3}|sad|serious|angry|unsmiling|neutral)\b", re.IGNORECASE
)
_AFFIRMS = re.compile(
    r"\b(?:there (?:is|are)|there's|(?:is|are|am|'s|'re|appears? to be|"
    r"seems? to be) (?:\w{1,15} ){0,2}(?:\w{2,20}ing|visible|present|shown|seen|located|happy|there|in|on|"
    r"smil\w+)\b|"
    r"(?:shows?|contains?|has|have|includes?|depicts?|features?|i (?:can )?see|i believe so|i think so|smiles|"
    r"can be seen|is an?|are|does|do)\b)",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:maybe|perhaps|possibly|might|could be|may be|unclear|hard to (?:tell|say)|it depends|not sure|"
    r"uncertain|cannot tell|can't tell|either)\b",
    re.IGNORECASE,
)
_THINK_SO = re.compile(
    r"\b(?:i (?:do not|don't) (?:think|believe) so|not that i can see|i (?:\w{1,10} )?doubt (?:it|that|there|if))\b",
    re.IGNORECASE,
)
# Two negations that affirm.
_CERTAINLY = re.compile(
    r"\b(?:there(?:'s| is) )?(?:no|without(?: a| any)?|beyond(?: a| any)?) (?:doubt|question)\b(?: that\b)?",
    re.IGNORECASE,
)


def _verdict(found: re.Match[str]) -> Extraction[bool]:
    return Extraction(found["yes"] is not None, Status.OK)


def extract_yes_no(text: str) -> Extraction[bool]:
    """Decide whether an answer affirms (`True`) or denies (`False`).

    What the answer declares as final decides first, then the yes or no it opens with, then the only one of the two
    words it uses. An answer without either is read as a statement: a negation or an opposite ("a neutral expression")
    denies, a plain statement ("the woman is smiling") affirms. Hedges without a verdict ("maybe") are `none`.

    Args:
        text: A free-form answer.

    Example:
        >>> extract_yes_no("No, the man is not smiling.").value, extract_yes_no("She is smiling.").value
        (False, True)
    """
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    plain, declined = split_refusal(_CERTAINLY.sub("certainly", plain_answer(text)))
    if _BOTH.search(plain):
        return Extraction(None, Status.AMBIGUOUS, "yes and no")
    for statement in final_statements(plain):
        opening = _LEADING.match(statement)
        if opening is not None:
            return _verdict(opening)
        words = {found.lastgroup for found in _WORD.finditer(statement)}
        if len(words) == 1:
            return Extraction(words == {"yes"}, Status.OK, "final statement")
    opening = _LEADING.match(plain)
    if opening is not None:
        closing = _WORD.fullmatch(plain.rsplit("\n", 1)[-1].strip(" .!"))
        if closing is not None and closing.lastgroup != opening.lastgroup:
            return Extraction(None, Status.AMBIGUOUS, "opens and closes with different words")
        return _verdict(opening)
    return _from_whole(plain, declined)


def _from_whole(plain: str, declined: bool) -> Extraction[bool]:
    if _THINK_SO.search(plain):
        return Extraction(False, Status.OK)
    words = {found.lastgroup for found in _WORD.finditer(plain)}
    if words == {"yes"}:
        return Extraction(True, Status.OK)
    if len(words) == 2:
        return Extraction(None, Status.AMBIGUOUS, "both yes and no")
    if _HEDGED.search(plain):
        return Extraction(None, Status.NONE, "hedged")
    plain = _NOT_OPPOSITE.sub(" ", plain)
    if _NEGATED.search(plain) or _OPPOSITE.search(plain):
        return Extraction(False, Status.OK, "denied in a statement")
    if _AFFIRMS.search(plain):
        return Extraction(True, Status.OK, "affirmed in a statement")
    return Extraction(None, Status.REFUSED if declined else Status.NONE)
