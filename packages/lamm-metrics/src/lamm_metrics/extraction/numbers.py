"""Read a count or measure."""

import re
from collections.abc import Sequence
from itertools import pairwise

from lamm_metrics.extraction.numerals import Number, find_numbers, written_out
from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.extraction.text.answer import final_statements, overlong, plain_answer
from lamm_metrics.extraction.text.correction import after_correction
from lamm_metrics.extraction.text.refusal import split_refusal
from lamm_metrics.extraction.text.synonyms import read_table

_ZERO = re.compile(
    r"\b(?:there(?:'s| is| are| was| were)|has|have|with|contains?|shows?|sees?|seeing|depicts?|i see|"
    r"i count)? ?(?:absolutely |literally )?(?:no(?! (?:more|less|fewer|doubt|longer|one\b|idea|clear|way|need|problem|"
    r"other|further|additional|\d))|not any|zero|n't any)\b (?=[a-z])|^\W*(?:none|no|nothing|nil)\b\W*$|"
    r"\b(?:(?:none|neither) of\b|\bnone (?:are|is|at all|in|visible)|there (?:is|are) none|there (?:is|are) not any|"
    r"nothing (?:is|"
    r"to count))\b|\b(?:do not|don't|cannot|can't|could not|couldn't|unable to) (?:see|find|spot|count) any\b|"
    r"\b(?:is|are) (?:not present|absent|"
    r"nowhere)\b|\bnot (?:a single|one)\b",
    re.IGNORECASE,
)
_TOTAL_BEFORE = re.compile(
    r"(?:\b(?:total|altogether|in all|sum|overall|combined|makes?|making|totals?|totall?ing|adds? up to|gives?|giving|"
    r"equals?|resulting in)\b"
    r"(?:[^.\d\n]{0,30})|= ?)$",
    re.IGNORECASE,
)
_TERM = re.compile(r" ?[+*x] ?\d")  # a sum goes on: "12 = 5 + 7"
_TOTAL_AFTER = re.compile(
    r"[^.,;\d\n]{0,40}\b(?:(?:in total|altogether|in all|overall|combined)\b|total\b(?! ?(?:of\b|:|=|is\b|number|"
    r"count|comes)))",
    re.IGNORECASE,
)
_SECONDARY = re.compile(
    r"\b(?:on|in|of|at|with|from|by|for|across|over|per|about|around|among|between|behind|near|under|"
    r"than)\s(?:the |all |these |those |its |their )?$",
    re.IGNORECASE,
)
# Where "around" is a place and no hedge: "6 chairs around 1 table".
_AROUND = re.compile(r"(?: (?!(?:and|or|but|plus)\b)[a-z]+){1,3} (?:around|about|over) (?:the |a )?", re.IGNORECASE)
_SINGLE = re.compile(r"\b(?:an?|one|only|just) (?:single|sole|lone|solitary)\b|\bthe only one\b", re.IGNORECASE)
_HEDGE = re.compile(
    r"\b(?:about|around|over|approximately|approx\.?|roughly|nearly|almost|at least|more than|less than|up to|"
    r"of|than|between)\s$",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r"(?:\bthere(?:'s| (?:is|are|were|was|appears? to be|seems? to be|may be|might be|must be|could be))|\b(?:i|"
    r"we|you) (?:can |could |clearly )?(?:see|count|counted|spot|find|found|estimate|identify|detect)|\b(?:shows|"
    r"contains|depicts|features|has|have|displays|includes|count(?: is|:)?|number[^.\d\n]{0,40} is|answer(?: is|:)?|"
    r"estimate(?: is)?|it's|it is))"
    r"(?: (?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|at least|a total of|over|"
    r"more than|only|just|some|probably|likely|visible|"
    r"between|up to|clearly|a|an|estimated|of|that|there|are|is)){0,5} ?[~:]? ?$",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^(?:\d{1,3}[.)]|[-*•]) (?=\S)", re.MULTILINE)
