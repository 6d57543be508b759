"""What a server replies: chat completions, errors that come with HTTP 200, and what of a model's text is its answer.

Models think aloud before they answer, in as many marks as there are chat formats: `<think>` blocks, closed, unclosed or
opened by the prompt already; hidden channels; tokens of the chat format that a server leaves in. None is an answer.
JSON in a text is decoded, never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lamm_llm.errors import ErrorReplyError, TransientError
from lamm_llm.files import loads

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
_NAMES = (
    r"(?:(?:seed:|mm:|longcat_)?think|thinking|thoughts?|thought_process|reasoning|analysis|reflection|scratchpad|"
    r"ant_?thinking|(?:inner|internal)_monologue)"
)
_OPENING = (
    rf"(?:<|&lt;)\|?{_NAMES}(?:\s[^<>\n]{{0,80}})?\|?(?:>|&gt;)|\[THINK\]|◁think▷|<\|begin_of_thought\|>|"
    r"<\|start_thinking\|>|<unused94>(?:thought)?|<\|channel>(?:thought|analysis)"
)
_CLOSING = (
    rf"(?:<|&lt;)\|?/{_NAMES}\|?(?:>|&gt;)|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|end_thinking\|>|<unused95>|"
    r"<channel\|>"
)
_MARK = re.compile(rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})", re.IGNORECASE)
_OPENED = re.compile(rf"(?:\A\s*|[\n\"][ \t]*)(?:{_OPENING})", re.IGNORECASE)
_FINAL = re.compile(r"<\|channel\|>\s*final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>|\bassistantfinal(?![a-z])")
_HIDDEN = re.compile(r"<\|channel\|>\s*(?:analysis|commentary)|\A\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z])")
_START_TOKEN = re.compile(
    r"\A\s*(?:(?:<\|im_start\|>|<\|start_header_id\|>|<\|start\|>|<start_of_turn>)\s*(?:assistant|model)\b\s*"
    r"(?:<\|end_header_id\|>|<\|message\|>)?|<\|(?:assistant|begin_of_text|begin_of_solution|begin_of_box|bot|"
    r"start_response|start_text)\|>|<｜Assistant｜>|<s>|<bos>|\[/INST\]|</INST>)\s*",
    re.IGNORECASE,
)
_END_TOKEN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|end_of_text|eot_id|eom_id|end|return|call|start|end_of_turn|end_of_solution|"
    r"end_of_box|end_response|end_text|user|observation)\|>|<｜(?:end▁of▁sentence|User)｜>|</s>|<eos>|"
    r"<end_of_turn>|<start_of_turn>",
    re.IGNORECASE,
)
_WRAPPED = re.compile(
    r"<(answer|final_answer|final|output|response|solution|conclusion|result)>(.*?)(?:</\1>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_JSON_START = re.compile(r"\{(?=\s*[\"}])|\[(?=\s*[\[{\"\]])")
_SPARE_COMMA = re.compile(r",(?=\s*[}\]])")
_MOST_STARTS = 200
_JSON_LIKE = ("{", "[", '"', "```")
_CHANNELS = ("analysis", "commentary", "assistant")


@dataclass(frozen=True)
class Reply:
    """What a server answered.

    Attributes:
        text: Content of the message, as it came.
        finish: `stop`, `length`, `content_filter` or whatever the server gave.
        refusal: The server's own refusal text, if any.
        prompt_tokens: Tokens billed for the prompt, as the server counts.
        completion_tokens: Tokens billed for the answer.
        model: Model name the server answered with.
        fingerprint: The server's `system_fingerprint`, if any.
        rejected: Why the server refused the request for good, where such a refusal is kept as its answer.
        share: Share of the price that was paid; less than 1 through the Batch API.
    """

    text: str
    finish: str = "stop"
    refusal: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    fingerprint: str = ""
    rejected: str = ""
    share: float = 1.0

    @property
    def answer(self) -> str:
        """The answer in the text: no thinking, no hidden channel, no token of the chat format."""
        return without_thinking(self.text)

    @property
    def cut_off(self) -> bool:
        """Whether the answer may lack its end: the server stopped at its limit, or the text ends in its thinking."""
        return self.finish == "length" or bool(self.text.strip() and not self.answer.strip())


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
        text = json.dumps({"error": first})
        raise ErrorReplyError(_status(first), text, server_words(text))


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


def server_words(text: str) -> str:
    """Return the message of a server's error in one line."""
    try:
        values = json.loads(text)
        found = values.get("error", values.get("detail", values)) if isinstance(values, dict) else values
        if isinstance(found, dict):
            found = next((found[name] for name in ("message", "status_msg", "msg", "detail") if found.get(name)), found)
        text = found if isinstance(found, str) else json.dumps(found)
    except (ValueError, RecursionError):
        text = text[:2000]
    return whole_characters(" ".join(text.split())[:500])


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


