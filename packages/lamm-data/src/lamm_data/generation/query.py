"""How a row becomes the text of a query: sentences, objects with boxes, relations, questions."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from lamm_data.generation.prompts import Prompt
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.records.annotations import Question

MAX_OBJECTS = 40
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_WORD = re.compile(r"\w+")
T = TypeVar("T")


def format_number(value: float, places: int = 2) -> str:
    """Write a coordinate the way the published data does: rounded, without trailing zeros but never bare.

    Args:
        value: The number.
        places: Decimals kept.

    Returns:
        Text such as `0.12`, `0.1` or `1.0`.

    >>> format_number(0.1), format_number(1), format_number(0.584)
    ('0.1', '1.0', '0.58')
    """
    return str(round(float(value), places))


def format_object(item: SceneObject) -> str:
    """Write one object as `label: attribute, attribute, [box]`."""
    parts = [*item.attributes]
    if item.box:
        parts.append("[" + ", ".join(format_number(value) for value in item.box) + "]")
    return f"{item.label}: {', '.join(parts)}" if parts else item.label


def focus_row(prompt: Prompt, row: Row, seed: int = 0) -> Row:
    """Keep what the prompt uses of a row: some of its captions and questions, and the objects these name.

    A room has too many objects and questions for one request (LAMM, appendix B): ten captions are drawn, and only
    the objects they speak of are told.

    Args:
        prompt: The prompt.
        row: The row.
        seed: Seed of the draw, which depends on nothing else but the row's id.

    Returns:
        The row itself, or a smaller one.
    """
    if not (prompt.captions or prompt.questions_used or prompt.mentioned_only):
        return row
    captions = _draw(row.captions, prompt.captions, f"{seed}:captions:{row.id}")
    questions = _draw(row.questions, prompt.questions_used, f"{seed}:questions:{row.id}")
    row = replace(row, captions=captions, questions=questions)
    return _only_mentioned(row) if prompt.mentioned_only else row


def split_row(prompt: Prompt, row: Row) -> list[Row]:
    """Give what one request each is made for: the row, or each of its questions where wrong options are wanted."""
    if prompt.answer != "options" or not row.questions:
        return [row]
    return [
        replace(row, id=f"{row.id}-{item.id}" if item.id.isdigit() else item.id or row.id, questions=(item,))
        for item in row.questions
    ]


def _draw(values: tuple[T, ...], most: int, stream: str) -> tuple[T, ...]:
    """Draw some of the values without changing their order."""
    if not most or len(values) <= most:
        return values
    places = sorted(random.Random(stream).sample(range(len(values)), most))
    return tuple(values[place] for place in places)


def _only_mentioned(row: Row) -> Row:
    """Leave out objects and relations whose names no caption holds; all are kept when none is named."""
    text = " " + " ".join(_WORD.findall(" ".join(row.captions).lower()))
    named = {item.label for item in row.objects if f" {item.label.lower()}" in text}  # plurals are found too
    if not named:
        return row
    relations = tuple(triple for triple in row.relations if triple[0] in named and triple[2] in named)
    return replace(row, objects=tuple(item for item in row.objects if item.label in named), relations=relations)


def row_fields(row: Row, rounds: int, options: int = 0) -> dict[str, str]:
    """Give the text of every placeholder for one row.

    Long lists are cut after the first 40: a crowded picture must not outgrow a small model's context.

    Args:
        row: The row.
        rounds: Rounds of dialogue to ask for.
        options: Wrong options to ask for.

    Returns:
        One text for each placeholder; empty where the row holds nothing.
    """
    counts = Counter(item.label for item in row.objects)
    first = row.questions[0] if row.questions else Question("")
    return {
        "captions": "\n".join(row.captions),
        "objects": "\n".join(format_object(item) for item in row.objects[:MAX_OBJECTS]),
        "object_counts": ", ".join(f"{count} {label}" for label, count in counts.items()),
        "relations": "\n".join(" ".join(triple) for triple in row.relations[:MAX_OBJECTS]),
        "label": row.label,
        "description": row.description,
        "questions": "\n".join(_numbered(row.questions)),
        "question": first.text,
        "answers": "; ".join(first.answers),
        "question_count": str(len(row.questions)),
        "rounds": str(rounds),
        "options": str(options),
    }


def _numbered(questions: Sequence[Question]) -> list[str]:
    return [f"{place}. {item.text} {', '.join(item.answers)}" for place, item in enumerate(questions, start=1)]


def render_query(prompt: Prompt, row: Row, rounds: int | None = None) -> str:
    """Fill the query layout; paragraphs whose placeholders are all empty are left out.

    Args:
        prompt: The prompt.
        row: The row.
        rounds: Rounds to ask for; the prompt's number by default.

    Returns:
        The user message.
    """
    fields = row_fields(row, prompt.rounds if rounds is None else rounds, prompt.options)
    kept = []
    for paragraph in prompt.query.split("\n\n"):
        names = _PLACEHOLDER.findall(paragraph)
        if not names or any(fields[name] for name in names):
            kept.append(_PLACEHOLDER.sub(lambda match: fields[match[1]], paragraph))
    return "\n\n".join(kept)
