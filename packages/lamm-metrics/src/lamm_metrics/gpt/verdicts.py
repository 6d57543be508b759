"""What a judge is asked for and what it answered. A reply that does not fit is never a score."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from lamm_metrics.gpt.items import Item
from lamm_metrics.records.files import parse_json

NO_ANSWER = "(no answer)"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CRITERIA = ("accuracy", "relevance", "fluency", "logical_coherence", "information_richness")
_FORMS: Mapping[str, str] = {
    "pairwise": '{"explanation": "…", "verdict": "A" or "B" or "tie"}',
    "absolute": '{"explanation": "…", ' + ", ".join(f'"{name}": 1 to 10' for name in CRITERIA) + "}",
}
LOWEST, HIGHEST = 1, 10
# A verdict is short; what is longer is cut before it is searched, so that nonsense costs little.
LONGEST = 20_000
MOST_OBJECTS = 50


class Reading(NamedTuple):
    """A read verdict, or why there is none.

    `values` holds one number an answer, in the order shown: the rank (1 is best, ties share a rank) of a comparison;
    for grades the five grades of the one answer. It is empty where the reply cannot be used.
    """

    values: tuple[int, ...]
    reason: str = ""


@cache
def prompt_texts() -> Mapping[str, Any]:
    """The packaged texts."""
    return tomllib.loads(files("lamm_metrics.gpt").joinpath("data/prompts.toml").read_text(encoding="utf-8"))


def fill(template: str, **values: str) -> str:
    """Put values into a template in one pass, so that braces inside values stay as they are.

    >>> fill("{{a}} {{b}}", a="{{b}}", b="2")
    '{{b}} 2'
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda hit: values[hit[1]], template)


def form_text(mode: str, shown: int) -> str:
    """The form of a verdict about so many answers, in words."""
    if mode == "listwise":
        ranks = ", ".join(f'"{letter}": rank' for letter in LETTERS[:shown])
        return '{"explanation": "…", "ranks": {' + ranks + "}}"
    return _FORMS[mode]


def judge_messages(item: Item, mode: str, order: tuple[int, ...], *, show: bool = True) -> list[dict[str, Any]]:
    """What a judge is asked about one record.

    Args:
        item: The record with all answers.
        mode: One of the modes.
        order: Indices of the answers in the order in which they are shown.
        show: Put the record's pictures in, where it has some.

    Returns:
        A system and a user message. Every marker carries a code that depends on the contents, so that no answer can
        close its own block and write one of its own.
    """
    from lamm_llm import user_message

    texts = prompt_texts()
    answers = [item.answers[index].strip() or NO_ANSWER for index in order]
    mark = sha256("\0".join([item.question, item.truth, *answers]).encode()).hexdigest()[:8]
    parts = [fill(texts["case"], mark=mark, question=item.question, truth=item.truth)]
    letters = LETTERS[: len(order)]
    parts += [
        fill(texts["answer"], letter=letter, text=text, mark=mark)
        for letter, text in zip(letters, answers, strict=True)
    ]
    parts.append(fill(texts[mode], letters=", ".join(letters)))
    parts.append(fill(texts["form"], form=form_text(mode, len(order))))
    sight = texts["seeing" if item.pictures else "blind"]
    query = "\n\n".join(part.strip() for part in parts)
    return [
        {"role": "system", "content": fill(texts["system"], sight=sight, task=item.task.replace("_", " "))},
        user_message(query, item.pictures if show else ()),
    ]


def corrected(messages: list[dict[str, Any]], reply: str, reason: str, form: str) -> list[dict[str, Any]]:
    """The conversation continued by a reply that could not be used and by why it could not."""
    texts = prompt_texts()
    again = fill(texts["correction"], reason=texts["reasons"][reason], form=form).strip()
    return [
        *messages,
        {"role": "assistant", "content": reply[:4000] or "(empty)"},
        {"role": "user", "content": again},
    ]


def verdict_schema(mode: str, shown: int) -> dict[str, Any]:
    """The JSON schema of a verdict about so many answers."""
    from lamm_llm import closed_object

    explanation = {"explanation": {"type": "string"}}
    if mode == "pairwise":
        return closed_object({**explanation, "verdict": {"type": "string", "enum": ["A", "B", "tie"]}})
    if mode == "listwise":
        rank = {"type": "integer", "enum": list(range(1, shown + 1))}
        return closed_object({**explanation, "ranks": closed_object(dict.fromkeys(LETTERS[:shown], rank))})
    grade = {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))}
    return closed_object({**explanation, **dict.fromkeys(CRITERIA, grade)})


def _whole(value: object, low: int, high: int) -> int | None:
    """A whole number in a range; 3.0 counts, "3", true and 3.5 do not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if low <= value <= high and value == int(value) else None


def _numbers(found: object, keys: tuple[str, ...], low: int, high: int) -> tuple[int, ...] | None:
    """The whole numbers under these keys; None where one is missing or out of range."""
    values = [_whole(found.get(key), low, high) if isinstance(found, Mapping) else None for key in keys]
    kept = tuple(value for value in values if value is not None)
    return kept if len(kept) == len(keys) else None


def _verdict(found: Mapping[str, Any], mode: str, shown: int) -> tuple[int, ...] | None:
    if mode == "pairwise":
        return {"a": (1, 2), "b": (2, 1), "tie": (1, 1)}.get(str(found.get("verdict")).strip().lower())
    if mode == "listwise":
        return _numbers(found.get("ranks"), tuple(LETTERS[:shown]), 1, shown)
    return _numbers(found, CRITERIA, LOWEST, HIGHEST)


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The outermost JSON objects in a text, the first fifty."""
    decoder = json.JSONDecoder()
    place, found = 0, 0
    for hit in re.finditer(r"\{", text):
        if hit.start() < place:
            continue
        found += 1
        if found > MOST_OBJECTS:
            return
        try:
            value, place = decoder.raw_decode(text, hit.start())
            parse_json(text[hit.start() : place])
        except (ValueError, RecursionError):
            continue
        yield value


def read_verdict(text: str, mode: str, shown: int) -> Reading:
    """Read a verdict.

    Args:
        text: What the judge wrote.
        mode: One of the modes.
        shown: Number of answers that were shown.

    Returns:
        The verdict; or no values and the reason: "empty", "no_json", "wrong_form", or "contradictory" where several
        objects give different verdicts.

    >>> read_verdict('Sure! {"explanation": "", "verdict": "B"}', "pairwise", 2).values
    (2, 1)
    >>> read_verdict("B is better", "pairwise", 2)
    Reading(values=(), reason='no_json')
    """
    if not text.strip():
        return Reading((), "empty")
    objects = list(_objects(text[:LONGEST]))
    if not objects:
        return Reading((), "no_json")
    verdicts = {values for found in objects if (values := _verdict(found, mode, shown)) is not None}
    if not verdicts:
        return Reading((), "wrong_form")
    return Reading(verdicts.pop()) if len(verdicts) == 1 else Reading((), "contradictory")