def without_thinking(text: str) -> str:
    """Return an answer without thinking, closed or not, hidden channels, and tokens of the chat format around it.

    >>> without_thinking("<think>It is red.</think>Red."), without_thinking("<think>It is")
    ('Red.', '')
    >>> without_thinking("<|channel|>analysis<|message|>Red?<|end|><|start|>assistant<|channel|>final<|message|>Red.")
    'Red.'
    """
    bare = "<" not in text and "◁" not in text and "THINK]" not in text and "&lt;" not in text
    if bare and not text.lstrip()[:10].startswith(_CHANNELS):
        return text
    text = _without_blocks(_final_channel(text))
    text = _first_turn(_START_TOKEN.sub("", text))
    wrapped = _WRAPPED.findall(text)
    return wrapped[0][1].strip() if len(wrapped) == 1 and wrapped[0][1].strip() else text


def _final_channel(text: str) -> str:
    """Return what stands in the last final channel of a text with channels; nothing where it has hidden ones only."""
    finals = list(_FINAL.finditer(text))
    if finals and (finals[-1][0].startswith("<") or _HIDDEN.search(text)):
        return text[finals[-1].end() :].lstrip()
    return "" if _HIDDEN.search(text) else text


def _first_turn(text: str) -> str:
    """Return what stands before the token that ends the turn; tokens in the strings of JSON end nothing."""
    in_json = text.lstrip().startswith(_JSON_LIKE)
    for token in _END_TOKEN.finditer(text):
        before = text[: token.start()].rstrip()
        if before and (not in_json or before[-1] in "}]`"):
            return before
    return text if in_json else _END_TOKEN.sub("", text)


def _without_blocks(text: str) -> str:
    """Leave out blocks of thinking; before a closing mark all is thinking, unless nothing stands behind it."""
    if text.lstrip().startswith(_JSON_LIKE):  # within the strings of an answer in JSON
        text = _cut_blocks(text)
    end = max((found.end() for found in _MARK.finditer(text) if found["closing"]), default=0)
    if end and not text[end:].strip():
        text, end = _cut_blocks(text).rstrip(), 0
        end = max((found.end() for found in _MARK.finditer(text) if found["closing"]), default=0)
    text = text[end:].lstrip() if end else text
    opened = _OPENED.search(text)
    return text if opened is None else text[: opened.start()].rstrip()


def _cut_blocks(text: str) -> str:
    """Leave out what stands between an opening mark and the next closing one."""
    parts, at, opened = list[str](), 0, -1
    for mark in _MARK.finditer(text):
        if mark["opening"]:
            opened = mark.start() if opened < 0 else opened
        elif opened >= 0:
            parts.append(text[at:opened])
            at, opened = mark.end(), -1
    return "".join([*parts, text[at:]])


def json_values(text: str) -> tuple[list[Any], bool]:
    r"""Return the outermost JSON objects and lists in a text, in order, and whether one that begins there breaks.

    Of one that breaks, what is whole inside it is returned. Commas too many are forgiven.

    >>> json_values('The form is {"a": "..."}. Mine:\n```json\n{"a": "red",}\n```')
    ([{'a': '...'}, {'a': 'red'}], False)
    >>> json_values('{"rounds": [{"a": 1}, {"a": ')
    ([{'a': 1}], True)
    """
    if text[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):  # nothing but JSON, the usual case
            return [loads(text)], False
    values, broken = _decode_all(text)
    if broken and _SPARE_COMMA.search(text):
        forgiven = _decode_all(_SPARE_COMMA.sub("", text))
        if not forgiven[1]:
            return forgiven
    return values, broken


def _decode_all(text: str) -> tuple[list[Any], bool]:
    decoder, values, broken, at = json.JSONDecoder(strict=False), list[Any](), False, 0
    for _ in range(_MOST_STARTS):
        start = _JSON_START.search(text, at)
        if start is None:
            break
        try:
            value, at = decoder.raw_decode(text, start.start())
            values.append(value)
        except (ValueError, RecursionError):
            broken, at = True, start.end()
    return values, broken