_SUBSET_AHEAD = re.compile(r"\bof (?:these|those|them|which|whom),? (?:only |about |around )?$", re.IGNORECASE)
_SUBSET = re.compile(r" of (?:them|these|those|which|whom)\b", re.IGNORECASE)
_BREAKDOWN = re.compile(
    r"[^.\d]{0,60}(?::|\(|\bincluding|\bconsisting of|\bmade up of|\bcomprising|, with\b| - )", re.IGNORECASE
)
# What tells a count said twice from two counts of as many.
_RESTATES = re.compile(
    r"^[^\w\n,;&+/]{1,4}$|\b(?:so|thus|hence|therefore|total|altogether|overall|answer|count|number|result|conclusion|"
    r"in all|i\.e|"
    r"that is|namely|in words|equals|sum|again|final(?:ly)?|meaning|confirm(?:s|ed)?|yes)\b|=|->",
    re.IGNORECASE,
)
_JOINS = re.compile(
    r"[,;&+/|]|\b(?:and|plus|as well as|along with|together with|while|but|another|also)\b", re.IGNORECASE
)
# "4 boxes of 4 eggs", "3 x 3"; "3 on each side", "2 per table"
_TIMES = re.compile(r"\b(?:x|by|times|of)\s?$", re.IGNORECASE)
_EACH = re.compile(
    r"(?: \w{1,15}){0,2}(?:(?: (?:on|at|in|for|from|under|by|to))? (?:each|every|either)\b|,? (?:per|apiece)\b)",
    re.IGNORECASE,
)
_SAME_ONES = re.compile(
    r"\b(?:the|these|those|all|both|its|their|all the|all of the)(?: same| other)? ?$", re.IGNORECASE
)
_PLACE = re.compile(
    r"\b(?:left|right|top|bottom|front|back|foreground|background|upper|lower|middle|centre|center|first|second|third|"
    r"fourth|"
    r"another|other|inside|outside|above|below|one side|row|column|shelf|table|more|also)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?](?=\s|$)|\n")
_LINE_LABEL = re.compile(
    r"(?:^|\n|[,;] ?)(?![^:\n]{0,40}\b(?:total|answer|count|number|sum|result)\b)[^:\n,;]{1,40}: ?$", re.IGNORECASE
)
_THINGS = re.compile(r"(?:[ -]([^\W\d_]+))(?:[ -]([^\W\d_]+))?(?:[ -]([^\W\d_]+))?")
# What stands behind a number and names nothing; the first are where its noun ends.
_ENDS_NOUN = frozenset(("on", "in", "at", "and", "or", "of", "with"))
_NO_NOUN = _ENDS_NOUN | frozenset(read_table("no_nouns.json")["words"])
_DENIED = re.compile(
    r"(?:\b(?:not|never|rather than|instead of)|n't) (?:(?!but\b)[a-z]{1,10} ){0,2}$(?<!only )(?<!just )(?<!than )",
    re.IGNORECASE,
)
_NO_THINGS = re.compile(
    r"\b(?:there (?:is|are)|there's|i (?:can )?see|with|contains|shows|has|have) no (?!more|less|fewer|doubt|other|one|"
    r"idea|way|need)"
    r"([a-z]+)(?=[^.\n]{0,60}\b(?:but|only|just|however|instead)\b[^.\n]{0,40}$)",
    re.IGNORECASE,
)
_COUNTING = re.compile(r"\bcount(?:ing|ed)?\b[^\d\n]{0,40}$", re.IGNORECASE)


def _things(text: str, number: Number) -> set[str]:
    """Return the words right behind a number that can name what it counts, singular."""
    found = _THINGS.match(text, number.end, number.end + 60)
    words = [] if found is None else [word.lower() for word in found.groups() if word]
    cut = next((place for place, word in enumerate(words) if word in _ENDS_NOUN), len(words))
    return {word.removesuffix("s") for word in words[:cut] if word not in _NO_NOUN}


