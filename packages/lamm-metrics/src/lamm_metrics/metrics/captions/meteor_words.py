"""The words of a text as METEOR's option `-norm` counts them (Denkowski and Lavie 2014)."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

# Letters as METEOR counts them: Latin of Europe, Cyrillic and phonetic ones.
_LETTERS = (
    "A-Za-z\u0160\u017d\u0161\u017e\u0178\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e"
    "\u0400-\u0527\ua640-\ua66e\ua67e-\ua697\u1d00-\u1d7f"
)
# Words that are followed by no mark but a full stop or a comma.
_PLAIN = re.compile(r"[A-Za-z0-9 ]*(?:(?<=[A-Za-z0-9])[.,](?: [A-Za-z0-9 ]*|$))*")
# A stop that no lower case follows, and what comes next.
_STOP = re.compile(r"\.(?! +[a-z])(?= *(.?))")
_DOTS = "\ue000"
_RULES: Sequence[tuple[re.Pattern[str], Any]] = (
    (re.compile(rf"([^0-9{_LETTERS} \t\n\v\f\r.'`,\-‘’])"), r" \1 "),
    (re.compile(r"\.{2,}"), lambda dots: f" {_DOTS * len(dots[0])} "),
    (re.compile(r"([^0-9]),([^0-9])"), r"\1 , \2"),
    (re.compile(r"([0-9]),([^0-9])"), r"\1 , \2"),
    (re.compile(r"([^0-9]),([0-9])"), r"\1 , \2"),
    (re.compile("[`‘’]"), "'"),
    (re.compile("[“”]|''"), ' " '),
    (re.compile("–"), "-"),
    (re.compile("--"), "-"),
    (re.compile(rf"([0-9{_LETTERS}.])-([0-9{_LETTERS}])"), r"\1 \2"),
    (re.compile(rf"([^{_LETTERS}])'([^{_LETTERS}])"), r"\1 ' \2"),
    (re.compile(rf"([^0-9{_LETTERS}])'([{_LETTERS}])"), r"\1 ' \2"),
    (re.compile(rf"([{_LETTERS}])'([^{_LETTERS}])"), r"\1 ' \2"),
    (re.compile(rf"([{_LETTERS}])'([{_LETTERS}])"), r"\1 '\2"),
    (re.compile(r"([0-9])'(s)"), r"\1 '\2"),
)
_LETTER = re.compile(f"[{_LETTERS}]")
_SPACES = re.compile("[ \t\n\f\r\u00a0\u2000-\u200a\u202f\u205f\u3000]+")


@lru_cache(maxsize=4096)
def _split(text: str) -> tuple[str, ...]:
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return tuple(_SPACES.sub(" ", text).strip(" ").split(" "))


def meteor_words(text: str, abbreviations: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the words of a text as METEOR's option `-norm` counts them, in lower case.

    Args:
        text: Any text.
        abbreviations: Words that keep their final dot, always (True) or before a number only (False).

    >>> meteor_words("The man's T-shirt, from the U.S., is 1,000.5 years old.", {})
    ('the', 'man', "'s", 't', 'shirt', ',', 'from', 'the', 'us', ',', 'is', '1,000.5', 'years', 'old', '.')
    """

    def stays(stem: str, after: str) -> bool:
        return bool(
            abbreviations.get(stem) or "a" <= after[:1] <= "z" or (stem in abbreviations and "0" <= after[:1] <= "9")
        )

    if _PLAIN.fullmatch(text):
        if "." in text:
            text = _STOP.sub(
                lambda stop: "." if stays(text[text.rfind(" ", 0, stop.start()) + 1 : stop.start()], stop[1]) else " .",
                text,
            )
        return tuple(text.lower().replace(",", " ,").split())
    words = _split(f" {text} ")
    found: list[str] = []
    for word, after in zip(words, (*words[1:], ""), strict=True):
        stem = word[:-1]
        if not stem or word[-1] != ".":
            found.append(word)
        elif "." in stem and _LETTER.search(stem):
            found.append(word.replace(".", ""))
        else:
            found += [word] if stays(stem, after) else [stem, "."]
    return tuple(word.replace(_DOTS, ".").lower() for word in found if word)
