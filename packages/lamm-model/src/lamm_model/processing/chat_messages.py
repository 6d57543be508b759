"""Chat messages as transformers people write them: roles, and content as text or as blocks of text and media."""

from __future__ import annotations

from typing import Any

from lamm_model.errors import LammModelError
from lamm_model.processing.segments import IMAGE, MARKERS, POINT_CLOUD, strip_markers

_SOURCES = {IMAGE: ("image", "path", "url"), POINT_CLOUD: ("point_cloud", "path", "url")}
Conversation = tuple[list[dict[str, str]], list[tuple[str, Any]], str | None]


def read_messages(messages: list[dict[str, Any]]) -> Conversation:
    """Turn chat messages into turns with markers, and their media.

    Args:
        messages: `[{"role": "system" | "user" | "assistant", "content": text or blocks}]`; blocks are
            `{"type": "text", "text": ...}`, `{"type": "image", "image": picture or path}` and
            `{"type": "point_cloud", "point_cloud": array or path}` (`path` and `url` also name a local file).

    Returns:
        `[{"from", "value"}]`, media as `(kind, what was given)` in order, and the system message or None.

    Raises:
        LammModelError: A block is of another kind, or names no medium or a remote one.
    """
    turns: list[dict[str, str]] = []
    media: list[tuple[str, Any]] = []
    system: str | None = None
    for message in messages:
        role, content = str(message.get("role", "")), message.get("content", "")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])
        if role == "system":
            system = "".join(str(block.get("text", "")) for block in blocks)
            continue
        pieces = []
        for block in blocks:
            if block.get("type") == "text":
                pieces.append(strip_markers(str(block.get("text", ""))) if role == "user" else str(block["text"]))
                continue
            media.append(_medium(block))
            pieces.append(MARKERS[media[-1][0]])
        turns.append({"from": role, "value": "".join(pieces)})
    return turns, media, system


def _medium(block: dict[str, Any]) -> tuple[str, Any]:
    kind = str(block.get("type"))
    if kind not in _SOURCES:
        raise LammModelError(f"Expected blocks of type text, image or point_cloud, got {kind!r}.")
    found = next((block[name] for name in _SOURCES[kind] if block.get(name) is not None), None)
    if found is None or (isinstance(found, str) and "://" in found):
        raise LammModelError(
            f"Expected a {kind} block with a local file or the {kind} itself, got {str(found)[:60]!r}. "
            "Fetch remote files first."
        )
    return kind, found