def _apart(text: str, left: Number, right: Number) -> bool:
    """Return whether two numbers of one value count different things: "two on the left and two on the right"."""
    gap = text[left.end : right.start]
    forms = {text[number.start : number.end].isalpha() for number in (left, right)}
    if len(forms) == 2 and not re.search(r"[\w\n]", gap):
        return False
    if (
        _RESTATES.search(gap)
        or _SAME_ONES.search(gap)
        or (gap.endswith("(") and text[right.end : right.end + 1] == ")")
    ):
        return False
    if _TIMES.search(gap) or _EACH.match(text, right.end):
        return True
    if _SECONDARY.search(gap) and not _JOINS.search(gap):
        return False
    border = _SENTENCE.search(gap)
    things = _things(text, left), _things(text, right)
    differ = bool(things[0] and things[1] and not things[0] & things[1])
    if border is None:
        return differ or _JOINS.search(gap) is not None
    ahead = gap[: border.start()] + text[max(0, left.start - 40) : left.start].rsplit("\n", 1)[-1].rsplit(". ", 1)[-1]
    after = _SENTENCE.split(gap)[-1] + _SENTENCE.split(text[right.end : right.end + 60])[0]
    places = [{word.lower() for word in _PLACE.findall(part)} for part in (ahead, after)]
    return differ or bool(places[1] - places[0]) or _LINE_LABEL.search(gap) is not None


def _none_of_one(number: Number, text: str) -> bool:
    """Return whether a text says that there is none of one thing before it counts another: "no dogs, but 3 cats"."""
    none = _NO_THINGS.search(text, 0, number.start)
    things = _things(text, number)
    return none is not None and bool(things) and none[1].lower().removesuffix("s") not in things


def _only_value(numbers: Sequence[Number], text: str) -> Extraction[float] | None:
    """Return the one value that all numbers share, unless they count different things; `None` where they differ."""
    if len({number.value for number in numbers}) != 1:
        return None
    if len(numbers) <= 50 and any(_apart(text, left, right) for left, right in pairwise(numbers)):
        return Extraction(None, Status.AMBIGUOUS, f"{numbers[0].value:g} counted more than once")
    return Extraction(numbers[0].value, Status.OK, "middle of a range" if numbers[0].spread else "")


def _choose(text: str) -> Extraction[float] | None:
    """Settle on one number of a text: the only value, the one called the total, or the one the main clause counts."""
    numbers = find_numbers(text)
    if len(numbers) > 1:
        numbers = [number for number in numbers if not _is_subset(text, number)] or numbers
    stated = [number for number in numbers if not _DENIED.search(text, max(0, number.start - 40), number.start)]
    if not stated:
        denied = bool(numbers) and not _ZERO.search(text)
        return Extraction(None, Status.AMBIGUOUS, "a number that is denied") if denied else None
    numbers = stated
    whole = [number for number in numbers if not _EACH.match(text, number.end)]
    things = [_things(text, number) for number in (*whole[:1], *(number for number in numbers if number not in whole))]
    if not whole or any(found and things[0] and not found & things[0] for found in things[1:]):
        return Extraction(None, Status.AMBIGUOUS, f"{numbers[0].value:g} of each")
    numbers = whole
    if len(numbers) == 1 and not _none_of_one(numbers[0], text):
        return Extraction(numbers[0].value, Status.OK, "middle of a range" if numbers[0].spread else "")
    totals = [number for number in numbers if _TOTAL_AFTER.match(text, number.end, number.end + 60)] or [
        number
        for number in numbers
        if _TOTAL_BEFORE.search(text, max(0, number.start - 60), number.start) and not _TERM.match(text, number.end)
    ]
    if totals:
        return Extraction(totals[-1].value, Status.OK, "stated total")
    if _none_of_one(numbers[0], text):
        return Extraction(None, Status.AMBIGUOUS, "none of one thing, some of another")
    return _only_value(numbers, text) or _counted_up(numbers, text) or _main_clause(numbers, text)


def _counted_up(numbers: Sequence[Number], text: str) -> Extraction[float] | None:
    """Return the last number of a count from one upwards that the answer states again: "1, 2, 3. There are 3"."""
    length = 0
    while length < len(numbers) and numbers[length].value == length + 1:
        length += 1
    rest = numbers[length:]
    if length < 3 or any(number.value != length for number in rest):
        return None
    announced = _COUNTING.search(text[max(0, numbers[0].start - 60) : numbers[0].start]) is not None
    return Extraction(float(length), Status.OK, "counted up to it") if rest or announced else None


def _is_subset(text: str, number: Number) -> bool:
    """Return whether a number counts a part of what was counted before ("4 of them", "of these, 3")."""
    if _SUBSET.match(text, number.end):
        return True
    return _SUBSET_AHEAD.search(text[max(0, number.start - 30) : number.start]) is not None


