"""Read a count or measure."""

import re
from dataclasses import dataclass, replace

from lamm_metrics.extraction.number_words import WORDS, parse_number_words
from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import final_statements, overlong, plain_answer
from lamm_metrics.extraction.text.refusal import split_refusal

_NUMERAL = (
    r"\d{1,2}(?:,\d{2}){1,4},\d{3}(?!\d)|\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,15})?(?!\d|,\d)|\d{1,18}(?:\.\d{1,15})?|"
    r"\.\d{1,15}"
)
_VALUE = rf"(?:{_NUMERAL})(?: ?(?:hundred|thousand|million|billion|dozens?|k)\b)?|{WORDS}"
_FOUND = re.compile(
    rf"(?<![A-Za-z0-9_.:/#-])(?P<sign>-)?(?P<first>{_VALUE})(?![A-Za-z0-9]|[.:/]\d|,\d{{3}}(?!\d)|['’][a-z])"
    rf"(?: ?(?:-|~|to|or|and) ?(?P<second>{_VALUE})(?![A-Za-z0-9]|[.:]\d|,\d{{3}}(?!\d)))?",
    re.IGNORECASE,
)
_SUFFIX = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "dozen": 12.0, "dozens": 12.0, "k": 1e3}
_ZERO = re.compile(
    r"\b(?:there(?:'s| is| are| was| were)|has|have|with|contains?|shows?|sees?|seeing|depicts?|i see|"
    r"i count)? ?(?:absolutely |literally )?"
    r"(?:no(?! (?:more|less|fewer|doubt|longer|one\b|idea|clear|way|need|problem|other|further|additional|\d))|"
    r"not any|zero|n't any)\b (?=[a-z])"
    r"|^\W*(?:none|no|nothing|nil)\b\W*$|\b(?:none (?:of|are|is|at all|in|visible)|there (?:is|are) none|"
    r"there (?:is|are) not any|nothing (?:is|to count))\b"
    r"|\b(?:do not|don't|cannot|can't) (?:see|find|spot|count) any\b|\b(?:is|are) (?:not present|absent|"
    r"nowhere)\b|\bnot (?:a single|one)\b",
    re.IGNORECASE,
)
_TOTAL_BEFORE = re.compile(
    r"(?:\b(?:total|altogether|in all|sum|overall|combined|makes?|making|totals?|totall?ing|adds? up to|gives?|"
    r"giving|equals?|resulting in)\b"
    r"(?:[^.\d\n]{0,30})|= ?)$",
    re.IGNORECASE,
)
_TERM = re.compile(r" ?[+*x] ?\d")  # a sum goes on: "12 = 5 + 7"
_TOTAL_AFTER = re.compile(r"[^.,;\d\n]{0,40}\b(?:in total|altogether|in all|total|overall|combined)\b", re.IGNORECASE)
_NOT_A_COUNT = re.compile(
    r"\b(?:figure|fig\.?|image|picture|photo|step|row|column|option|page|question|part|section|no\.|version|"
    r"number of|item|object|method|"
    r"region|frame|group|scene|table)s? ?#?$|[#$€£@]$|\b(?:in|since|from|circa|year|by) (?=(?:19|20)\d\d\b)$",
    re.IGNORECASE,
)
_UNIT_AFTER = re.compile(
    r" ?(?:%|percent\b|°|degrees?\b|o'clock|a\.?m\b|p\.?m\b|years? old\b|st\b|nd\b|rd\b|th\b)", re.IGNORECASE
)
_HALF_MORE = re.compile(r" and (?:a|one)[ -]half\b", re.IGNORECASE)
_PRONOUN_ONE = re.compile(
    r"(?: of\b| another\b| can\b| could\b| might\b| may\b| is\b(?! \w+ing)| on (?:the|top)\b| in the (?:middle|"
    r"cent|back|front)| which\b| that\b)",
    re.IGNORECASE,
)
_PRONOUN_BEFORE = re.compile(
    r"\b(?:the|this|that|each|every|any|no|which|another|other|first|second|last|some|big|small|large|red|"
    r"green|blue)\s?$",
    re.IGNORECASE,
)
_SECONDARY = re.compile(
    r"\b(?:on|in|of|at|with|from|by|for|across|over|per|about|around|among|between|behind|near|under|"
    r"than)\s(?:the |all |these |those |its |their )?$",
    re.IGNORECASE,
)
_SINGLE = re.compile(r"\b(?:an?|one|only|just) (?:single|sole|lone|solitary)\b|\bthe only one\b", re.IGNORECASE)
_HEDGE = re.compile(
    r"\b(?:about|around|over|approximately|approx\.?|roughly|nearly|almost|at least|more than|less than|up to|"
    r"of|than|between)\s$",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r"(?:\bthere(?:'s| (?:is|are|were|was|appears? to be|seems? to be|may be|might be|must be|could be))|\b(?:i|"
    r"we|you) (?:can |could |clearly )?(?:see|count|counted|spot|find|found|"
    r"estimate|identify|detect)|\b(?:shows|contains|depicts|features|has|have|displays|includes|count(?: is|:)?|"
    r"number[^.\d\n]{0,40} is|answer(?: is|:)?|estimate(?: is)?|it's|it is))"
    r"(?: (?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|at least|a total of|over|"
    r"more than|only|just|some|probably|likely|visible|"
    r"between|up to|clearly|a|an|estimated|of|that|there|are|is)){0,5} ?[~:]? ?$",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^(?:\d{1,3}[.)]|[-*•]) (?=\S)", re.MULTILINE)


