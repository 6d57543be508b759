"""Ask any OpenAI-compatible endpoint that takes images the same benchmark, so that models can be compared."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import LammModelError
from lamm_model.prediction.keep_going import EndpointRefusedError
from lamm_model.prediction.queries import Query, refuse_point_clouds
from lamm_model.processing.image_processing_lamm import read_image
from lamm_model.processing.segments import IMAGE
from lamm_model.processing.system_messages import system_text

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from lamm_model.prediction.predictor import PredictionOptions

RETRIES = 4
Answered = tuple[Query, dict[str, Any]]


class EndpointAnswers:
    """Answers queries over HTTP, several at a time, in the shape `Predictor.answer` has.

    Attributes:
        url: Base address, such as `http://127.0.0.1:8000/v1`.
        model: Name the endpoint knows the model by.
        options: As for `Predictor`; `batch_size` is the number of requests under way at once: whenever one is answered
            the next is sent.
    """

    def __init__(self, url: str, model: str, options: PredictionOptions) -> None:
        self.url = url
        self.model = model
        self.options = options
        self._serves_lamm: bool | None = None

    def answer(self, queries: list[Query]) -> Iterator[list[Answered]]:
        """Ask the queries, and yield answers as they come.

        Args:
            queries: About images or text; only `lamm model serve` takes point clouds as well.

        Yields:
            Queries with their answers.

        Raises:
            LammModelError: A query shows a point cloud, or the endpoint fails after retries; what was under way then
                is waited for and yielded before.
        """
        if any(kind != IMAGE for query in queries for kind, _ in query.media) and not self._takes_clouds():
            refuse_point_clouds(queries, self.options.blind, "OpenAI-compatible endpoints take no point clouds")
        answers = self._as_they_come(queries)
        with asyncio.Runner() as runner:
            try:
                while found := runner.run(_next(answers)):
                    yield found
            finally:
                runner.run(answers.aclose())

    def _takes_clouds(self) -> bool:
        """Whether `lamm model serve` answers there; others have no part of a message for point clouds."""
        if self._serves_lamm is None:
            from openai import OpenAI, OpenAIError

            key = os.environ.get("OPENAI_API_KEY") or "none"
            try:
                with OpenAI(base_url=self.url, api_key=key, max_retries=0) as client:
                    self._serves_lamm = any(card.owned_by == "lamm" for card in client.models.list())
            except (OpenAIError, AttributeError):
                self._serves_lamm = False
        return self._serves_lamm

    async def _as_they_come(self, queries: list[Query]) -> AsyncGenerator[list[Answered]]:
        from openai import AsyncOpenAI

        key = os.environ.get("OPENAI_API_KEY") or "none"
        waiting, fault = iter(queries), None
        under_way: dict[asyncio.Task[dict[str, Any]], Query] = {}
        async with AsyncOpenAI(base_url=self.url, api_key=key, max_retries=RETRIES) as client:
            while True:
                free = 0 if fault else self.options.batch_size - len(under_way)
                for query in islice(waiting, free):
                    under_way[asyncio.create_task(self._ask(client, query))] = query
                if not under_way:
                    break
                ended, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                asked = [(under_way.pop(task), task) for task in ended]
                fault = fault or next((task.exception() for _, task in asked if task.exception()), None)
                if found := [(query, task.result()) for query, task in asked if not task.exception()]:
                    yield found
        if fault:
            raise fault

    async def _ask(self, client: AsyncOpenAI, query: Query) -> dict[str, Any]:
        import openai

        messages: Any = self._messages(query)
        try:
            reply = await client.chat.completions.create(
                model=self.model, messages=messages, max_tokens=query.max_new_tokens, temperature=0
            )
        except openai.OpenAIError as fault:
            kind = EndpointRefusedError if _refuses_all(fault) else LammModelError
            raise kind(
                f"Expected an answer from {self.url}, got {type(fault).__name__}: {fault} (id {query.record_id!r}). "
                "Check the endpoint and give the command again: answered records are kept."
            ) from fault
        if not reply.choices:
            raise LammModelError(f"Expected an answer from {self.url}, got none (id {query.record_id!r}).")
        choice = reply.choices[0]
        text = (choice.message.content or "").strip().encode("utf-8", "replace").decode("utf-8")  # no lone surrogates
        return {"text": text, "meta": {"finish_reason": choice.finish_reason}}

    def _messages(self, query: Query) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        if not self.options.blind:
            content += [_part(kind, path) for kind, path in query.media]
        content.append({"type": "text", "text": query.question})
        system = system_text(self.options.system, query.task_type, query.system)
        opening = [{"role": "system", "content": system}] if system else []
        return [*opening, {"role": "user", "content": content}]


async def _next(answers: AsyncGenerator[list[Answered]]) -> list[Answered]:
    return await anext(answers, [])


def _refuses_all(fault: Exception) -> bool:
    """Whether other samples would fare no better: no connection, no right, no such model, or too many requests."""
    import openai

    if isinstance(fault, openai.APIConnectionError):
        return not isinstance(fault, openai.APITimeoutError)
    refusals = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError, openai.RateLimitError)
    return isinstance(fault, refusals)


def _part(kind: str, path: Path) -> dict[str, Any]:
    if kind == IMAGE:
        return {"type": "image_url", "image_url": {"url": data_url(path)}}
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    url = f"data:application/octet-stream;base64,{content}"
    return {"type": "file", "file": {"filename": path.name, "file_data": url}}


def data_url(path: Path) -> str:
    """Encode a picture as a data URL: JPEG and PNG files as they are, others as PNG.

    Raises:
        LammModelError: The file is no readable picture.
    """
    import io

    image = read_image(path)
    kinds = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
    kind = kinds.get(path.suffix.lower(), "")
    content = path.read_bytes() if kind else b""
    if not kind:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        kind, content = "png", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
