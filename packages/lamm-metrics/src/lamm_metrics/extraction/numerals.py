"""Find the numbers of an answer that may be counts or measures: numerals, number words, ranges, mixed fractions."""

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from lamm_metrics.extraction.number_words import GROUP_VALUES, MORE, PART_BEHIND, WORDS, parse_number_words, split_parts

_MOST = 1_000  # an answer with more numbers than this settles on none, unless they are all the same
_MOST_RAISED = 1e18  # larger numbers are not raised to a power
_NUMERAL = (
    r"\d{1,2}(?:,\d{2}){1,4},\d{3}(?!\d)|\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,15})?(?!\d|,\d)|"
    r"\d{1,3}(?:\.\d{3}){2,4}(?![.\d])|"
    r"\d{1,3}(?:'\d{3}){1,4}(?!\d)|\d{1,2}(?: \d{3}){1,4}(?![\d.,:/]|[ -]\d)|\d{1,18}(?:\.\d{1,15})?(?:e[+-]?\d{1,2})?|"
    r"\.\d{1,15}"
)
_POWER = r" ?[x*·] ?10\^\{?-?\d{1,2}\}?|\^\{?\d\}?"
_SUFFIX = r"hundred|thousand|million|billion|dozens?|k"
_VALUE = (
    rf"(?:(?:{_NUMERAL})(?:{_POWER}|(?: |-| and )\d{{1,2}}/\d{{1,2}}(?![\d/])|{MORE})?(?: ?(?:{_SUFFIX})\b)?|{WORDS})"
)
# Units that may stand right behind a numeral, and what may not stand behind any number.
_END = (
    r"(?![./:_^]\d| ?/ ?\d|,\d{3}(?!\d)|['’][a-z])"
    r"(?=(?:[mck]?m|k?g|mg|lbs?|oz|ft|px|pcs|ml|l|ms|hrs?|mins?|secs?)(?![A-Za-z0-9])|[^A-Za-z0-9]|$)"
)
_FOUND = re.compile(
    rf"(?<![A-Za-z0-9_.:/#^-])(?P<sign>-|(?:minus|negative) )?(?P<first>{_VALUE}){_END}(?: ?(?P<joint>-|~|(?:up )?to|"
    rf"or|and) ?(?P<second>{_VALUE}){_END})?",
    re.IGNORECASE,
)
_PARTS = re.compile(
    rf"(?P<numeral>{_NUMERAL})(?:(?P<power>{_POWER})|(?: |-| and )(?P<over>\d{{1,2}})/(?P<under>\d{{1,2}})|"
    rf"(?P<more>{MORE}))?"
    rf" ?(?P<suffix>{_SUFFIX})?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\b(?:between|from)\s$", re.IGNORECASE)
