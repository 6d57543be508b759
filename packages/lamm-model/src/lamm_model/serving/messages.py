"""Chat-completion requests: what the body may hold, and its media as files."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from lamm_model.errors import LammModelError
from lamm_model.processing.segments import IMAGE, MARKERS, POINT_CLOUD, strip_markers

POINT_CLOUD_SUFFIXES = (".npy", ".ply", ".pcd")
UNSUPPORTED = (
    "tools", "tool_choice", "functions", "function_call", "audio", "logit_bias", "prediction", "web_search_options",
    "presence_penalty", "frequency_penalty",
)  # fmt: skip
MOST_CHOICES, MOST_STOPS, MOST_MEDIA = 16, 16, 32
LONGEST_STOP, LONGEST_SCHEMA = 256, 1 << 16  # characters
_DATA_URL = re.compile(r"data:[\w.+/-]*(?:;[\w.+=-]+)*;base64,", re.ASCII)


class RequestError(LammModelError):
    """A request the server will not answer.

    Attributes:
        status: HTTP status.
        code: Short name for machines.
    """

    def __init__(self, message: str, status: int = 400, code: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Attachment:
    """A medium that came with a message.

    Attributes:
        kind: `image` or `point_cloud`.
        name: File name, or empty; a cloud's sampling depends on it, as it does in prediction.
        content: The file.
    """

    kind: str
    name: str
    content: bytes


@dataclass
class ChatRequest:
    """A checked request.

    Attributes:
        turns: `[{"from", "value"}]` with markers where the attachments go.
        attachments: In order of their markers.
        system: System message, or None for the task type's.
        task_type: Chooses the system message (`extra_body={"task_type": ...}`).
        max_new_tokens: Longest answer.
        temperature: 0 for the likeliest token each time.
        top_p: Share of probability that is sampled from.
        seed: Of the sampling.
        stops: Strings that end the answer.
        choices: How many answers are wanted.
        logprobs: Whether the probability of each token is wanted.
        top_logprobs: How many of the likeliest tokens are wanted beside each.
        schema: JSON schema that the answer must keep to, or None.
        stream: Whether pieces are wanted as they come.
        include_usage: Whether a stream ends with token counts.
    """

    turns: list[dict[str, str]]
    attachments: list[Attachment] = field(default_factory=list)
    system: str | None = None
    task_type: str = "normal"
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stops: list[str] = field(default_factory=list)
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int = 0
    schema: dict[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False


def read_request(body: Any, max_new_tokens: int) -> ChatRequest:
    """Check the parsed body of a chat-completion request; `max_new_tokens` is for one that states none.

    Raises:
        RequestError: The body is no chat-completion request, or asks for what this server has not.
    """
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise RequestError("Expected a JSON object with messages, got something else.")
    if refused := [name for name in UNSUPPORTED if body.get(name) and body[name] != "none"]:
        raise RequestError(
            f"Expected a request without {', '.join(refused)}, which this server cannot do, got one with. Leave it out."
        )
    if body.get("modalities") not in (None, ["text"]):
        raise RequestError(f"Expected modalities to be ['text'], got {_short(body['modalities'])}.")
    options = body.get("stream_options")
    request = ChatRequest(
        turns=[],
        task_type=_text(body.get("task_type") or "normal", "task_type"),
        max_new_tokens=_whole(body, "max_completion_tokens", _whole(body, "max_tokens", max_new_tokens, 1), 1),
        temperature=_number(body, "temperature", 0.0, 0, 2),
        top_p=_number(body, "top_p", 1.0, 0, 1),
        seed=_whole(body, "seed", 0, -(1 << 62), 1 << 62),
        stops=_stops(body.get("stop")),
        choices=_whole(body, "n", 1, 1, MOST_CHOICES),
        logprobs=_flag(body, "logprobs"),
        top_logprobs=_whole(body, "top_logprobs", 0, 0, 20),
        schema=_schema(body.get("response_format")),
        stream=_flag(body, "stream"),
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
    )
    if request.top_logprobs and not request.logprobs:
        raise RequestError("Expected logprobs to be true beside top_logprobs, got none.")
    for number, message in enumerate(body["messages"]):
        _add_message(request, message, number)
    if not request.turns or request.turns[-1]["from"] != "human":
        last = request.turns[-1]["from"] if request.turns else "none"
        raise RequestError(f"Expected the last message to come from the user, got {last}.")
    if len(request.attachments) > MOST_MEDIA:
        raise RequestError(f"Expected at most {MOST_MEDIA} pictures and clouds, got {len(request.attachments)}.")
    return request


def _number(body: dict[str, Any], name: str, default: float, lowest: float, highest: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise RequestError(f"Expected {name} to be a number from {lowest} to {highest}, got {_short(value)}.")
    return value


def _whole(body: dict[str, Any], name: str, default: int, lowest: int, highest: int = 1 << 20) -> int:
    value = _number(body, name, default, lowest, highest)
    if value != int(value):
        raise RequestError(f"Expected {name} to be a whole number, got {_short(value)}.")
    return int(value)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"Expected {name} to be true or false, got {_short(value)}.")
    return bool(value)


def _stops(stop: Any) -> list[str]:
    stops = [stop] if isinstance(stop, str) else stop or []
    strings = isinstance(stops, list) and all(isinstance(text, str) and 0 < len(text) <= LONGEST_STOP for text in stops)
    if not strings or len(stops) > MOST_STOPS:
        raise RequestError(f"Expected stop to be a string or at most {MOST_STOPS} of them, got {_short(stop)}.")
    return [_text(text, "stop") for text in stops]


def _schema(wanted: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a `response_format`; None where any text will do."""
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind in (None, "text"):
        return None
    inner = wanted.get("json_schema") if kind == "json_schema" else {"schema": {"type": "object"}}
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if kind not in ("json_schema", "json_object") or not isinstance(schema, dict):
        raise RequestError(f"Expected response_format to be text, json_object or json_schema, got {_short(wanted)}.")
    if len(json.dumps(schema)) > LONGEST_SCHEMA:
        raise RequestError(f"Expected a JSON schema of at most {LONGEST_SCHEMA} characters, got a longer one.")
    return schema


