"""What of a model's text is its answer, and the JSON in it: the text is decoded, never evaluated.

Models think aloud before they answer, in as many marks as there are chat formats: `<think>` blocks, closed, unclosed or
opened by the prompt already; hidden channels; tokens of the chat format that a server leaves in. None is an answer.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from lamm_llm.fast_json import loads

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
