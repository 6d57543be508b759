"""Decide how each name found in an answer is meant: asserted, weakly asserted, or denied."""

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise

from lamm_metrics.extraction.text.names import NameHit


class Force(IntEnum):
    """How strongly an answer stands behind a name."""

    DENIED = 0
    WEAK = 1
    ASSERTED = 2


# What ends the reach of a negation to the left of a name.
_BREAK = re.compile(
    r"[.;:!?\n]|,(?! ?(?:or|nor)\b)|\b(?:(?:but|however|although|because|since|while|so|it(?:'s| is)|"
    r"this is|that is|and (?:is|it|the|i))\b|instead (?!of))",
    re.IGNORECASE,
)
_NEGATOR = re.compile(
    r"\b(?:not(?! (?:only|just|merely|sure|certain|necessarily|clear))|no(?! (?:doubt|question|longer just|"
    r"problem))|never|neither|nor|none of|cannot|"
    r"without(?! (?:a |any )?(?:doubt|question))|isnt|arent|rather than|instead of|other than|as opposed to|"
    r"different from|distinct from|unlike|"
    r"except(?: for)?|exclud(?:e|es|ed|ing)|rul(?:e|es|ed|ing) out|eliminat(?:e|es|ed|ing)|absence of|lacks?(?: of)?|"
    r"reject(?:s|ed|ing)?|dismiss(?:es|ed|ing)?|discard(?:s|ed|ing)?|incorrect(?:ly)?)\b"
    r"|n't\b(?! (?:just|only|necessarily))",
    re.IGNORECASE,
)
# "without a diploma", "no collar": these deny their noun only, and end at the next verb ("... was smallest in August").
_OF_A_NOUN = re.compile(
    r"\b(?:no|without|absence of|lacks?(?: of)?|except(?: for)?|other than)\b(?:(?! (?:but|it)\b)[^.;:!?\n])*? "
    r"(?:is|are|was|were|has|have|had|does|do|did|can|will|would|must|shows?|means?|makes?|gives?)\b",
    re.IGNORECASE,
)
# What stands right before a name and leaves it behind: "more like C than D", "A over B", "incorrect: C".
_LEFT_BEHIND = re.compile(
    r"(?:\bthan (?:(?:an?|the|in|on|option|choice|answer|by|for|with|that of) ){0,3}|"
    r"\b(?:choos|chose|pick|prefer|select|favou?r)\w{0,4}\b[^.;:!?\n]{1,30} over (?:(?:the|option) ){0,2}"
    r"|\b(?:incorrect|wrong|false|eliminated|ruled out|excluded|not)(?: (?:answer|option|choice)s?)?: ?)[\"'(\[]?$",
    re.IGNORECASE,
)
_TAKEN_OUT = re.compile(
    r"\b(?:exclud|eliminat|rul(?:e|es|ed|ing) out|reject|dismiss|discard|neither|except|incorrect|wrong)", re.IGNORECASE
)
# A doubted clause denies what it says, whatever stands between: "I don't think it's a dog", "hardly a dog".
_SAME_CLAUSE = r"(?:(?!\b(?:but|however|instead|although|because|since|while|so|and (?:it|the|i))\b)[^.;:!?\n,]){0,40}$"
_DISBELIEF = re.compile(
    r"(?:(?:\b(?:not|never|cannot)|n't)(?: \w{1,10}){0,2} (?:think|believe|say|suppose|suspect|imagine|call|"
    r"convinced|persuaded)|(?:\bnot|n't) (?:clear|certain|sure|known|evident|obvious) (?:whether|if|that)"
    r"|\bi (?:\w{1,10} )?doubt|\bhardly(?= (?:an?|the|any)\b)|\banything but|\bfar from being|\ba far cry from|"
    r"\bnothing like|\b(?:unlikely|improbable|impossible|not possible) that)\b" + _SAME_CLAUSE,
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"[\"')\]]{0,3},? ?(?:"
    r"(?:is|are)(?:n't| not) what\b|"
    r"(?:is|are|was|were|does|do|can|could|would|should)(?:n't| not) (?:be )?(?:present|visible|in the|there|"
    r"shown|correct|it\b|the |right|likely|here|"
    r"seen|detected|depicted|possible|plausible|a (?:good|possible|likely|match)|fit|match|apply|make sense|"
    r"supported)"
    r"|(?:is|are|was|were|seems?|looks?|would be|can be|could be|must be) (?:\w{1,12} )?(?:incorrect|wrong|"
    r"absent|unlikely|ruled out|excluded|"
    r"eliminated|missing|false|nowhere|implausible|out of the question)\b"
    r"|[?:] ?(?:no|false|incorrect|wrong|absent)\b(?! (?:doubt|question))|"
    r"doesn't (?:fit|match|apply|work)|(?:is|are) (?:out|not)[.,;]|(?:isn't|aren't)[.,;])",
    re.IGNORECASE,
)
_WEAK_BEFORE = re.compile(
    r"\b(?:(?:could|might|may|can) (?:also |possibly |perhaps |well )?be|maybe|perhaps|possibly|resembl\w{1,6}|"
    r"similar to|consider(?:ed|ing)?|at first|"
    r"initially|thought|such as|compared (?:to|with)|confused (?:with|for)|mistaken for|reminiscent of|like|e\.g\.|"
    r"(?:picture|image|photo|painting|drawing|poster|print|toy|statue|logo|pattern) of (?:this|that|an? )?on|"
    r"next to|near|beside|behind|in front of|on top of|under|beneath|alongside|"
    r"close to|(?:north|south|east|west|left|right)(?:east|west)? of|bordering)\b\W{0,2}(?:\w{1,15}\W{1,2}){0,3}$",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|whether)\b", re.IGNORECASE)
