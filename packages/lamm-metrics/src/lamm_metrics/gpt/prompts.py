"""The texts that judges read, from versioned package data."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from lamm_metrics.gpt.items import Item

NO_ANSWER = "(no answer)"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CRITERIA = ("accuracy", "relevance", "fluency", "logical_coherence", "information_richness")
_FORMS: Mapping[str, str] = {
    "pairwise": '{"explanation": "…", "verdict": "A" or "B" or "tie"}',
    "absolute": '{"explanation": "…", ' + ", ".join(f'"{name}": 1 to 10' for name in CRITERIA) + "}",
}


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


def judge_messages(item: Item, mode: str, order: tuple[int, ...]) -> list[dict[str, str]]:
    """What a judge is asked about one record.

    Args:
        item: The record with all answers.
        mode: One of the modes.
        order: Indices of the answers in the order in which they are shown.

    Returns:
        A system and a user message. Every marker carries a code that depends on the contents, so that no answer can
        close its own block and write one of its own.
    """
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
    return [
        {"role": "system", "content": fill(texts["system"], task=item.task.replace("_", " "))},
        {"role": "user", "content": "\n\n".join(part.strip() for part in parts)},
    ]


def corrected(messages: list[dict[str, str]], reply: str, reason: str, form: str) -> list[dict[str, str]]:
    """The conversation continued by a reply that could not be used and by why it could not."""
    texts = prompt_texts()
    again = fill(texts["correction"], reason=texts["reasons"][reason], form=form).strip()
    return [
        *messages,
        {"role": "assistant", "content": reply[:4000] or "(empty)"},
        {"role": "user", "content": again},
    ]