def _short(value: Any) -> str:
    return repr(value)[:80]


def _text(value: Any, where: str) -> str:
    """Return a text that can be written as UTF-8.

    Raises:
        RequestError: It is no string, or holds half of a character.
    """
    if not isinstance(value, str):
        raise RequestError(f"Expected text in {where}, got {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError as fault:
        raise RequestError(f"Expected whole characters in {where}, got {value[fault.start]!r} alone.") from fault
    return value


def _add_message(request: ChatRequest, message: Any, number: int) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if role in ("system", "developer") and number == 0:
        request.system = _plain(message.get("content"), number)
    elif role == "assistant" and len(request.turns) % 2 == 1:
        request.turns.append({"from": "gpt", "value": _plain(message.get("content"), number)})
    elif role == "user" and len(request.turns) % 2 == 0:
        request.turns.append({"from": "human", "value": _question(request, message.get("content"), number)})
    else:
        raise RequestError(
            f"Expected a system message first, then user and assistant in turn, got {role!r} as message {number + 1}."
        )


def _plain(content: Any, number: int) -> str:
    where = f"message {number + 1}"
    if isinstance(content, str):
        return _text(content, where)
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return "".join(_text(part.get("text", ""), where) for part in content)
    raise RequestError(f"Expected text in message {number + 1}, got {type(content).__name__} of other things.")


def _question(request: ChatRequest, content: Any, number: int) -> str:
    where = f"message {number + 1}"
    if isinstance(content, str):
        return strip_markers(_text(content, where))
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise RequestError(f"Expected text or content parts in {where}, got {type(content).__name__}.")
    pieces: list[str] = []
    for part in content:
        if part.get("type") == "text":
            pieces.append(strip_markers(_text(part.get("text", ""), where)))
        else:
            attachment = _attachment(part, number)
            request.attachments.append(attachment)
            pieces.append(MARKERS[attachment.kind])
    return "".join(pieces)


def _attachment(part: dict[str, Any], number: int) -> Attachment:
    kind = part.get("type")
    inner = part.get(str(kind))
    if kind == "image_url" and isinstance(inner, dict):
        return Attachment(IMAGE, "", _data(inner.get("url"), number))
    if kind == "file" and isinstance(inner, dict):
        name = re.sub(r"[^A-Za-z0-9_. -]", "_", re.split(r"[/\\]", str(inner.get("filename") or ""))[-1])[-100:]
        cloud = name.lower().endswith(POINT_CLOUD_SUFFIXES)
        content = _data(inner.get("file_data"), number)
        return Attachment(POINT_CLOUD, name, content) if cloud else Attachment(IMAGE, "", content)
    raise RequestError(
        f"Expected parts of type text, image_url or file in message {number + 1}, got {kind!r}. "
        "Point clouds come as file parts with a .npy, .ply or .pcd filename."
    )


def _data(url: Any, number: int) -> bytes:
    match = _DATA_URL.match(url) if isinstance(url, str) else None
    if match is None:
        raise RequestError(
            f"Expected a base64 data URL in message {number + 1}, got {str(url)[:40]!r}. "
            "This server opens no addresses and no files of its own machine."
        )
    try:
        return base64.b64decode(url[match.end() :], validate=True)
    except ValueError as fault:
        raise RequestError(f"Expected base64 data in message {number + 1}, got {fault}.") from fault
