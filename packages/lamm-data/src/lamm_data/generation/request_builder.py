"""The requests of a generation run: a prefix that all share, and a query for each row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.query import focus_row, render_query
from lamm_data.generation.rows import Row
from lamm_llm import FORMATS, Request, RequestMould, make_request

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
            name: RequestMould(self._payload(self._prefix[name], name, sampling.max_tokens), name, sampling.seed)
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
        return self._moulds[answer_format].request(query)

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