_HIDDEN_AFTER = re.compile(
    r"(?:-| )(?:like|shaped|sized|themed|free|patterned|print|resistant|proof|friendly)\b", re.IGNORECASE
)
_GENERIC_AFTER = re.compile(
    r"s? (?:is|are) (?:an? |the )?(?:type|kind|class|category|species|sort|form|family|mammal|animal|vehicle|"
    r"word|genus)",
    re.IGNORECASE,
)
_COMPOUND_AFTER = re.compile(
    r"(?:'s|s')? (?:houses?|food|cage|hangar|drivers?|captain|collar|owners?|lovers?|litter|parks?|seats?|toys?|"
    r"keys?|doors?|stop|station|lane|"
    r"wheels?|tires?|bowl|leash|feeder|nest|legs?|cushions?|cover|frame|licen[sc]e|shop|show|rider|farm|stable|"
    r"trailer|yard|port|terminal|sound|"
    r"costume|mask|breed|fur|lid|lamp|trailing|club|race|racing|track|wash|dealership|tail|ears?|eyes?|paws?)\b",
    re.IGNORECASE,
)
_VERB = re.compile(r" (?:is|are|was|were) (?!not\b)")
_LIST_GAP = re.compile(
    r"[\"')(\] ]{0,3}(?:,|/|;)? ?(?:or|nor|and|and/or|&)?(?: (?:an?|the|any|even|of|in|on|is it an?))? ?[\"'( ]{0,2}",
    re.IGNORECASE,
)
_JOINING = re.compile(r"\b(?:and|or|nor)\b|&", re.IGNORECASE)
_LIST_WORD = re.compile(r"\b(?:or|nor|and)\b|/", re.IGNORECASE)
_WEAK_AFTER = re.compile(
    r",? (?:is |are |visible |seen |standing |parked )?in the (?:back|background|distance)\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
_WINDOW = 70


@lru_cache(maxsize=1024)  # a text that repeats itself is judged once
def _between(before: str, after: str) -> Force:
    """Return the force of a hit by what stands around it, its neighbours in a list left aside."""
    if _HIDDEN_AFTER.match(after):
        return Force.DENIED
    scope_start = 0
    for border in _BREAK.finditer(before):
        scope_start = border.end()
    scope = before[scope_start:]
    if _NEGATOR.search(_OF_A_NOUN.sub(" ", scope)) or _DISBELIEF.search(before) or _LEFT_BEHIND.search(before):
        return Force.DENIED
    asked = _SENTENCE_END.search(after)
    if asked is not None and asked.group() == "?":
        return Force.WEAK
    if (
        _WEAK_BEFORE.search(scope)
        or _CONDITION.search(scope)
        or _COMPOUND_AFTER.match(after)
        or _GENERIC_AFTER.match(after)
        or _WEAK_AFTER.match(after)
    ):
        return Force.WEAK
    return Force.ASSERTED


def forces(
    text: str,
    hits: Iterable[NameHit],
    denial: re.Pattern[str] | None = None,
    doubt: re.Pattern[str] | None = None,
) -> list[tuple[NameHit, Force]]:
    """Judge every hit, lists included.

    A denial reaches over a list ("not a cat, dog or bird"; "ruling out A, B and C"; "A and B are wrong"); a comma alone
    ends it ("not red, blue").

    Args:
        text: The text the hits were found in.
        hits: Names from left to right.
        denial: What else denies a name that it follows.
        doubt: What else weakens a name that it follows.
    """
    ordered = list(hits)
    judged: list[Force] = []
    behind: list[Force] = []  # the force that what follows a name leaves to it
    for place, hit in enumerate(ordered):
        start = max(0, hit.start - _WINDOW)
        if place and _VERB.match(text, ordered[place - 1].end):  # "what is not a truck is a car"
            start = max(start, ordered[place - 1].end)
        before, after = text[start : hit.start], text[hit.end : hit.end + _WINDOW]
        denied = _DENIED_AFTER.match(after) or (denial is not None and denial.match(after))
        weakened = doubt is not None and doubt.match(after)
        behind.append(Force.DENIED if denied else Force.WEAK if weakened else Force.ASSERTED)
        judged.append(min(behind[-1], _between(before, after)))
    gaps = [_gap(text[one.end : other.start]) for one, other in pairwise(ordered)]
    _deny_lists(text, ordered, judged, gaps)
    reach = Force.ASSERTED
    for index in range(len(gaps), 0, -1):  # "A, B and D are wrong"
        gap = gaps[index - 1]
        if gap is None:
            reach = Force.ASSERTED
        elif reach is not Force.ASSERTED or _JOINING.search(gap):
            reach = min(reach, behind[index])
        judged[index - 1] = min(judged[index - 1], reach)
    return list(zip(ordered, judged, strict=True))


def _gap(gap: str) -> str | None:
    """Return what joins two names of a list, `None` where they are not in one."""
    return gap if len(gap) <= 20 and ";" not in gap and _LIST_GAP.fullmatch(gap) is not None else None


def _deny_lists(text: str, hits: list[NameHit], judged: list[Force], gaps: list[str | None]) -> None:
    """Let a denial or a doubt in front of a list reach all of it."""
    denied_from, taken_out = None, False
    for index, gap in enumerate(gaps, 1):
        if gap is None:
            denied_from = None
            continue
        if judged[index - 1] is Force.WEAK and judged[index] is Force.ASSERTED and _LIST_WORD.search(gap):
            judged[index] = Force.WEAK
        if judged[index - 1] is Force.DENIED and denied_from is None:
            denied_from = index
            start = hits[index - 1].start
            taken_out = _TAKEN_OUT.search(text, max(0, start - 20), start) is not None
        joined = _LIST_WORD.search(gap) and (taken_out or not re.search(r"\band\b", gap, re.IGNORECASE))
        if denied_from is not None and joined:
            judged[denied_from : index + 1] = [Force.DENIED] * (index + 1 - denied_from)
            denied_from = index + 1
