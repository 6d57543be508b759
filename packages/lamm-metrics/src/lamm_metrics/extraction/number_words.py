"""Read English number words: "twenty-one", "three hundred and five", "half a dozen", "two million"."""

import re

UNITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SIMPLE = {word: value for value, word in enumerate(UNITS)} | {word: 20 + 10 * place for place, word in enumerate(_TENS)}
SIMPLE |= {"fourty": 40, "nought": 0, "nil": 0}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
GROUPS = {"dozen": 12, "score": 20, "pair": 2, "couple": 2, "trio": 3, "duo": 2, "quartet": 4}
_GROUP_PLURALS = {"dozens": 12, "pairs": 2, "couples": 2}

_NUMBER = "|".join(sorted((*SIMPLE, *SCALES), key=len, reverse=True))
_GROUP = "|".join(sorted((*GROUPS, *_GROUP_PLURALS), key=len, reverse=True))
GROUP_VALUES = GROUPS | _GROUP_PLURALS | SCALES
_PARTS = {"half": 0.5, "halves": 0.5, "third": 1 / 3, "quarter": 0.25, "fourth": 0.25, "fifth": 0.2}
_PART = r"(?:half|halves|third|quarter|fourth|fifth)"
_SCALE = "|".join(SCALES)
# What is added to a whole number: "and a half", "and three quarters".
MORE = rf"(?a:[ -]and[ -](?:an?|one|two|three|four)[ -]{_PART}s?\b)"
# What makes a number a part of something: "two-thirds", "three quarters", "five eighths".
PART_BEHIND = rf"(?a:[ -](?:{_PART}|sixth|seventh|eighth|ninth|tenth|hundredth)s?\b)"
_AFTER_SCALE = "(?:" + "|".join(f"(?<={scale})" for scale in SCALES) + ")"
# A number in words: number words joined by spaces, hyphens or "and"; "a dozen", "two pairs", "a hundred", "half a
# dozen", "two and a half thousand". Letters are ASCII (`a`): where case is ignored, "ı" and "İ" would pass for "i".
WORDS = (
    rf"(?a:(?:a )?half[ -](?:of )?(?:an? )?(?:{_GROUP}|{_SCALE})\b|a couple (?:of )?(?:dozen|{_SCALE})\b|"
    rf"an? (?:{_GROUP})\b{MORE}?|(?:an? (?:{_SCALE})|(?:{_NUMBER}))(?:(?:[ -]|"
    rf"{_AFTER_SCALE} and )(?:{_NUMBER})\b(?![ -]{_PART})){{0,12}}(?: (?:{_GROUP})\b)?(?:{MORE}(?: (?:{_GROUP}|"
    rf"{_SCALE})\b)?)?)"
)
_AND_PARTS = re.compile(rf"[ -]and[ -](?P<count>[a-z]+)[ -](?P<part>{_PART})s?\b")
_PIECE = re.compile(r"[a-z]+")


def split_parts(text: str) -> tuple[str, float, str]:
    """Return what stands before "and a half" in a lower-case phrase, the value of that part, and what stands behind.

    Example:
        >>> split_parts("two and three quarters"), split_parts("one and a half dozen")
        (('two', 0.75, ''), ('one', 0.5, 'dozen'))
    """
    more = _AND_PARTS.search(text)
    if more is None:
        return text, 0.0, ""
    value = max(SIMPLE.get(more["count"], 1), 1) * _PARTS[more["part"]]
    return text[: more.start()], value, text[more.end() :].strip()


def parse_number_words(text: str) -> float | None:
    """Return the value of a phrase matched by `WORDS`; `None` where its words do not form one number ("two three").

    Args:
        text: The phrase, in any case.

    Example:
        >>> [parse_number_words(words) for words in ("three hundred and one", "one and a half dozen", "two three")]
        [301.0, 18.0, None]
    """
    text, extra, behind = split_parts(text.lower())
    words, scale = [word for word in _PIECE.findall(text) if word not in {"and", "of"}], 1.0
    if "half" in words:
        return 0.5 * GROUP_VALUES[words[-1]]
    if words[:2] == ["a", "couple"] and len(words) > 2:
        return 2.0 * GROUP_VALUES[words[-1]]
    if behind:
        scale = GROUP_VALUES[behind]
    elif words[-1] in GROUPS | _GROUP_PLURALS or (extra and SCALES.get(words[-1], 0) >= 1_000):
        scale = GROUP_VALUES[words.pop()]
    if words and words[0] in {"a", "an"}:
        words[0] = "one"
    value = _compose(words) if words else 1.0
    return None if value is None else (value + extra) * scale


def _compose(words: list[str]) -> float | None:
    """Add up unit, tens and scale words; `None` where their order is that of no number."""
    total, current, floor = 0, 0, 10_000_000_000
    last_small = 1_000  # how small the next unit or tens word must be
    for word in words:
        if word in SCALES:
            scale = SCALES[word]
            if scale == 100:
                if not 0 <= current < 100:
                    return None
                current, last_small = max(current, 1) * 100, 100
            else:
                if scale >= floor:
                    return None
                total, current, floor, last_small = total + max(current, 1) * scale, 0, scale, 1_000
            continue
        value = SIMPLE[word]
        if value >= last_small or (value == 0 and len(words) > 1):
            return None
        current += value
        last_small = 10 if value >= 20 else 0
    return float(total + current)
