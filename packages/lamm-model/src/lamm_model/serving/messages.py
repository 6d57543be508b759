"""Chat-completion requests: what the body may hold, and its media as files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_model.errors import LammModelError
from lamm_model.processing.segments import IMAGE, MARKERS, POINT_CLOUD, strip_markers

POINT_CLOUD_SUFFIXES = (".npy", ".ply", ".pcd")
UNSUPPORTED = ("tools", "functions", "logprobs", "response_format", "audio", "logit_bias")
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

    def write(self, folder: Path) -> Path:
        """Write the file below a folder, at a path that equal contents of one name share; return the path."""
        digest = hashlib.sha256(self.content).hexdigest()
        path = folder / digest / (self.name or "picture")
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(self.content)
        return path


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
    stream: bool = False
    include_usage: bool = False


def read_request(body: Any, max_new_tokens: int) -> ChatRequest:
    """Check the parsed body of a chat-completion request; `max_new_tokens` is for one that states none.

    Raises:
        RequestError: The body is no chat-completion request, or asks for what this server has not.
    """
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise RequestError("Expected a JSON object with messages, got something else.")
    if refused := [name for name in UNSUPPORTED if body.get(name)]:
        raise RequestError(f"Expected a request without {', '.join(refused)}: this server has no such thing.")
    if body.get("n") not in (None, 1):
        raise RequestError(f"Expected n = 1, got {body['n']!r}.")
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(text, str) and text for text in stops):
        raise RequestError(f"Expected stop to be a string or strings, got {stop!r}.")
    options = body.get("stream_options")
    request = ChatRequest(
        turns=[],
        task_type=str(body.get("task_type") or "normal"),
        max_new_tokens=int(
            _number(body, ("max_completion_tokens", "max_tokens"), max_new_tokens, lowest=1, highest=1 << 20)
        ),
        temperature=_number(body, ("temperature",), 0.0, lowest=0, highest=2),
        top_p=_number(body, ("top_p",), 1.0, lowest=0, highest=1),
        seed=int(_number(body, ("seed",), 0, lowest=-(1 << 63), highest=(1 << 63) - 1)),
        stops=stops,
        stream=bool(body.get("stream")),
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
    )
    for number, message in enumerate(body["messages"]):
        _add_message(request, message, number)
    if not request.turns or request.turns[-1]["from"] != "human":
        raise RequestError("Expected the last message to come from the user.")
    return request


def _number(body: dict[str, Any], names: tuple[str, ...], default: float, lowest: float, highest: float) -> float:
    name = next((name for name in names if body.get(name) is not None), names[0])
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise RequestError(f"Expected {name} to be a number from {lowest} to {highest}, got {value!r}.")
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
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    raise RequestError(f"Expected text in message {number + 1}, got {type(content).__name__} of other things.")


def _question(request: ChatRequest, content: Any, number: int) -> str:
    if isinstance(content, str):
        return strip_markers(content)
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise RequestError(f"Expected text or content parts in message {number + 1}, got {type(content).__name__}.")
    pieces: list[str] = []
    for part in content:
        if part.get("type") == "text":
            pieces.append(strip_markers(str(part.get("text", ""))))
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
    except binascii.Error as fault:
        raise RequestError(f"Expected base64 data in message {number + 1}, got {fault}.") from fault
