"""Chat completions as servers write them: answers, reasons to stop, and errors that come with HTTP 200."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lamm_llm.errors import ErrorReplyError, TransientError, server_words
from lamm_llm.fast_json import loads, whole_characters
from lamm_llm.journal import Reply

_FINISHES = {
    "max_tokens": "length", "model_length": "length", "max_output_tokens": "length", "token_limit": "length",
    "safety": "content_filter", "recitation": "content_filter", "prohibited_content": "content_filter",
    "blocklist": "content_filter", "spii": "content_filter", "sensitive": "content_filter",
    "end_turn": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop",
}  # fmt: skip
"""Reasons to stop, as other servers call them, in OpenAI's words."""
_STATUSES = (
    (r"insufficient.quota|billing|payment", 429),
    (r"rate.?limit|too.?many.?requests|throttl|resource.?exhausted|quota", 429),
    (r"overload|unavailable|server.?busy|capacity", 503),
    (r"api.?key|authenticat|unauthori[sz]ed", 401),
    (r"permission|forbidden", 403),
    (r"not.?found", 404),
    (r"context.?length|invalid|bad.?request|unsupported|badrequest", 400),
    (r"time.?out", 408),
    (r"server.?error|internal", 500),
)
"""Statuses by the words of a code or type of error; OpenAI's, Anthropic's, Google's and vLLM's."""
_MOST_TOKENS = 100_000_000
_THROTTLED = re.compile(r"rate.?limit|too many requests|slow down|try again in \d", re.IGNORECASE)


def read_reply(body: bytes) -> Reply:
    """Read a chat completion from JSON, trusting nothing about its shape.

    Raises:
        ErrorReplyError: It is an error, although the server answered with HTTP 200.
        TransientError: It is no chat completion.
    """
    try:
        values = loads(body)
        _refuse_error(values)
        choice, usage = values["choices"][0], values.get("usage") or {}
        _refuse_error(choice)
        message = choice["message"]
        finish = str(choice.get("finish_reason") or "stop")
        return Reply(
            text=whole_characters(_content(message.get("content"))),
            finish=_FINISHES.get(finish.lower(), finish),
            refusal=whole_characters(str(message.get("refusal") or "")),
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
            model=str(values.get("model") or ""),
            fingerprint=str(values.get("system_fingerprint") or ""),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise TransientError("malformed_reply", f"not a chat completion: {error!r}", unknown=True) from None


def _count(usage: Any, name: str) -> int:
    """Return a count of tokens; 0 where there is none, or one that no model can have used."""
    count = usage.get(name) if isinstance(usage, dict) else 0
    if not isinstance(count, int | float) or isinstance(count, bool) or not 0 <= count <= _MOST_TOKENS:
        return 0
    return int(count) if count == int(count) else 0


def _content(content: Any) -> str:
    """Return the text of a message: of a list of parts those of text, none of thinking."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if part.get("type") in ("text", "output_text")]
        content = "".join(text for text in texts if isinstance(text, str))
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content is {type(content).__name__}")
    return content or ""


def _refuse_error(values: Mapping[str, Any]) -> None:
    """Raise what a completion, or a choice of one, says went wrong.

    Raises:
        ErrorReplyError: It holds an error, or is one.
    """
    error = values.get("error") or values.get("errors")
    if not error and not values.get("choices") and not isinstance(values.get("message"), dict):
        itself = values if "code" in values or values.get("message") else None
        error = values.get("detail") or values.get("base_resp") or itself
    if error:
        first = error[0] if isinstance(error, list) else error
        raise ErrorReplyError(_status(first), json.dumps({"error": first}))


def _status(error: Any) -> int:
    """Return the HTTP status that an error stands for; 0 where it does not tell."""
    fields = error if isinstance(error, dict) else {}
    marks = [fields.get(name) for name in ("code", "status_code", "status", "http_code", "type")]
    for mark in marks:
        if re.fullmatch("[45][0-9]{2}", str(mark)):
            return int(str(mark))
    words = " ".join(str(mark) for mark in marks if isinstance(mark, str))
    for pattern, status in _STATUSES:
        if re.search(pattern, words, re.IGNORECASE):
            return status
    return 429 if _THROTTLED.search(server_words(json.dumps({"error": error}))) else 0
