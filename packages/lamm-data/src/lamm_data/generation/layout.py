"""How a row becomes the text of a query: sentences, objects with boxes, relations."""

from __future__ import annotations

import re
from collections import Counter

from lamm_data.generation.prompts import Prompt
from lamm_data.generation.rows import Row, SceneObject

MAX_OBJECTS = 40
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


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


def row_fields(row: Row, rounds: int) -> dict[str, str]:
    """Give the text of every placeholder for one row.

    Long lists of objects are cut after the first 40: a crowded picture must not outgrow a small model's context.

    Args:
        row: The row.
        rounds: Rounds of dialogue to ask for.

    Returns:
        One text for each placeholder; empty where the row holds nothing.
    """
    counts = Counter(item.label for item in row.objects)
    return {
        "captions": "\n".join(row.captions),
        "objects": "\n".join(format_object(item) for item in row.objects[:MAX_OBJECTS]),
        "object_counts": ", ".join(f"{count} {label}" for label, count in counts.items()),
        "relations": "\n".join(" ".join(triple) for triple in row.relations),
        "label": row.label,
        "description": row.description,
        "rounds": str(rounds),
    }


def render_query(prompt: Prompt, row: Row, rounds: int | None = None) -> str:
    """Fill the query layout; paragraphs whose placeholders are all empty are left out.

    Args:
        prompt: The prompt.
        row: The row.
        rounds: Rounds to ask for; the prompt's number by default.

    Returns:
        The user message.
    """
    fields = row_fields(row, prompt.rounds if rounds is None else rounds)
    kept = []
    for paragraph in prompt.query.split("\n\n"):
        names = _PLACEHOLDER.findall(paragraph)
        if not names or any(fields[name] for name in names):
            kept.append(_PLACEHOLDER.sub(lambda match: fields[match[1]], paragraph))
    return "\n\n".join(kept)