_MOST = 1_000  # an answer with more numbers than this settles on none, unless they are all the same


@dataclass(frozen=True, slots=True)
class _Number:
    value: float
    start: int
    end: int
    spread: bool = False


def _value(text: str) -> float | None:
    head = re.match(r"[\d.,]+", text)
    if head is None:
        return parse_number_words(text)
    number = float(head.group().replace(",", "").rstrip("."))
    suffix = text[head.end() :].strip().lower()
    return number * _SUFFIX.get(suffix, 1.0)


def _read(found: re.Match[str]) -> list[_Number]:
    """Return the number, range, or two numbers of one match."""
    first = _value(found["first"])
    if first is None:
        return []
    if found["sign"]:
        first = -first
    if found["second"] is None:
        return [_Number(first, found.start(), found.end())]
    second = _value(found["second"])
    joint = found.string[found.end("first") : found.start("second")].strip().lower()
    if second is None:
        return [_Number(first, found.start(), found.end("first"))]
    between = re.search(
        r"\b(?:between|from)\s$", found.string[max(0, found.start() - 9) : found.start()], re.IGNORECASE
    )
    spans = joint in {"-", "~", "to"} or (joint == "and" and between) or (joint == "or" and abs(second - first) <= 1)
    if spans and (second > first or joint == "or"):
        return [_Number((first + second) / 2, found.start(), found.end(), True)]
    return [
        _Number(first, found.start(), found.end("first")),
        _Number(second, found.start("second"), found.end()),
    ]


def _numbers(text: str) -> list[_Number]:
    """Return the counts and measures of a text, without labels of things, years, percentages and the pronoun "one"."""
    kept: list[_Number] = []
    for found in _FOUND.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        after = text[found.end() : found.end() + 20]
        if _NOT_A_COUNT.search(before) or _UNIT_AFTER.match(after):
            continue
        word = found["first"].lower()
        if word == "one" and (_PRONOUN_ONE.match(after) or _PRONOUN_BEFORE.search(before)):
            continue
        read = _read(found)
        if read and _HALF_MORE.match(text, found.end()):
            read[-1] = replace(read[-1], value=read[-1].value + 0.5)
        kept.extend(read)
        if len(kept) > _MOST:
            break
    return kept


_SUBSET_AHEAD = re.compile(r"\bof (?:these|those|them|which|whom),? (?:only |about |around )?$", re.IGNORECASE)
_BREAKDOWN = re.compile(
    r"[^.\d]{0,60}(?::|\(|\bincluding|\bconsisting of|\bmade up of|\bcomprising|, with\b| - )", re.IGNORECASE
)
_SUBSET = re.compile(r" of (?:them|these|those|which|whom)\b", re.IGNORECASE)


