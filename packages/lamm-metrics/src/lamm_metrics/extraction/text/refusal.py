"""Recognise that an answer declines to answer."""

import re

_CANNOT = (
    r"(?:can ?not|can'?t|could ?n[o']t|couldn'?t|am unable to|'m unable to|am not able to|'m not able to|"
    r"was unable to|unable to|won'?t be able to)"
)
# "I could not find any dog" says that there is none; without a picture or an answer to find, it is a refusal.
_NO_EVIDENCE = (
    r"(?!of\b|(?:\w+ )?(?:images?|pictures?|photo\w*|attach\w*|files?|uploads?|answers?|information|details?|data|"
    r"captions?|questions?|inputs?|context|content|way|clear|specific|relevant)\b)"
)
_DO = (
    r"(?:(?:see|find|detect|locate|spot|identify)"
    rf"(?! any {_NO_EVIDENCE})|view|determine|process|assist|help|access|provide|tell|answer|analy[sz]e|say|know|"
    r"read|give|make out|recogni[sz]e|perceive|discern|count|confirm|ascertain|distinguish|display|open|fulfil|"
    r"comply|interpret|be sure|be certain)"
)
_REFUSAL = re.compile(
    rf"\bi(?:'m| am)? ?(?:sorry|afraid|apologi[sz]e)\b|\bas an? (?:ai|language model|text-based|artificial)\b"
    rf"|\b(?:i|we|you)(?:'m| am)? ?(?:\w+ )?{_CANNOT} (?:\w+ )?{_DO}\b|\b(?:is|are|'s) unable to {_DO}\b|(?:^|"
    rf"[.!?,\n] ?){_CANNOT} {_DO}\b"
    r"|\b(?:it(?:'s| is)|that(?:'s| is)) (?:(?:not possible|impossible)(?! that)|difficult|hard|unclear|"
    r"not clear|too blurry|unknown)\b"
    r"|\b(?:isn't|is not|wasn't|was not) possible to\b|\bimpossible to (?:say|tell|know|determine|see)\b"
    r"|\b(?:can ?not|can'?t) be (?:determined|identified|answered|seen|established|known|counted|recogni[sz]ed)\b"
    r"|\bno (?:image|picture|photo|point cloud|file)(?: \w+)? (?:was |is |has been |were )?(?:provided|attached|"
    r"given|included|available|uploaded|visible to me)\b"
    r"|\bi (?:do not|don'?t) (?:know|see (?:an|any|the) (?:image|picture|photo)|have (?:access|the ability|"
    r"enough|sufficient|any (?:information|image)|an image))\b"
    r"|\b(?:i(?:'m| am) not (?:sure|certain)|not enough information|insufficient information|unanswerable|"
    r"please (?:provide|upload|share|attach))\b"
    r"|\b(?:i )?(?:decline|refuse) to\b|\bagainst my (?:guidelines|policy)\b",
    re.IGNORECASE,
)
# Every refusal has one of these; most answers have none, and then the long pattern need not be tried.
_SIGNS = (
    "can", "could", "able to", "sorry", "afraid", "apolog", "as a", "possible", "difficult", "hard", "unclear",
    "not clear", "blurry", "unknown", "provided", "attached", "given", "included", "available", "uploaded",
    "visible to", "i do", "not sure", "not certain", "not enough", "insufficient", "unanswerable", "please ",
    "decline", "refuse", "against my",
)  # fmt: skip
_CLAUSE = re.compile(
    r"[.!?](?=\s|$)|\n|;|,(?= ?(?:maybe|perhaps|probably|possibly|likely|i(?:'d| would| think| see| count)|my|"
    r"around|about|"
    r"approximately|roughly|it (?:looks|appears|seems|is|could|might)|there (?:are|is|appear|seem)|looks)\b)|"
    r"\b(?:but|however|although|though|nevertheless|still|yet)\b(?! i (?:can|am|'m|could|do))",
    re.IGNORECASE,
)


def split_refusal(text: str) -> tuple[str, bool]:
    """Take the declining clauses out of an answer.

    "I cannot see it clearly, but it looks like a dog" keeps "it looks like a dog"; of a plain refusal nothing is left.

    Returns:
        The text without the clauses that decline, and whether there were any.
    """
    if not is_refusal(text):
        return text, False
    kept, start = [], 0
    for border in [*_CLAUSE.finditer(text), None]:
        end = len(text) if border is None else border.end()
        clause = text[start:end]
        if _REFUSAL.search(clause) is None:
            kept.append(clause)
        elif clause.endswith("\n"):
            kept.append("\n")
        start = end
    return "".join(kept).strip(), True


def is_refusal(text: str) -> bool:
    """Return whether a plain answer declines anywhere."""
    folded = text.lower()
    return any(sign in folded for sign in _SIGNS) and _REFUSAL.search(text) is not None
