"""Requests, their messages of text and images, and their keys: one canonical payload, one SHA-256.

A key covers what decides the answer (model, messages with the hashes of their images, sampling, answer format) and
nothing else: not the endpoint, not a row's position, not the code around it. That is what lets a run resume, move to
another server or go through the Batch API without paying for an answer twice.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lamm_llm.errors import UnsupportedError, UsageError

FORMATS = ("json_schema", "json_object", "text")
"""Answer formats from the strictest to the one every server can do."""
_TRIAL = 3
Answered = TypeVar("Answered")
IMAGE_TOKENS = 1024
"""Tokens that an image of unknown size is estimated at before the server has counted them."""
_PIXELS_A_TOKEN = 750

_SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}


@dataclass(frozen=True)
class Request:
    """One chat completion to ask for.

    Attributes:
        key: SHA-256 of the canonical payload, in hexadecimal.
        payload: The payload: model, messages, max_tokens, and where set temperature, response_format.
        format: The rung of `FORMATS` it was built for.
        seed: Seed to send, derived from the key.
        tokens: Upper estimate of the tokens it will use, prompt and answer, from its length in bytes.
    """

    key: str
    payload: dict[str, Any]
    format: str
    seed: int
    tokens: int

    @property
    def prompt_tokens(self) -> int:
        """The prompt's part of the estimate."""
        return self.tokens - int(self.payload["max_tokens"])

    @property
    def most(self) -> tuple[int, int, str]:
        """The most tokens that it can be billed for, prompt and answer, and its model.

        The prompt is counted at three bytes a token: a cautious guess, for text with numbers and limits on money.
        """
        return self.prompt_tokens * 4 // 3 + 1, int(self.payload["max_tokens"]), str(self.payload["model"])


def make_request(payload: dict[str, Any], answer_format: str = "text", seed: int = 0) -> Request:
    """Key a payload.

    Args:
        payload: Model, messages, max_tokens and whatever else decides the answer.
        answer_format: The rung of `FORMATS` it was built for.
        seed: The run's seed, part of the key.

    >>> payload = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
    >>> make_request(payload).key == make_request(dict(reversed(payload.items()))).key
    True
    """
    messages, images = _with_media_hashes(payload["messages"])
    canonical = _canonical({**payload, "messages": messages} if images else payload, seed)
    key = hashlib.sha256(canonical).hexdigest()
    tokens = len(canonical) // 4 + images + payload["max_tokens"]
    return Request(key, payload, answer_format, _seed(key), tokens)


class RequestMould:
    """Requests that differ in their last message only, hashed as far as they are alike.

    Args:
        payload: The payload without its last message.
        answer_format: The rung of `FORMATS` it is built for.
        seed: The run's seed.
    """

    def __init__(self, payload: dict[str, Any], answer_format: str, seed: int) -> None:
        mark = "\x00"  # no message holds it: it marks the place of the query
        marked = {**payload, "messages": [*payload["messages"], {"role": "user", "content": mark}]}
        head, _, self._tail = _canonical(marked, seed).rpartition(json.dumps(mark).encode())
        self._hash = hashlib.sha256(head)
        self._size = len(head) + len(self._tail)
        self._payload, self._format = payload, answer_format

    def request(self, query: str) -> Request:
        """Return the request that `make_request` would make of the payload with this text as its last message."""
        text = json.dumps(query).encode()
        state = self._hash.copy()
        state.update(text)
        state.update(self._tail)
        key = state.hexdigest()
        payload = {**self._payload, "messages": [*self._payload["messages"], {"role": "user", "content": query}]}
        tokens = (self._size + len(text)) // 4 + payload["max_tokens"]
        return Request(key, payload, self._format, _seed(key), tokens)