def _choose(numbers: list[_Number], text: str) -> Extraction[float] | None:
    """Settle on one number of a text: the only value, the one called the total, or the one the main clause counts."""
    if len(numbers) > 1:
        numbers = [number for number in numbers if not _is_subset(text, number)] or numbers
    if not numbers:
        return None
    if len({number.value for number in numbers}) == 1:
        return Extraction(numbers[0].value, Status.OK, "middle of a range" if numbers[0].spread else "")
    totals = [
        number
        for number in numbers
        if (_TOTAL_BEFORE.search(text[max(0, number.start - 60) : number.start]) and not _TERM.match(text, number.end))
        or _TOTAL_AFTER.match(text[number.end : number.end + 60])
    ]
    if totals:
        return Extraction(totals[-1].value, Status.OK, "stated total")
    return _main_clause(numbers, text)


def _is_subset(text: str, number: _Number) -> bool:
    """Return whether a number counts a part of what was counted before ("4 of them", "of these, 3")."""
    if _SUBSET.match(text, number.end):
        return True
    return _SUBSET_AHEAD.search(text[max(0, number.start - 30) : number.start]) is not None


def _is_breakdown(numbers: list[_Number], text: str) -> bool:
    """Return whether the first number is announced as the sum of the others ("14 bottles: 9 green and 5 brown")."""
    first, rest = numbers[0], numbers[1:]
    adds_up = len(rest) > 1 and first.value == sum(number.value for number in rest)
    return adds_up and _BREAKDOWN.match(text[first.end : rest[0].start]) is not None


def _main_clause(numbers: list[_Number], text: str) -> Extraction[float]:
    if _is_breakdown(numbers, text):
        return Extraction(numbers[0].value, Status.OK, "the sum of its parts")
    heads, rest = [], []
    for number in numbers:
        before = text[max(0, number.start - 90) : number.start]
        if _HEAD.search(before):
            heads.append(number)
        elif not _SECONDARY.search(before) or _HEDGE.search(before):
            rest.append(number)
    if len({number.value for number in heads}) == 1 and not rest:
        return Extraction(heads[0].value, Status.OK, "main clause")
    if not heads and len({number.value for number in rest}) == 1:
        return Extraction(rest[0].value, Status.OK, "main clause")
    values = ", ".join(f"{number.value:g}" for number in numbers[:5])
    return Extraction(None, Status.AMBIGUOUS, f"numbers {values}")


def extract_number(text: str) -> Extraction[float]:
    """Find the one number that an answer states.

    Numerals (any script's digits, "1,200", "3.5k") and English words up to billions ("twenty-one", "a dozen", "a pair")
    are read. A range ("2-3", "2 to 3", "between 2 and 4", "2 or 3") counts as its middle, "about 12" as 12, a negation
    ("no apples", "none") as 0. List markers, "image 2", years after "in", percentages, ordinals and the pronoun "one"
    are no counts. Of several numbers the final answer decides, else one called a total, else the only one in a main
    clause ("there are 3 apples on 2 tables" is 3); otherwise the answer is `ambiguous`. Vague words ("several") are no
    number.

    Args:
        text: A free-form answer.

    Example:
        >>> [extract_number(text).value for text in ("There are twenty-one apples.", "2-3", "no apples")]
        [21.0, 2.5, 0.0]
    """
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    plain, declined = split_refusal(plain_answer(text))
    if len(_MARKER.findall(plain[:4000])) > 1 or re.match(r"(?:[-*•]) ", plain):
        plain = _MARKER.sub("", plain)
    for statement in final_statements(plain):
        found = _choose(_numbers(statement), statement)
        if found is not None:
            return found
        if _ZERO.search(statement):
            return Extraction(0.0, Status.OK, "none stated")
    numbers = _numbers(plain)
    found = _choose(numbers, plain)
    if found is not None:
        return found
    if _ZERO.search(plain):
        return Extraction(0.0, Status.OK, "none stated")
    if _SINGLE.search(plain):
        return Extraction(1.0, Status.OK, "a single one stated")
    return Extraction(None, Status.REFUSED if declined else Status.NONE)
