"""Decide how each name found in an answer is meant: asserted, weakly asserted, or denied."""

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache

from lamm_metrics.extraction.text.names import NameHit


class Force(IntEnum):
    """How strongly an answer stands behind a name."""

    DENIED = 0
    WEAK = 1
    ASSERTED = 2


# What ends the reach of a negation to the left of a name.
_BREAK = re.compile(
    r"[.;:!?\n]|,(?! ?(?:or|nor)\b)|\b(?:but|however|instead (?!of)|although|because|since|while|so|it(?:'s|"
    r" is)|this is|that is|and (?:is|it|the|i)\b)",
    re.IGNORECASE,
)
_NEGATOR = re.compile(
    r"\b(?:not(?! (?:only|just|merely|sure|certain|necessarily|clear))|no(?! (?:doubt|question|longer just|"
    r"problem))|never|neither|nor|cannot|"
    r"without(?! (?:a |any )?(?:doubt|question))|isnt|arent|rather than|instead of|other than|as opposed to|"
    r"different from|distinct from|unlike|"
    r"except(?: for)?|excluding|rul(?:e|es|ed|ing) out|eliminat(?:e|es|ed|ing)|absence of|lacks?(?: of)?|"
    r"reject(?:s|ed)?|incorrect(?:ly)?)\b"
    r"|n't\b(?! (?:just|only|necessarily))",
    re.IGNORECASE,
)
# A doubted clause denies what it says, whatever stands between: "I don't think it's a dog", "hardly a dog".
_SAME_CLAUSE = r"(?:(?!\b(?:but|however|instead|although|because|since|while|so|and (?:it|the|i))\b)[^.;:!?\n,]){0,40}$"
_DISBELIEF = re.compile(
    r"(?:(?:\b(?:not|never|cannot)|n't)(?: \w{1,10}){0,2} (?:think|believe|say|suppose|suspect|imagine|call|"
    r"convinced|persuaded)"
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
    r"|\? ?no\b|doesn't (?:fit|match|apply|work)|(?:is|are) (?:out|not)[.,;]|(?:isn't|aren't)[.,;])",
    re.IGNORECASE,
)
_WEAK_BEFORE = re.compile(
    r"\b(?:(?:could|might|may|can) (?:also |possibly |perhaps |well )?be|maybe|perhaps|possibly|resembl\w{1,6}|"
    r"similar to|consider(?:ed|ing)?|at first|"
    r"initially|thought|such as|compared (?:to|with)|confused (?:with|for)|mistaken for|reminiscent of|like|e\.g\.|"
    r"(?:picture|image|photo|painting|drawing|poster|print|toy|statue|logo|pattern) of (?:this|that|an? )?on|"
    r"next to|near|beside|behind|in front of|on top of|under|beneath|alongside|"
    r"close to)\b\W{0,2}(?:\w{1,15}\W{1,2}){0,3}$",
    re.IGNORECASE,
)
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
_LIST_GAP = re.compile(
    r"[\"')(\] ]{0,3}(?:,|/|;)? ?(?:or|nor|and|and/or|&)?(?: (?:an?|the|any|even|of|in|on|is it an?))? ?[\"'( ]{0,2}",
    re.IGNORECASE,
)
_LIST_WORD = re.compile(r"\b(?:or|nor|and)\b|/", re.IGNORECASE)
_WEAK_AFTER = re.compile(
    r",? (?:is |are |visible |seen |standing |parked )?in the (?:back|background|distance)\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
_WINDOW = 70


@lru_cache(maxsize=1024)  # a text that repeats itself is judged once
def _between(before: str, after: str) -> Force:
    """Return the force of a hit by what stands around it, its neighbours in a list left aside."""
    if _DENIED_AFTER.match(after) or _HIDDEN_AFTER.match(after):
        return Force.DENIED
    scope_start = 0
    for border in _BREAK.finditer(before):
        scope_start = border.end()
    scope = before[scope_start:]
    if _NEGATOR.search(scope) or _DISBELIEF.search(before):
        return Force.DENIED
    asked = _SENTENCE_END.search(after)
    if asked is not None and asked.group() == "?":
        return Force.WEAK
    if (
        _WEAK_BEFORE.search(scope)
        or _COMPOUND_AFTER.match(after)
        or _GENERIC_AFTER.match(after)
        or _WEAK_AFTER.match(after)
    ):
        return Force.WEAK
    return Force.ASSERTED


def forces(text: str, hits: Iterable[NameHit]) -> list[tuple[NameHit, Force]]:
    """Judge every hit, lists included.

    A denial reaches over a list ("not a cat, dog or bird"); a comma alone ends it ("not red, blue").

    Args:
        text: The text the hits were found in.
        hits: Names from left to right.
    """
    ordered = list(hits)
    judged = [
        _between(text[max(0, hit.start - _WINDOW) : hit.start], text[hit.end : hit.end + _WINDOW]) for hit in ordered
    ]
    denied_from: int | None = None
    for index in range(1, len(ordered)):
        gap = text[ordered[index - 1].end : ordered[index].start]
        joined = len(gap) <= 20 and _LIST_GAP.fullmatch(gap) is not None and ";" not in gap
        if not joined:
            denied_from = None
            continue
        if judged[index - 1] is Force.WEAK and judged[index] is Force.ASSERTED and _LIST_WORD.search(gap):
            judged[index] = Force.WEAK
        if judged[index - 1] is Force.DENIED and denied_from is None:
            denied_from = index
        if denied_from is not None and _LIST_WORD.search(gap) and not re.search(r"\band\b", gap, re.IGNORECASE):
            for position in range(denied_from, index + 1):
                judged[position] = Force.DENIED
            denied_from = index + 1
    return list(zip(ordered, judged, strict=True))
