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
# A number in words: number words joined by spaces, hyphens or "and"; "a dozen", "two pairs", "a hundred", "half a
# dozen". Letters are ASCII (`a`): where case is ignored, "ı" and "İ" would pass for "i".
WORDS = (
    rf"(?a:half a dozen|an? (?:{_GROUP})\b"
    rf"|(?:an? (?:hundred|thousand|million)|(?:{_NUMBER}))(?:(?:[ -]| and )(?:{_NUMBER})){{0,12}}(?: (?:{_GROUP})\b)?)"
)
_PIECE = re.compile(r"[a-z]+")


def parse_number_words(text: str) -> float | None:
    """Return the value of a phrase matched by `WORDS`; `None` where its words do not form one number ("two three").

    Args:
        text: The phrase, in any case.

    Example:
        >>> [parse_number_words(words) for words in ("three hundred and twenty-one", "half a dozen", "two three")]
        [321.0, 6.0, None]
    """
    words = [word for word in _PIECE.findall(text.lower()) if word != "and"]
    if words[:1] == ["half"]:
        return 6.0
    multiplier = 1
    if words and words[-1] in GROUPS | _GROUP_PLURALS:
        multiplier = (GROUPS | _GROUP_PLURALS)[words.pop()]
    if words and words[0] in {"a", "an"}:
        words[0] = "one"
    value = _compose(words) if words else 1.0
    return None if value is None else value * multiplier


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
