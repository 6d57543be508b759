"""Requests and their keys: one canonical payload, one SHA-256, however the request is sent.

A key covers what decides the answer (model, messages, sampling, answer format) and nothing else: not the endpoint, not
the row's position, not the code around it. That is what lets a run resume, move to another server or go through the
Batch API without paying for an answer twice.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.query import focus_row, render_query
from lamm_data.generation.rows import Row

FORMATS = ("json_schema", "json_object", "text")
"""Answer formats from the strictest to the one every server can do."""

_MAX_QUOTED = 2000


@dataclass(frozen=True)
class Sampling:
    """What else decides an answer.

    Attributes:
        model: Model name, as the endpoint knows it.
        temperature: Sampling temperature, or None for the server's default.
        max_tokens: Most tokens of one answer.
        seed: Added to every request's own seed; the same seed asks for the same data again.
    """

    model: str
    temperature: float | None = None
    max_tokens: int = 1024
    seed: int = 0


@dataclass(frozen=True)
class Request:
    """One chat completion to ask for.

    Attributes:
        key: SHA-256 of the canonical payload, in hexadecimal.
        payload: The canonical payload: model, messages, max_tokens, and where set temperature, response_format.
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


def make_request(payload: dict[str, Any], answer_format: str, seed: int) -> Request:
    """Key a payload.

    Args:
        payload: The canonical payload.
        answer_format: The rung it was built for.
        seed: The run's seed, part of the key.

    Returns:
        The request.
    """
    canonical = _canonical(payload, seed)
    key = hashlib.sha256(canonical).hexdigest()
    return Request(key, payload, answer_format, _seed(key), len(canonical) // 4 + payload["max_tokens"])


def _canonical(payload: dict[str, Any], seed: int) -> bytes:
    return json.dumps([seed, payload], ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()


def _seed(key: str) -> int:
    return int(key[:8], 16) >> 1


class _Mould:
    """The canonical text of requests that differ in their last message only, hashed as far as they are alike."""

    def __init__(self, payload: dict[str, Any], seed: int) -> None:
        mark = "\x00"  # no message holds it: it marks the place of the query
        payload = {**payload, "messages": [*payload["messages"], {"role": "user", "content": mark}]}
        head, _, self._tail = _canonical(payload, seed).rpartition(json.dumps(mark).encode())
        self._hash = hashlib.sha256(head)
        self._size = len(head) + len(self._tail)

    def key(self, query: str) -> tuple[str, int]:
        """Give the key and the length in bytes that `make_request` would find for the whole payload."""
        text = json.dumps(query).encode()
        state = self._hash.copy()
        state.update(text)
        state.update(self._tail)
        return state.hexdigest(), self._size + len(text)


class RequestBuilder:
    """Builds the requests of one run: the shared prefix once, the query for each row.

    Args:
        prompt: The prompt.
        sampling: Model and sampling.
    """

    def __init__(self, prompt: Prompt, sampling: Sampling) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self._prefix = {name: self._make_prefix(name) for name in FORMATS}
        self._response_format = {
            "json_schema": _response_schema(prompt.answer),
            "json_object": {"type": "json_object"},
            "text": None,
        }
        self._moulds = {
            name: _Mould(self._payload(self._prefix[name], name, sampling.max_tokens), sampling.seed)
            for name in FORMATS
        }

    def first(self, row: Row, answer_format: str, rounds: int | None = None) -> Request:
        """Build the request that asks for a row.

        Args:
            row: The row.
            answer_format: Rung of `FORMATS`.
            rounds: Rounds to ask for; the prompt's number by default.

        Returns:
            The request.
        """
        query = render_query(self.prompt, focus_row(self.prompt, row, self.sampling.seed), rounds)
        messages = [*self._prefix[answer_format], {"role": "user", "content": query}]
        payload = self._payload(messages, answer_format, self.sampling.max_tokens)
        key, size = self._moulds[answer_format].key(query)
        return Request(key, payload, answer_format, _seed(key), size // 4 + self.sampling.max_tokens)

    def again(self, request: Request, text: str, complaint: str, answer_format: str) -> Request:
        """Build the one corrective request: the bad answer, what was wrong with it, and how to answer.

        Args:
            request: The request that was answered badly.
            text: The bad answer; its first 2,000 characters are quoted.
            complaint: What was wrong.
            answer_format: Rung to ask on now.

        Returns:
            The request.
        """
        query = request.payload["messages"][-1]
        correction = f"That answer cannot be used. {complaint} {self._instruction(answer_format)}"
        messages = [
            *self._prefix[answer_format],
            query,
            {"role": "assistant", "content": text[:_MAX_QUOTED] or "(nothing)"},
            {"role": "user", "content": correction},
        ]
        return self._request(messages, answer_format, request.payload["max_tokens"])

    def longer(self, request: Request) -> Request:
        """Build the same request with twice the room for the answer."""
        messages = request.payload["messages"]
        return self._request(messages, request.format, 2 * int(request.payload["max_tokens"]))

    def _request(self, messages: list[dict[str, str]], answer_format: str, max_tokens: int) -> Request:
        return make_request(self._payload(messages, answer_format, max_tokens), answer_format, self.sampling.seed)

    def _payload(self, messages: list[dict[str, str]], answer_format: str, max_tokens: int) -> dict[str, Any]:
        payload: dict[str, Any] = {"model": self.sampling.model, "messages": messages, "max_tokens": max_tokens}
        if self.sampling.temperature is not None:
            payload["temperature"] = self.sampling.temperature
        response_format = self._response_format[answer_format]
        if response_format is not None:
            payload["response_format"] = response_format
        return payload

    def _instruction(self, answer_format: str) -> str:
        return self.prompt.formats["text" if answer_format == "text" else "json"]

    def _make_prefix(self, answer_format: str) -> list[dict[str, str]]:
        """Build the messages that every request of a run begins with, so that servers can cache them."""
        system = f"{self.prompt.system}\n\n{self._instruction(answer_format)}"
        messages = [{"role": "system", "content": system}]
        for example in self.prompt.examples:
            rounds = len(example.rounds) or None
            messages.append({"role": "user", "content": render_query(self.prompt, example.row, rounds)})
            messages.append({"role": "assistant", "content": _write_answer(self.prompt, example, answer_format)})
        return messages


def _write_answer(prompt: Prompt, example: Example, answer_format: str) -> str:
    """Write an example's answer the way the format asks for it."""
    if answer_format != "text":
        return json.dumps(_answer_values(prompt, example), ensure_ascii=False)
    if prompt.answer == "dialogue":
        return "\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in example.rounds)
    return example.description if prompt.answer == "description" else "\n".join(example.items)


def _answer_values(prompt: Prompt, example: Example) -> dict[str, Any]:
    if prompt.answer == "dialogue":
        return {"rounds": [{"question": question, "answer": answer} for question, answer in example.rounds]}
    if prompt.answer == "description":
        return {"description": example.description}
    return {prompt.answer: list(example.items)}


def _response_schema(answer: str) -> dict[str, Any]:
    """Give the strict JSON schema of an answer, as `response_format`."""
    text = {"type": "string"}
    if answer == "dialogue":
        schema = _closed_object({"rounds": _list_of(_closed_object({"question": text, "answer": text}))})
    else:
        schema = _closed_object({answer: text if answer == "description" else _list_of(text)})
    return {"type": "json_schema", "json_schema": {"name": answer, "strict": True, "schema": schema}}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
