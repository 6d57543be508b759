"""How a row becomes a request: the text of its query, behind a prefix that all requests of a run share."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lamm_data.generation.prompts import Example, Prompt
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.records.annotations import Question
from lamm_llm import FORMATS, Request, RequestMould, closed_object, make_request, response_format, user_message

MAX_OBJECTS = 40
_MAX_QUOTED = 2000
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_WORD = re.compile(r"\w+")
_TEXT = {"type": "string"}
_SCHEMAS = {
    "description": closed_object({"description": _TEXT}),
    "dialogue": closed_object(
        {"rounds": {"type": "array", "items": closed_object({"question": _TEXT, "answer": _TEXT})}}
    ),
    "statements": closed_object({"statements": {"type": "array", "items": _TEXT}}),
    "options": closed_object({"options": {"type": "array", "items": _TEXT}}),
    "verdict": closed_object(
        {"unsupported": {"type": "array", "items": _TEXT}, "score": {"type": "integer", "enum": [1, 2, 3, 4, 5]}}
    ),
}
"""Strict JSON schemas by the kind of answer."""
T = TypeVar("T")


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
    """Builds the requests of one run: the shared prefix once, the query for each row."""

    def __init__(self, prompt: Prompt, sampling: Sampling) -> None:
        self.prompt = prompt
        self.sampling = sampling
        schema = _SCHEMAS[prompt.answer]
        self._response_format = {name: response_format(name, prompt.answer, schema) for name in FORMATS}
        queries = [render_query(prompt, example.row, len(example.rounds) or None) for example in prompt.examples]
        self._prefix = {name: self._make_prefix(name, queries) for name in FORMATS}
        payloads = {name: self._payload(self._prefix[name], name, sampling.max_tokens) for name in FORMATS}
        self._moulds = {name: RequestMould(payload, name, sampling.seed) for name, payload in payloads.items()}

    def first(self, row: Row, answer_format: str) -> Request:
        """Build the request that asks for a row, in a rung of `FORMATS`."""
        return self.asking(row)(answer_format)

    def asking(self, row: Row) -> Callable[[str], Request]:
        """Return what builds the request that asks for a row, in any rung of `FORMATS`: its query is written once."""
        return self.telling(self.focused(row))

    def focused(self, row: Row) -> Row:
        """Return what a request tells of a row."""
        return focus_row(self.prompt, row, self.sampling.seed)

    def telling(self, row: Row, pictures: Sequence[bytes] = ()) -> Callable[[str], Request]:
        """Return what builds the request that shows pictures and tells all of a row."""
        query = render_query(self.prompt, row)
        if not pictures:
            return lambda answer_format: self._moulds[answer_format].request(query)
        message, most = user_message(query, pictures), self.sampling.max_tokens
        return lambda answer_format: self._request([*self._prefix[answer_format], message], answer_format, most)

    def again(self, request: Request, text: str, complaint: str, answer_format: str) -> Request:
        """Build the one corrective request: the start of the bad answer, what was wrong with it, and how to answer."""
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

    def _request(self, messages: list[dict[str, Any]], answer_format: str, max_tokens: int) -> Request:
        return make_request(self._payload(messages, answer_format, max_tokens), answer_format, self.sampling.seed)

    def _payload(self, messages: list[dict[str, Any]], answer_format: str, max_tokens: int) -> dict[str, Any]:
        payload: dict[str, Any] = {"model": self.sampling.model, "messages": messages, "max_tokens": max_tokens}
        if self.sampling.temperature is not None:
            payload["temperature"] = self.sampling.temperature
        return payload | self._response_format[answer_format]

    def _instruction(self, answer_format: str) -> str:
        return self.prompt.formats["text" if answer_format == "text" else "json"]

    def _make_prefix(self, answer_format: str, queries: list[str]) -> list[dict[str, Any]]:
        """Build the messages that every request of a run begins with, so that servers can cache them."""
        system = f"{self.prompt.system}\n\n{self._instruction(answer_format)}"
        messages = [{"role": "system", "content": system}]
        for example, query in zip(self.prompt.examples, queries, strict=True):
            messages.append({"role": "user", "content": query})
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


def format_number(value: float, places: int = 2) -> str:
    """Write a coordinate the way the published data does: rounded, without trailing zeros but never bare.

    >>> format_number(0.1), format_number(1), format_number(0.584)
    ('0.1', '1.0', '0.58')
    """
    return str(round(float(value), places))


def format_object(item: SceneObject) -> str:
    """Write one object as `label: attribute, attribute, [box]`."""
    parts = [*item.attributes]
    if item.box:
        parts.append("[" + ", ".join(format_number(value) for value in item.box) + "]")
    return f"{item.label}: {', '.join(parts)}" if parts else item.label


def focus_row(prompt: Prompt, row: Row, seed: int = 0) -> Row:
    """Keep what the prompt uses of a row: some of its captions and questions, and the objects these name.

    A room has too many objects and questions for one request (LAMM, appendix B): ten captions are drawn, and only
    the objects they speak of are told.

    The draw depends on the seed and the row's id only.
    """
    if not (prompt.captions or prompt.questions_used or prompt.mentioned_only):
        return row
    captions = _draw(row.captions, prompt.captions, f"{seed}:captions:{row.id}")
    questions = _draw(row.questions, prompt.questions_used, f"{seed}:questions:{row.id}")
    row = replace(row, captions=captions, questions=questions)
    return _only_mentioned(row) if prompt.mentioned_only else row


def _draw(values: tuple[T, ...], most: int, stream: str) -> tuple[T, ...]:
    """Draw some of the values without changing their order."""
    if not most or len(values) <= most:
        return values
    drawn = sorted(random.Random(stream).sample(range(len(values)), most))
    return tuple(values[index] for index in drawn)


def _only_mentioned(row: Row) -> Row:
    """Leave out objects and relations whose names no caption holds; all are kept when none is named."""
    text = " " + " ".join(_WORD.findall(" ".join(row.captions).lower()))
    named = {item.label for item in row.objects if f" {item.label.lower()}" in text}  # plurals are found too
    if not named:
        return row
    relations = tuple(triple for triple in row.relations if triple[0] in named and triple[2] in named)
    return replace(row, objects=tuple(item for item in row.objects if item.label in named), relations=relations)


def row_fields(row: Row, rounds: int, options: int = 0) -> dict[str, str]:
    """Give the text of every placeholder for one row.

    Texts are empty where the row holds nothing. Long lists are cut after the first 40: a crowded picture must not
    outgrow a small model's context.
    """
    counts = Counter(item.label for item in row.objects)
    first = row.questions[0] if row.questions else Question("")
    numbered = (
        f"{number}. {item.text} {', '.join(item.answers)}" for number, item in enumerate(row.questions, start=1)
    )
    return {
        "captions": "\n".join(row.captions),
        "objects": "\n".join(format_object(item) for item in row.objects[:MAX_OBJECTS]),
        "object_counts": ", ".join(f"{count} {label}" for label, count in counts.items()),
        "relations": "\n".join(" ".join(triple) for triple in row.relations[:MAX_OBJECTS]),
        "label": row.label,
        "description": row.description,
        "questions": "\n".join(numbered),
        "question": first.text,
        "answers": "; ".join(first.answers),
        "question_count": str(len(row.questions)),
        "rounds": str(rounds),
        "options": str(options),
    }


def render_query(prompt: Prompt, row: Row, rounds: int | None = None) -> str:
    """Fill the query layout, for the prompt's number of rounds by default.

    Paragraphs whose placeholders are all empty are left out.
    """
    fields = row_fields(row, prompt.rounds if rounds is None else rounds, prompt.options)
    paragraphs = []
    for paragraph in prompt.query.split("\n\n"):
        names = _PLACEHOLDER.findall(paragraph)
        if not names or any(fields[name] for name in names):
            paragraphs.append(_PLACEHOLDER.sub(lambda match: fields[match[1]], paragraph))
    return "\n\n".join(paragraphs)
