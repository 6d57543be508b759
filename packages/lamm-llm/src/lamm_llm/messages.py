"""Messages of text and images, and answers without the thinking before them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lamm_llm.errors import UsageError

IMAGE_TOKENS = 1024
"""Tokens that an image is estimated at before the server has counted them."""

_SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}
_THINKING = re.compile(r"^\s*<(think|thinking|reasoning)>.*?(?:</\1>|\Z)\s*", re.DOTALL | re.IGNORECASE)


def image_part(image: str | Path | bytes) -> dict[str, Any]:
    """Return an image as a part of a message.

    Args:
        image: Path of a JPEG, PNG, GIF or WebP file, or the file's bytes. They are sent as they are.

    Raises:
        UsageError: It is none of these formats.
    """
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    kind = next((name for start, name in _SIGNATURES.items() if content.startswith(start)), "")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "webp"
    if not kind:
        named = "bytes" if isinstance(image, bytes) else str(image)
        raise UsageError(f"Expected a JPEG, PNG, GIF or WebP image, got {named} that begins with {content[:8]!r}.")
    return {
        "type": "image_url",
        "image_url": {"url": f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"},
    }


def user_message(text: str, images: Sequence[str | Path | bytes] = ()) -> dict[str, Any]:
    """Return a user's message: the images in their order, then the text.

    >>> user_message("What is there?")
    {'role': 'user', 'content': 'What is there?'}
    """
    if not images:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [*map(image_part, images), {"type": "text", "text": text}]}


def with_media_hashes(messages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Replace every embedded image by the SHA-256 of its content.

    Args:
        messages: Messages of a chat completion.

    Returns:
        The messages as a request's key sees them, and the number of images.
    """
    hashed, images = [], 0
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            images += sum(part.get("type") == "image_url" for part in content)
            message = {**message, "content": [_hashed(part) for part in content]}
        hashed.append(message)
    return hashed, images


def without_thinking(text: str) -> str:
    """Return an answer without the block of thinking that it begins with, closed or not.

    >>> without_thinking("<think>It is red.</think>Red."), without_thinking("<think>It is")
    ('Red.', '')
    """
    return _THINKING.sub("", text, count=1)


def whole_characters(text: str) -> str:
    r"""Return a text that UTF-8 can hold: surrogate pairs joined, single halves replaced by U+FFFD.

    >>> whole_characters("a\ud83d\ude00\ud800") == "a\U0001f600\ufffd"
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _hashed(part: dict[str, Any]) -> dict[str, Any]:
    url = part.get("image_url", {}).get("url", "") if part.get("type") == "image_url" else ""
    if not url.startswith("data:"):
        return part
    return {"type": "image_url", "sha256": _content_hash(url)}


@lru_cache(maxsize=256)
def _content_hash(url: str) -> str:
    return hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest()
