"""Ask any OpenAI-compatible endpoint that takes images the same benchmark, so that models can be compared."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from lamm_llm import (
    Budget,
    Endpoint,
    EndpointError,
    EndpointSettings,
    Engine,
    GaveUpError,
    RefusedError,
    RetryPolicy,
    UnsupportedError,
    image_part,
    make_request,
)
from lamm_model.errors import LammModelError
from lamm_model.prediction.keep_going import EndpointRefusedError
from lamm_model.prediction.queries import Answer, PredictionOptions, Query, refuse_point_clouds
from lamm_model.processing.image_processing_lamm import read_image
from lamm_model.processing.prompt_formats import system_text
from lamm_model.processing.segments import IMAGE

SENT_AS_THEY_ARE = (b"\xff\xd8\xff", b"\x89PNG")  # first bytes of JPEG and PNG files
Answered = tuple[Query, Answer]


class EndpointAnswers:
    """Answers queries over HTTP, several at a time, in the shape `Predictor.answer` has.

    Attributes:
        url: Base address, such as `http://127.0.0.1:8000/v1`.
        model: Name the endpoint knows the model by.
        key: API key; empty for servers without keys.
        options: As for `Predictor`; `batch_size` is the number of requests under way at once: whenever one is answered
            the next is sent.
    """

    def __init__(self, url: str, model: str, options: PredictionOptions, key: str = "") -> None:
        self.url = url
        self.model = model
        self.options = options
        self.key = key
        self._serves_lamm: bool | None = None

    def answer(self, queries: list[Query]) -> Iterator[list[Answered]]:
        """Yield answers as they come; only `lamm model serve` takes point clouds as well.

        Where the endpoint fails after retries, what is under way is waited for and yielded before the error.
        """
        if any(kind != IMAGE for query in queries for kind, _ in query.media) and not self._takes_clouds():
            refuse_point_clouds(queries, self.options.blind, "OpenAI-compatible endpoints take no point clouds")
        answers = self._as_they_come(queries)
        with asyncio.Runner() as runner:
            try:
                while batch := runner.run(_next(answers)):
                    yield batch
            finally:
                runner.run(answers.aclose())

    def _takes_clouds(self) -> bool:
        """Whether `lamm model serve` answers there; others have no part of a message for point clouds."""
        if self._serves_lamm is None:
            self._serves_lamm = asyncio.run(_owned_by_lamm(self._endpoint()))
        return self._serves_lamm

    def _endpoint(self) -> Endpoint:
        return Endpoint(EndpointSettings(self.url, self.key, concurrency=self.options.batch_size))

    async def _as_they_come(self, queries: list[Query]) -> AsyncGenerator[list[Answered]]:
        endpoint = self._endpoint()
        engine: Engine[Query] = Engine([endpoint], None, Budget(), RetryPolicy())  # predictions have their own journal
        answered: asyncio.Queue[list[Answered]] = asyncio.Queue()
        faults: list[Exception] = []

        async def ask(query: Query, endpoint: Endpoint) -> None:
            try:
                answered.put_nowait([(query, await self._ask(engine, query, endpoint))])
            except Exception as fault:  # noqa: BLE001 - raised below, after what is under way
                faults.append(fault)

        asking = asyncio.create_task(engine.run(takewhile(lambda _: not faults, queries), ask))
        asking.add_done_callback(lambda _: answered.put_nowait([]))
        try:
            while batch := await answered.get():
                yield batch
            await asking
        finally:
            asking.cancel()
            await endpoint.close()
        if faults:
            raise faults[0]

    async def _ask(self, engine: Engine[Query], query: Query, endpoint: Endpoint) -> Answer:
        payload = {
            "model": self.model,
            "messages": self._messages(query),
            "max_tokens": query.max_new_tokens,
            "temperature": 0,
        }
        try:
            reply = await engine.ask(make_request(payload), endpoint)
        except (EndpointError, GaveUpError, RefusedError, UnsupportedError) as fault:
            kind = EndpointRefusedError if isinstance(fault, EndpointError) else LammModelError
            raise kind(
                f"Expected an answer from {self.url}, got {type(fault).__name__}: {fault} (id {query.record_id!r}). "
                "Check the endpoint and give the command again: answered records are kept."
            ) from fault
        text = reply.answer.strip().encode("utf-8", "replace").decode("utf-8")  # no lone surrogates
        return {"text": text, "meta": {"finish_reason": reply.finish}}

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


async def _owned_by_lamm(endpoint: Endpoint) -> bool:
    try:
        return any(card.get("owned_by") == "lamm" for card in await endpoint.model_cards())
    finally:
        await endpoint.close()


def _part(kind: str, path: Path) -> dict[str, Any]:
    """Return a medium as a part of a message: JPEG and PNG files as they are, other pictures as PNG.

    Raises:
        LammModelError: The file is no readable picture.
    """
    if kind != IMAGE:
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        url = f"data:application/octet-stream;base64,{encoded}"
        return {"type": "file", "file": {"filename": path.name, "file_data": url}}
    image, content = read_image(path), path.read_bytes()
    if content.startswith(SENT_AS_THEY_ARE):
        return image_part(content)
    import io

    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return image_part(buffer.getvalue())