_NOT_A_COUNT = re.compile(
    r"\b(?:figure|fig\.?|image|picture|photo|step|row|column|option|page|question|part|section|no\.|version|number of|"
    r"item|object|method|"
    r"region|frame|group|scene|table|route|highway|boeing|airbus|iphone)s? ?#?$|[#$€£@]$|/ ?$",
    re.IGNORECASE,
)
# "several hundred", "a quarter of a million"
# "half of the 10", "none of the three"
_PART_OF = re.compile(
    r"\b(?:half|third|quarter|fifth|most|part|percent|majority|none|neither|nobody|not one)s?(?: of)? (?:the |"
    r"these |those |all )?$",
    re.IGNORECASE,
)
_RATIO = re.compile(r" (?:in|out of) (?:every )?", re.IGNORECASE)
_SCALE_WORD = re.compile(r"(?:an? )?(?:hundred|thousand|million|billion|dozen)\b", re.IGNORECASE)
_VAGUE_BEFORE = re.compile(
    r"\b(?:quarters?|thirds?|fifths?|few|several|many|some|hundreds|thousands|tens|dozens|millions)(?: of)?\s?$",
    re.IGNORECASE,
)
_CHAIN = re.compile(r"-\d")
_YEAR_BEFORE = re.compile(r"\b(?:in|since|from|circa|year|by|of|until) $", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_UNIT_AFTER = re.compile(
    r" ?(?:%|per ?cent\b|°|degrees?\b|o'clock|a\.?m\b|p\.?m\b|years? old\b|st\b|nd\b|rd\b|th\b)|" + PART_BEHIND,
    re.IGNORECASE,
)
_PRONOUN_ONE = re.compile(
    r" (?:of|another|can|could|might|may|is(?! \w+ing)|by one|at a time|after (?:the other|another)|side)\b"
    r"|(?<![,;] one)(?<!and one) (?:on (?:the|top)|in the (?:middle|cent|back|front)|which|that)\b",
    re.IGNORECASE,
)
_PRONOUN_BEFORE = re.compile(
    r"\b(?:the|this|that|each|every|any|no|which|another|other|first|second|last|some|big|small|large|red|"
    r"green|blue|single|one by|one after)\s?$",
    re.IGNORECASE,
)
# What folding would read as other numbers: "2½" as "21/2", "10²" as "102", "1，200" as "1, 200".
_VULGAR = re.compile(r"[¼-¾⅐-⅞]")
_RAISED = re.compile(r"(?<=\d)[⁰¹²³⁴-⁹]{1,2}")
_TIMES = re.compile(r"\\(?:times|cdot)\b ?")
_LONG_GROUPS = re.compile(r"(?<=\d)[٬，](?=\d{3}(?!\d))")
_HAN = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1_000}
_HAN_NUMBER = re.compile(
    r"(?<![零〇一二两兩三四五六七八九十百千万萬第])([零〇一二两兩三四五六七八九十百千万萬]{1,12})"
    r"(?=(?:[只隻个個名位人辆輛条條朵棵头頭匹台臺座架艘杯瓶件颗顆粒枚羽本支把块塊つ頭]|[张張](?![图圖照画])|[。.!]?\s*$))"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number of an answer.

    Attributes:
        value: Its value; the middle of a range.
        start: Index of its first character.
        end: Index behind its last character.
        spread: Whether it is the middle of a range.
    """

    value: float
    start: int
    end: int
    spread: bool = False


def written_out(text: str) -> str:
    """Return a raw answer with fractions, powers and grouping of other scripts in the form that the rules read."""
    if text.isascii():
        return _TIMES.sub("x ", text) if "\\" in text else text
    text = _VULGAR.sub(lambda found: _fraction(found.group()), text)
    text = _RAISED.sub(lambda found: "^" + "".join(str(unicodedata.digit(char)) for char in found.group()), text)
    text = _LONG_GROUPS.sub(",", text).replace("٫", ".")
    return _HAN_NUMBER.sub(lambda found: _han_value(found.group(1)), _TIMES.sub("x ", text))


def _fraction(char: str) -> str:
    over, _, under = unicodedata.normalize("NFKC", char).partition("⁄")
    return f" {over}/{under}"


def _han_value(text: str) -> str:
    """Return a whole number in Chinese numerals as digits."""
    total, section, digit = 0, 0, 0
    for char in text:
        if char in _HAN:
            digit = digit * 10 + _HAN[char] if digit and "十" not in text else _HAN[char]
        elif char in _HAN_UNITS:
            section, digit = section + (digit or 1) * _HAN_UNITS[char], 0
        else:
            total, section, digit = (total + section + digit or 1) * 10_000, 0, 0
    return str(total + section + digit)


def _value(text: str) -> float | None:
    """Return the value of what `_VALUE` matched."""
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return parse_number_words(text)
    written = parts["numeral"].lower()
    number = float(written.replace(".", "") if written.count(".") > 1 else re.sub(r"[ ',]", "", written))
    if parts["power"]:
        exponent = int(parts["power"].rsplit("^", 1)[1].strip("{}"))
        if "10" in parts["power"].split("^")[0]:
            number *= 10.0**exponent
        elif number > _MOST_RAISED:
            return None
        else:
            number **= exponent
    if parts["over"]:
        number += int(parts["over"]) / max(int(parts["under"]), 1)
    if parts["more"]:
        number += split_parts(parts["more"].lower())[1]
    suffix = (parts["suffix"] or "").lower()
    return number * (1e3 if suffix == "k" else GROUP_VALUES.get(suffix, 1))


def _scale(text: str) -> float:
    """Return what the last word of a number multiplies by: 1,000 for "three thousand" and "3k"."""
    last = re.search(r"[a-z]+$", text.lower())
    return 1.0 if last is None else 1e3 if last.group() == "k" else float(GROUP_VALUES.get(last.group(), 1))


def _read(found: re.Match[str]) -> list[Number]:
    """Return the number, range, or two numbers of one match."""
    first = _value(found["first"])
    if first is None:
        return []
    if found["sign"]:
        first = -first
    second = None if found["second"] is None else _value(found["second"])
    if second is None:
        return [Number(first, found.start(), found.end("first"))]
    scale, joint = _scale(found["second"]), found["joint"].lower()
    if joint == "-" and found["first"][0].isdigit() != found["second"][0].isdigit():
        return []  # "7-Eleven"
    # "two to three dozen", "5-10k"
    low = first * scale if _scale(found["first"]) == 1 and 0 < first < second / scale else first
    near = (second - low) / (scale if low != first else 1.0)
    between = _BETWEEN.search(found.string, max(0, found.start() - 9), found.start()) is not None
    if joint in {"-", "~", "to", "up to"} or (joint == "and" and between):
        spans = second > low
    else:
        spans = joint == "or" and abs(near) <= 1
    if spans:
        return [Number((low + second) / 2, found.start(), found.end(), True)]
    return [
        Number(first, found.start(), found.end("first")),
        Number(second, found.start("second"), found.end()),
    ]


def _is_no_count(written: str, before: str, after: str) -> bool:
    """Return whether a number is a year, one of a chain, a whole of which a part is meant, or a vague word of scale."""
    if _YEAR.fullmatch(written):
        return _YEAR_BEFORE.search(before) is not None
    if after.startswith("M") or _CHAIN.match(after) or _PART_OF.search(before):
        return True
    return _SCALE_WORD.match(written) is not None and _VAGUE_BEFORE.search(before) is not None


def find_numbers(text: str) -> list[Number]:
    """Return the counts and measures of a text, without labels of things, years, percentages and the pronoun "one".

    Args:
        text: A plain answer.
    """
    numbers: list[Number] = []
    for found in _FOUND.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        after = text[found.end() : found.end() + 20]
        if _NOT_A_COUNT.search(before) or _UNIT_AFTER.match(after) or _is_no_count(found["first"], before, after):
            continue
        one = found["first"].lower() == "one"
        if one and (_PRONOUN_ONE.match(text, found.end("first")) or _PRONOUN_BEFORE.search(before)):
            continue
        numbers.extend(_read(found))
        if len(numbers) > _MOST:
            break
    return _without_ratios(text, numbers)


def _without_ratios(text: str, numbers: list[Number]) -> list[Number]:
    """Leave out both sides of a ratio: "one in three", "9 out of 10"."""
    sides = {
        place + side
        for place, (left, right) in enumerate(pairwise(numbers))
        for side in (0, 1)
        if left.value < right.value and _RATIO.fullmatch(text, left.end, right.start)
    }
    return [number for place, number in enumerate(numbers) if place not in sides] if sides else numbers