def closed_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with exactly these properties, as strict schemas have to be."""
    required = list(properties)
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def response_format(answer_format: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a payload asks for a rung of `FORMATS`: its `response_format`, nothing for text.

    >>> response_format("json_object", "answer", {})
    {'response_format': {'type': 'json_object'}}
    """
    if answer_format == "text":
        return {}
    if answer_format == "json_object":
        return {"response_format": {"type": "json_object"}}
    named = {"name": name, "strict": True, "schema": dict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


class Keys(Protocol):
    """Keys of requests: a journal's, or those of a journal and of the batches under way."""

    def __len__(self) -> int: ...

    def __contains__(self, key: str, /) -> bool: ...


class FormatLadder:
    """Which answer format to ask for: the strictest one that the server turns out to manage.

    Args:
        wanted: `auto`, or one of `FORMATS` to stay with.
        asked_before: Keys of requests that have been asked, as a journal holds them: these are not asked in another
            format.
    """

    def __init__(self, wanted: str = "auto", asked_before: Keys = frozenset()) -> None:
        self.fixed = wanted != "auto"
        self.current = FORMATS[0] if wanted == "auto" else wanted
        self._asked_before, self._resumed = asked_before, len(asked_before) > 0
        self._failures: Counter[str] = Counter()
        self._successes: Counter[str] = Counter()

    def candidates(self) -> list[str]:
        """Return the formats in which an earlier answer may stand in the journal, the current one first."""
        return [self.current, *(name for name in FORMATS if name != self.current)]

    def choose(self, build: Callable[[str], Request]) -> Request:
        """Return the request that has been asked before in some format, else the one built in the current format."""
        if not self._resumed:
            return build(self.current)
        requests = [build(name) for name in self.candidates()]
        return next((request for request in requests if request.key in self._asked_before), requests[0])

    async def ask(
        self, build: Callable[[str], Request], send: Callable[[Request], Awaitable[Answered]], sent: list[Request]
    ) -> Answered:
        """Ask in the strictest format that the server knows.

        Args:
            build: Makes the request in a format.
            send: Gives the reply to a request.
            sent: Takes every request before it is sent, the answered one last.

        Raises:
            UnsupportedError: The server knows no format that may be asked in.
        """
        while True:
            request = self.choose(build)
            sent.append(request)
            try:
                return await send(request)
            except UnsupportedError:
                if self.fixed or request.format == FORMATS[-1]:
                    raise
                self.refused(request.format)

    def refused(self, answer_format: str) -> None:
        """Step down because the server does not know a format."""
        if answer_format == self.current != FORMATS[-1]:
            self.current = FORMATS[FORMATS.index(answer_format) + 1]

    def judged(self, answer_format: str, usable: bool) -> None:
        """Learn from an answer; three unusable ones and no usable one mean that plain text does better."""
        (self._successes if usable else self._failures)[answer_format] += 1
        hopeless = self._failures[answer_format] >= _TRIAL and not self._successes[answer_format]
        if hopeless and not self.fixed and answer_format == self.current:
            self.current = FORMATS[-1]


def _canonical(payload: dict[str, Any], seed: int) -> bytes:
    return json.dumps([seed, payload], ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()


def _seed(key: str) -> int:
    return int(key[:8], 16) >> 1


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


def _with_media_hashes(messages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Return messages as a request's key sees them, images replaced by their SHA-256; and about their tokens."""
    hashed, images = [], 0
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            images += sum(_tokens(part) for part in content if part.get("type") == "image_url")
            message = {**message, "content": [_hashed(part) for part in content]}
        hashed.append(message)
    return hashed, images


def _hashed(part: dict[str, Any]) -> dict[str, Any]:
    url = part.get("image_url", {}).get("url", "") if part.get("type") == "image_url" else ""
    if not url.startswith("data:"):
        return part
    return {"type": "image_url", "sha256": _facts(url)[0]}


def _tokens(part: dict[str, Any]) -> int:
    url = part.get("image_url", {}).get("url", "")
    return _facts(url)[1] if url.startswith("data:") else IMAGE_TOKENS


@lru_cache(maxsize=256)
def _facts(url: str) -> tuple[str, int]:
    """Return the SHA-256 of an image in a URL, and about how many tokens it is."""
    content = base64.b64decode(url.partition(",")[2])
    width, height = _size(content)
    tokens = -(-width * height // _PIXELS_A_TOKEN) if width and height else IMAGE_TOKENS
    return hashlib.sha256(content).hexdigest(), tokens


def _size(content: bytes) -> tuple[int, int]:
    """Return width and height of a PNG or JPEG file out of its header; zeros where they are not found."""
    if content.startswith(b"\x89PNG") and len(content) >= 24:
        return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    at = 2  # a JPEG file is segments: FF, kind, length of two bytes, content; the kinds C0 to CF hold the size
    while content.startswith(b"\xff\xd8") and at + 9 <= len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return 0, 0
