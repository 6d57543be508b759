"""How projects prepare answers and references before they compare them: one row a way.

Written from the rules of the projects' code, which `docs/metrics.md` lists; tests hold them against that code's values.
Oddities stay, because numbers have to equal published ones: `1.5` becomes `15` and `café` becomes `caf`.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

_FIXES = {
    "letf": "left", "let": "left", "tehre": "there", "rigth": "right", "rght": "right", "behine": "behind", "tv": "TV",
    "chai": "chair", "wasing": "washing", "waslked": "walked", "oclock": "o'clock", "o' clock": "o'clock",
}  # fmt: skip
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_WORDS = {str(value): word for value, word in enumerate(_NUMBERS)} | {"23": "twenty-three", "none": "zero"}
_NAMED = _FIXES | _WORDS
_NAME = re.compile(rf"\b(?:{'|'.join(sorted(_NAMED, key=len, reverse=True))})\b")
_DROPPED = re.compile(r"[^a-zA-Z0-9,'\s\-:]+")
_NUMBERED = re.compile(r"\b([a-zA-Z]+)[0-9]\b")
_ARTICLES = tuple((f"{article} ", re.compile(rf"\b{article} ([a-zA-Z]+)")) for article in ("a", "an", "the"))
_TOKENS = re.compile(r"ASSISTANT:|\n|</?s>|<unk>|</?p>|<ref>|<\|endoftext\|>")
LONGEST = 256
"""Characters of an answer that MMScan's code looks at."""


@lru_cache(maxsize=1 << 16)
def clean_answer(text: str) -> str:
    """Return an answer as LEO's code cleans it, which eight other projects copied.

    Lower case, no punctuation but `,`, `'`, `-` and `:` (without a blank in its place), spelling mistakes of the data
    mended, numbers up to twenty as words, no articles. White space before a removed mark stays.

    >>> clean_answer("The 2 brown chairs."), clean_answer("brown ."), clean_answer("1.5 m")
    ('two brown chairs', 'brown ', 'fifteen m')
    """
    text = re.sub(" +$", "", text.lower()).lstrip(" ")
    if "  " in text:
        text = re.sub(r"\. {2,}", ". ", re.sub(" {2,}", " ", text))
    words = text.split(" ")
    plain = text.isascii() and "".join(words).isalnum()
    # What has no mark and none of the words is not searched for them: that takes most of the time.
    if not plain:
        text = _DROPPED.sub("", text)
    if not plain or not _NAMED.keys().isdisjoint(words):
        text = _NAME.sub(lambda hit: _NAMED[hit[0]], text)
    if not text.isalpha():
        text = _NUMBERED.sub(r"\1", text)
        for start, article in _ARTICLES:
            text = article.sub(r"\1", text) if start in text else text
    return re.sub(r"\bbackwards\b", "backward", text) if "backwards" in text else text


@lru_cache(maxsize=1 << 10)
def _chat_scene(text: str) -> str:
    text = text.removesuffix(".")
    return clean_answer(text[:1].lower() + text[1:] if len(text) > 1 else text)


@lru_cache(maxsize=1 << 10)
def _mmscan(text: str) -> str:
    return clean_answer(" ".join(_TOKENS.sub("", text).split())[:LONGEST])


def _to_last_stop(text: str) -> str:
    return text[: text.rfind(".") + 1] or text


def _plain(text: str) -> str:
    return text


class Preparation(NamedTuple):
    """What is done to an answer, to a reference, and to both once more before they are held to be equal."""

    answer: Callable[[str], str] = _plain
    reference: Callable[[str], str] = _plain
    again: Callable[[str], str] = _plain


Text = Literal["plain", "leo", "chatscene", "chatscene-sqa3d", "video3dllm", "ll3da", "mmscan", "msqa", "openeqa"]
TEXTS: Mapping[Text, Preparation] = {
    "plain": Preparation(),
    "leo": Preparation(clean_answer, clean_answer),
    "chatscene": Preparation(_chat_scene),
    "chatscene-sqa3d": Preparation(_chat_scene, clean_answer),
    "video3dllm": Preparation(lambda text: text.rstrip(".")),
    "ll3da": Preparation(*[lambda text: " ".join(filter(None, text.split(" ")))] * 2),
    "mmscan": Preparation(_mmscan, clean_answer),
    "msqa": Preparation(clean_answer, clean_answer, clean_answer),
    # What OpenEQA shows its judge: nothing behind the last dot, be it a decimal point.
    "openeqa": Preparation(_to_last_stop),
}
"""Ways of preparing texts by name, "plain" as they are written."""


def text_setting(text: Text) -> dict[str, object]:
    """Return the choice of a preparation for the signature; nothing for texts as they are written."""
    return {} if text == "plain" else {"text": text}
