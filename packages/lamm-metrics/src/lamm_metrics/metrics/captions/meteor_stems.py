"""Stems of English words by the Snowball stemmer (Porter2, M. Porter 2001), as METEOR 1.5 has them.

Written anew rather than taken from nltk, whose import takes a second and whose stems keep an "e" in a few words.
"""

import re
from functools import lru_cache

_WHOLE = {
    "skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl", "gently": "gentl",
    "ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl",
    **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
}  # fmt: skip
_STOPS = frozenset(["inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"])
# `y` at the beginning and behind a vowel is no vowel, and stands as Y.
_VOWEL = re.compile("[aeiouy]")
_FIRST_REGION = re.compile("gener|commun|arsen|.*?[aeiouy][^aeiouy]")
_REGION = re.compile(".*?[aeiouy][^aeiouy]")
_SHORT = re.compile("(?:^|.*[^aeiouy])[aeiouy][^aeiouywxY]|^[aeiouy][^aeiouy]")
_OWN = re.compile("'s'$|'s$|'$")
_PLURAL = re.compile("(sses|ied|ies|us|ss|s)$")
_PAST = re.compile("(eedly|ingly|edly|eed|ing|ed)$")
_DOUBLE = re.compile("(?:bb|dd|ff|gg|mm|nn|pp|rr|tt)$")
_SECOND = {
    "tional": "tion", "enci": "ence", "anci": "ance", "abli": "able", "entli": "ent", "izer": "ize", "ization": "ize",
    "ational": "ate", "ation": "ate", "ator": "ate", "alism": "al", "aliti": "al", "alli": "al", "fulness": "ful",
    "ousli": "ous", "ousness": "ous", "iveness": "ive", "iviti": "ive", "biliti": "ble", "bli": "ble", "ogi": "og",
    "fulli": "ful", "lessli": "less", "li": "",
}  # fmt: skip
_THIRD = {
    "tional": "tion", "ational": "ate", "alize": "al", "icate": "ic", "iciti": "ic", "ical": "ic", "ful": "",
    "ness": "", "ative": "",
}  # fmt: skip
_FOURTH = ("ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize",
           "ion", "al", "er", "ic")  # fmt: skip
_SUFFIXES = [re.compile(f"({'|'.join(sorted(table, key=len, reverse=True))})$") for table in (_SECOND, _THIRD, _FOURTH)]


@lru_cache(maxsize=65536)
def porter2(word: str) -> str:
    """Return the stem of a lower-case word.

    >>> porter2("hanging"), porter2("generously"), porter2("realization")
    ('hang', 'generous', 'realiz')
    """
    if len(word) <= 2:
        return word
    if word in _WHOLE:
        return _WHOLE[word]
    stem = re.sub("(^|[aeiouy])y", r"\1Y", word.removeprefix("'"))
    first = _FIRST_REGION.match(stem)
    start = first.end() if first else len(stem)
    second = _REGION.match(stem, start)
    regions = start, second.end() if second else len(stem)
    stem = _without_plural(_OWN.sub("", stem))
    if stem not in _STOPS:
        stem = _without_past(stem, start)
        if stem[-1:] in ("y", "Y") and len(stem) > 2 and not _VOWEL.match(stem[-2]):
            stem = f"{stem[:-1]}i"
        stem = _without_endings(stem, *regions)
    return stem.replace("Y", "y")


def _without_plural(stem: str) -> str:
    hit = _PLURAL.search(stem)
    before = stem[: hit.start()] if hit else ""
    match hit[1] if hit else "":
        case "sses":
            return f"{before}ss"
        case "ied" | "ies":
            return f"{before}i" if len(before) > 1 else f"{before}ie"
        case "s":
            return before if _VOWEL.search(before[:-1]) else stem
    return stem


def _without_past(stem: str, start: int) -> str:
    hit = _PAST.search(stem)
    if not hit:
        return stem
    before = stem[: hit.start()]
    if hit[1] in ("eed", "eedly"):
        return f"{before}ee" if len(before) >= start else stem
    if not _VOWEL.search(before):
        return stem
    if before.endswith(("at", "bl", "iz")):
        return f"{before}e"
    if _DOUBLE.search(before):
        return before[:-1]
    return f"{before}e" if len(before) <= start and _SHORT.fullmatch(before) else before


def _without_endings(stem: str, start: int, later: int) -> str:
    """Take the endings of derived words off, each within its region of the word."""
    second, third, fourth = _SUFFIXES
    if (hit := second.search(stem)) and hit.start() >= start:
        before = stem[: hit.start()]
        allowed = {"ogi": "l", "li": "cdeghkmnrt"}.get(hit[1])
        if allowed is None or before[-1:] in tuple(allowed):
            stem = before + _SECOND[hit[1]]
    if (hit := third.search(stem)) and hit.start() >= (later if hit[1] == "ative" else start):
        stem = stem[: hit.start()] + _THIRD[hit[1]]
    if (hit := fourth.search(stem)) and hit.start() >= later and (hit[1] != "ion" or stem[hit.start() - 1] in "st"):
        stem = stem[: hit.start()]
    last = len(stem) - 1
    if stem.endswith("e") and (last >= later or (last >= start and not _SHORT.fullmatch(stem[:-1]))):
        return stem[:-1]
    return stem[:-1] if stem.endswith("ll") and last >= later else stem
