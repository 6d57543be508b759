"""Cut a dialogue into segments: text to be tokenised on its own, and places for media.

Training and inference build prompts from these same segments, so that labels follow from construction and a prompt at
test time is exactly the beginning of a training sequence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamm_model.errors import LammModelError

IMAGE, POINT_CLOUD = "image", "point_cloud"
MARKERS = {IMAGE: "<image>", POINT_CLOUD: "<pcl>"}
_MARKER = re.compile(r"\n?(<image>|<pcl>|<point_cloud>)\n?")
_MARKER_KIND = {"<image>": IMAGE, "<pcl>": POINT_CLOUD, "<point_cloud>": POINT_CLOUD}
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_SOURCES = {IMAGE: ("image", "path", "url", "base64"), POINT_CLOUD: ("point_cloud", "path", "url")}
Conversation = tuple[list[dict[str, str]], list[tuple[str, Any]], str | None]


@dataclass(frozen=True)
class Segment:
    """A piece of a prompt.

    Attributes:
        text: What to tokenise; empty for media and for bare special ids.
        medium: `image` or `point_cloud` for a placeholder span.
        trained: Whether its tokens are labels.
        control: Whether special tokens written in `text` count as such; never in a user's or record's text.
        special: `bos` or `eos`: one token id instead of text.
    """

    text: str = ""
    medium: str = ""
    trained: bool = False
    control: bool = False
    special: str = ""


@dataclass(frozen=True)
class Turn:
    """One turn: a question as pieces of text and media, or an answer as one piece of text."""

    role: str
    pieces: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The turn's text without its media."""
        return "".join(piece.text for piece in self.pieces)


def read_turns(conversations: list[dict[str, Any]], media: Sequence[str], name: str) -> list[Turn]:
    """Check a record's conversation and put its media in place.

    Markers (`<image>`, `<pcl>`) in questions say where media go; without any, all media open the first question.

    Args:
        conversations: `[{"from": "human" or "gpt", "value": text}]`, alternating, a question first.
        media: Kinds of the record's media, in order.
        name: What messages call the record.

    Returns:
        The turns.

    Raises:
        LammModelError: Roles do not alternate, or markers and media differ in number or kind.
    """
    turns: list[Turn] = []
    waiting = list(media)
    marked = any(_MARKER.search(str(turn.get("value", ""))) for turn in conversations[0::2])
    for number, raw in enumerate(conversations):
        role = _ROLES.get(str(raw.get("from", raw.get("role", ""))), "")
        expected = "user" if number % 2 == 0 else "assistant"
        if role != expected:
            raise LammModelError(
                f"Expected turn {number + 1} to come from {'human' if expected == 'user' else 'gpt'}, "
                f"got {raw.get('from', raw.get('role'))!r} ({name}). Mend the record's conversations."
            )
        value = str(raw.get("value", raw.get("content", "")))
        if role == "assistant":
            turns.append(Turn(role, (Segment(value),)))
        elif marked:
            turns.append(Turn(role, tuple(_place_marked(value, waiting, name))))
        else:
            opening = [Segment(medium=kind) for kind in waiting]
            waiting.clear()
            turns.append(Turn(role, (*opening, Segment(value))))
    if waiting or not turns:
        raise LammModelError(
            f"Expected a placeholder for each of the {len(media)} media, got {len(media) - len(waiting)} ({name}). "
            "Add <image> or <pcl> markers to the questions, or remove them all."
        )
    return turns


def find_markers(value: str) -> list[str]:
    """List the kinds of media that a question's markers ask for, in order."""
    return [_MARKER_KIND[match.group(1)] for match in _MARKER.finditer(value)]


def strip_markers(text: str) -> str:
    """Take media markers out of a user's text, where media come beside it."""
    for marker in _MARKER_KIND:
        text = text.replace(marker, "")
    return text


