"""Tokenisers for text scores. Scores of different tokenisers are not comparable, so signatures name them."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

# What the COCO caption evaluation drops after tokenising. Brackets stay there as -lrb- and the like, since it
# lower-cases before it compares with upper-case names. Numbers have to equal published ones, so that is kept.
_DROPPED = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

# Marks of quotation are all written as '' or `` there, and dropped with the punctuation.
_LEFT_OUT = _DROPPED | frozenset('"“”‘’„«»')

# AT&T is one word, at&t are three.
_AMPERSAND = re.compile(r"(?<![A-Z])&|&(?![A-Z])")

# Read as their ASCII forms, as there.
_AS_ASCII = str.maketrans({"\n": " ", "’": "'", "—": "--", "–": "--"})

# Abbreviations that keep their dot wherever they stand; those of ten states that do so with a capital only are none.
_SHORT = (
    "mr|mrs|ms|dr|st|prof|rev|gen|sen|gov|col|sgt|capt|jr|sr|inc|ltd|corp|vs|etc|ave|blvd|jan|feb|mar|apr|jun|jul|aug|sept?|"
    "oct|nov|dec|mon|tue|tues|wed|thu|thurs|fri|dept|co|ft|p|al|est|bros|mt|rd|sq|univ|assn|intl|natl|adm|lt|maj|cmdr|cpl|"
    "pvt|pres|reps?|hon|messrs|mme|mlle|esq|md|ph\\.d|ala|ariz|calif|colo|conn|fla|ga|ind|kan|ky|mich|minn|mo|mont|neb|"
    "nev|okla|penn|tenn|va|vt|wis|wyo|mfg|cos|cie|plc|pty|bldg|ext|tel|cf|supt|insp|det|brig|drs|sens|govs"
)
_CLITIC = r"['’](?:s|m|d|ll|re|ve)\b"
_PTB = re.compile(
    "|".join(
        [
            r"https?://\S+|www\.\S+",
            r"</?[a-z][^<>\s]*>",  # a tag is one word
            r"[#@][^\W\d_]\w*",
            r"'n'",  # rock 'n' roll
            r"[\w.+-]{1,64}@[\w-]+\.[\w.-]+",
            r"(?<![\w#@])[a-z](?:\.[a-z])*\.(?![^\W\d_])",  # plan b. and u.s. and a.m.
            rf"\b(?:{_SHORT})\.(?!\w)",
            r"\b(?:no|nos|figs?|pp|art|op)\.(?=\s*\d)",
            r"\bcan(?=not\b)|\b(?:gon|wan)(?=na\b)|\bgot(?=ta\b)|\b(?:lem|gim)(?=me\b)",
            r"[^\W_]{1,32}?(?=n['’]t\b)|n['’]t\b",
            _CLITIC,
            r"\d+(?:[.,:]\d+)+",
            # A dot without a blank behind it joins words, but for a number's.
            rf"[^\W_]+(?:(?:[-_&/]|(?<!\d)\.(?=[^\W\d_])|(?!{_CLITIC}|'n'|(?<=\d))['’])[^\W_]+)*"
            r"(?:\.(?=[,;:]))?",  # before these a dot ends no sentence
            r"-{2,}|[?!]{2,}|''|``",
            r"\S",
        ]
    )
)


@lru_cache(maxsize=256)
def ptb(text: str) -> tuple[str, ...]:
    """Words as the COCO caption evaluation counts them: Penn Treebank style, lower case, without punctuation.

    A look-alike of `PTBTokenizer -lowerCase` of Stanford CoreNLP and of the list of punctuation that COCO drops,
    written as one regular expression; no Java.

    >>> ptb("A man's dog doesn't sit (much), it runs at 3.5 km/h.")
    ('a', 'man', "'s", 'dog', 'does', "n't", 'sit', '-lrb-', 'much', '-rrb-', 'it', 'runs', 'at', '3.5', 'km/h')
    """
    lowered = _AMPERSAND.sub(" & ", text).lower().translate(_AS_ASCII)
    tokens = [token for token in _PTB.findall(lowered) if token not in _LEFT_OUT]
    if not _BRACKETS.keys().isdisjoint(tokens):
        tokens = [_BRACKETS.get(token, token) for token in tokens]
    return tuple(tokens)


_MTEVAL_RULES = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


@lru_cache(maxsize=256)
def mteval13a(text: str) -> tuple[str, ...]:
    """Words as mteval-v13a and sacrebleu's default split them; case is kept.

    >>> mteval13a("It's 3.5, no?")
    ("It's", '3.5', ',', 'no', '?')
    """
    line = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        line = line.replace(entity, character)
    line = f" {line} "
    for pattern, replacement in _MTEVAL_RULES:
        line = pattern.sub(replacement, line)
    return tuple(line.split())


@lru_cache(maxsize=256)
def whitespace(text: str) -> tuple[str, ...]:
    """Words between white space; case is kept."""
    return tuple(text.split())


@lru_cache(maxsize=256)
def blank(text: str) -> tuple[str, ...]:
    """Words between single blanks, as `split(" ")` gives them: two blanks have an empty word between them."""
    return tuple(text.split(" "))


Tokenizer = Literal["ptb", "13a", "whitespace", "blank"]
TOKENIZERS: Mapping[Tokenizer, Callable[[str], tuple[str, ...]]]
TOKENIZERS = {"ptb": ptb, "13a": mteval13a, "whitespace": whitespace, "blank": blank}