def _is_breakdown(numbers: Sequence[Number], text: str) -> bool:
    """Return whether the first number is the sum of the others, and they name nothing else.

    "14 bottles: 9 green and 5 brown", "4 dogs, 2 on the left and 2 on the right".
    """
    first, rest = numbers[0], numbers[1:]
    if len(rest) < 2 or first.value != sum(number.value for number in rest):
        return False
    if _BREAKDOWN.match(text[first.end : rest[0].start]):
        return True
    things = _things(text, first)
    return all(not found or found & things for found in (_things(text, number) for number in rest))


def _sums_up(numbers: Sequence[Number], text: str) -> bool:
    """Return whether the last number, in a sentence of its own, is the sum of the others and of their kind."""
    last, rest = numbers[-1], numbers[:-1]
    if len(rest) < 2 or last.value != sum(number.value for number in rest):
        return False
    things = _things(text, last)
    return _SENTENCE.search(text[rest[-1].end : last.start]) is not None and (
        not things or any(things & _things(text, number) for number in rest)
    )


def _main_clause(numbers: Sequence[Number], text: str) -> Extraction[float]:
    if _is_breakdown(numbers, text):
        return Extraction(numbers[0].value, Status.OK, "the sum of its parts")
    if _sums_up(numbers, text):
        return Extraction(numbers[-1].value, Status.OK, "the sum of its parts")
    heads, rest, end = [], [], 0
    for number in numbers:
        before = text[max(0, number.start - 90) : number.start]
        around = _AROUND.fullmatch(text, end, number.start) is not None
        if _HEAD.search(before):
            heads.append(number)
        elif not around and (not _SECONDARY.search(before) or _HEDGE.search(before)):
            rest.append(number)
        end = number.end
    main = rest if not heads else heads if not rest else []
    found = _only_value(main, text)
    if found is not None:
        return found if found.value is None else Extraction(found.value, Status.OK, "main clause")
    values = ", ".join(f"{number.value:g}" for number in numbers[:5])
    return Extraction(None, Status.AMBIGUOUS, f"numbers {values}")


def _settled(plain: str) -> Extraction[float] | None:
    """Return what the final statements of a text, or all of it, settle on."""
    for statement in [*final_statements(plain), plain]:
        found = _choose(statement)
        if found is not None:
            return found
        if _ZERO.search(statement):
            return Extraction(0.0, Status.OK, "none stated")
    return Extraction(1.0, Status.OK, "a single one stated") if _SINGLE.search(plain) else None


def extract_number(text: str) -> Extraction[float]:
    """Find the one number that an answer states.

    Numerals (any script's digits, "1,200", "3.5k", "1.5e2", "2 1/2") and English words up to billions ("twenty-one", "a
    dozen", "one and a half dozen") are read. A range ("2-3", "2 to 3", "between 2 and 4", "2 or 3") counts as its
    middle, "about 12" as 12, a negation ("no apples", "none") as 0. List markers, "image 2", years after "in",
    percentages, parts ("3/4", "two-thirds"), ordinals and the pronoun "one" are no counts. Of several numbers the final
    answer decides, else one called a total, else the last of a count from one upwards that is stated again, else the
    only one in a main clause ("there are 3 apples on 2 tables" is 3); otherwise the answer is `ambiguous`, and so is
    one number that counts two things ("two on the left and two on the right"). Vague words ("several") are no number.

    Args:
        text: A free-form answer.

    Example:
        >>> [extract_number(text).value for text in ("There are twenty-one apples.", "2-3", "no apples")]
        [21.0, 2.5, 0.0]
    """
    fault = overlong(text)
    if fault:
        return Extraction(None, Status.MALFORMED, fault)
    plain, declined = split_refusal(plain_answer(written_out(text)))
    if len(_MARKER.findall(plain[:4000])) > 1 or re.match(r"(?:[-*•]) ", plain):
        plain = _MARKER.sub("", plain)
    corrected = after_correction(plain)
    for part in (plain,) if corrected is None else (corrected, plain):
        found = _settled(part)
        if found is not None:
            return found
    return Extraction(None, Status.REFUSED if declined else Status.NONE)