def _place_marked(value: str, waiting: list[str], name: str) -> list[Segment]:
    pieces: list[Segment] = []
    position = 0
    for match in _MARKER.finditer(value):
        if text := value[position : match.start()]:
            pieces.append(Segment(text))
        kind = _MARKER_KIND[match.group(1)]
        if not waiting or waiting[0] != kind:
            raise LammModelError(
                f"Expected a medium of kind {kind} for the marker {match.group(1)}, "
                f"got {waiting[0] if waiting else 'no further medium'} ({name}). Give one medium per marker, in order."
            )
        pieces.append(Segment(medium=waiting.pop(0)))
        position = match.end()
    pieces.append(Segment(value[position:]))
    return pieces


def merge_segments(segments: list[Segment]) -> list[Segment]:
    """Join neighbouring text of one kind, so that words are tokenised whole across template joints."""
    merged: list[Segment] = []
    for segment in segments:
        last = merged[-1] if merged else None
        joinable = last is not None and not (last.medium or last.special or segment.medium or segment.special)
        if joinable and last is not None and (last.trained, last.control) == (segment.trained, segment.control):
            merged[-1] = Segment(last.text + segment.text, trained=segment.trained, control=segment.control)
        elif segment.text or segment.medium or segment.special:
            merged.append(segment)
    return merged


def read_messages(messages: Sequence[Mapping[str, Any]], given: dict[str, list[Any]] | None = None) -> Conversation:
    """Turn chat messages into turns with markers, and their media.

    Args:
        messages: `[{"role": "system" | "user" | "assistant", "content": text or blocks}]`; blocks are
            `{"type": "text", "text": ...}`, `{"type": "image", "image": picture}`, OpenAI's
            `{"type": "image_url", "image_url": {"url": ...}}` and `{"type": "point_cloud", "point_cloud": array}`.
            `path` and `url` name a local file, `url` and `image_url` also a `data:` URL, `base64` holds a picture.
        given: Media by kind for blocks that name none, taken from the front.

    Returns:
        `[{"from", "value"}]`, media as `(kind, picture, cloud or path)` in order, and the system message or None.

    Raises:
        LammModelError: A block is of another kind, or names no medium or a remote one.
    """
    turns: list[dict[str, str]] = []
    media: list[tuple[str, Any]] = []
    system: str | None = None
    for message in messages:
        role, content = str(message.get("role", "")), message.get("content", "")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])
        if role in ("system", "developer"):
            system = "".join(str(block.get("text", "")) for block in blocks)
            continue
        pieces = []
        for block in blocks:
            if block.get("type") == "text":
                text = str(block.get("text") or "")
                pieces.append(strip_markers(text) if role == "user" else text)
                continue
            media.append(_medium(block, given or {}))
            pieces.append(MARKERS[media[-1][0]])
        turns.append({"from": role, "value": "".join(pieces)})
    return turns, media, system


def _medium(block: Mapping[str, Any], given: dict[str, list[Any]]) -> tuple[str, Any]:
    kind = str(block.get("type"))
    if kind == "image_url":
        inner = block.get("image_url")
        block, kind = {"url": inner.get("url") if isinstance(inner, Mapping) else inner}, IMAGE
    if kind not in _SOURCES:
        raise LammModelError(f"Expected blocks of type text, image, image_url or point_cloud, got {kind!r}.")
    source = next((block[name] for name in _SOURCES[kind] if block.get(name) is not None), None)
    if source is None and given.get(kind):
        source = given[kind].pop(0)
    if isinstance(block.get("base64"), str) and source is block["base64"] and not source.startswith("data:"):
        source = f"data:image;base64,{source}"
    remote = isinstance(source, str) and "://" in source[:64]
    if source is None or remote:
        raise LammModelError(
            f"Expected a {kind} block with a local file or the {kind} itself, got {str(source)[:60]!r}. "
            "Fetch remote files first: transformers.image_utils.load_image returns the picture."
        )
    return kind, source
