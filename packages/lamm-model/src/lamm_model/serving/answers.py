"""What a client gets: whole completions, server-sent events, errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lamm_model.errors import LammModelError
from lamm_model.serving.engine import Job, Piece
from lamm_model.serving.messages import RequestError

Numbered = tuple[int, Piece]


class ClientGoneError(Exception):
    """The client has closed its connection."""


class Answers:
    """The answers to one request, in whatever order their pieces come from the model's thread.

    Args:
        envelope: `id`, `created` and `model` of the reply.
        count: How many answers.
        decode: Turns token ids to text, for log-probabilities.
        logprobs: Whether those are wanted.
    """

    def __init__(
        self, envelope: dict[str, Any], count: int, decode: Callable[[list[int]], str], logprobs: bool
    ) -> None:
        self.jobs: list[Job] = []
        self._envelope = envelope
        self._decode = decode
        self._logprobs = logprobs
        self._last: list[Piece | None] = [None] * count
        self._events: asyncio.Queue[tuple[int, Piece | Exception]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def emit(self, number: int) -> Callable[[Piece | Exception], None]:
        """Return what takes the pieces of one answer, in any thread."""

        def put(piece: Piece | Exception) -> None:
            self._loop.call_soon_threadsafe(self._events.put_nowait, (number, piece))

        return put

    def abandon(self) -> None:
        """Say that nobody waits any more: the rows leave the batch."""
        for job in self.jobs:
            job.abandoned = True

    def watch(self, request: Request) -> asyncio.Task[None]:
        """Have `next` raise `ClientGoneError` where the client goes, until the task is cancelled."""

        async def until_gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self._events.put_nowait((-1, ClientGoneError()))

        return asyncio.create_task(until_gone())

    @property
    def open(self) -> bool:
        """Whether pieces are still to come."""
        return any(piece is None or not piece.finish for piece in self._last)

    async def next(self) -> Numbered:
        """Wait for the next piece of any answer.

        Raises:
            Exception: What ended an answer.
        """
        number, piece = await self._events.get()
        if isinstance(piece, Exception):
            raise piece
        self._last[number] = piece
        return number, piece

    async def completion(self, first: Numbered) -> dict[str, Any]:
        """Wait for all pieces and return the whole reply."""
        pieces: list[list[Piece]] = [[] for _ in self._last]
        pieces[first[0]].append(first[1])
        while self.open:
            number, piece = await self.next()
            pieces[number].append(piece)
        choices = [
            {
                "index": number,
                "message": {"role": "assistant", "content": "".join(piece.text for piece in own), "refusal": None},
                "logprobs": self._scores(own),
                "finish_reason": own[-1].finish,
            }
            for number, own in enumerate(pieces)
        ]
        return {**self._envelope, "object": "chat.completion", "choices": choices, "usage": self._usage()}

    async def events(self, first: Numbered, include_usage: bool) -> AsyncIterator[bytes]:
        """Yield the reply as server-sent events; what ends an answer early becomes an event, too."""
        for number in range(len(self._last)):
            yield self._event(number, {"role": "assistant", "content": ""})
        number, piece = first
        try:
            while True:
                yield self._event(number, {"content": piece.text}, piece)
                if not self.open:
                    break
                number, piece = await self.next()
        except LammModelError as fault:
            yield b"data: " + json.dumps({"error": error(fault)}).encode() + b"\n\n"
            return
        if include_usage:
            yield self._chunk({"choices": [], "usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def _event(self, number: int, delta: dict[str, str], piece: Piece | None = None) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": self._scores([piece] if piece else [])}
        return self._chunk({"choices": [{**choice, "finish_reason": (piece.finish if piece else "") or None}]})

    def _chunk(self, content: dict[str, Any]) -> bytes:
        return f"data: {json.dumps({**self._envelope, 'object': 'chat.completion.chunk', **content})}\n\n".encode()

    def _usage(self) -> dict[str, int]:
        ended = [piece for piece in self._last if piece is not None]
        prompt, written = ended[0].prompt_tokens, sum(piece.completion_tokens for piece in ended)
        return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}

    def _scores(self, pieces: Iterable[Piece]) -> dict[str, Any] | None:
        if not self._logprobs:
            return None
        scores = [piece.score for piece in pieces if piece.score is not None]
        content = [
            {**self._scored(score.token, score.logprob), "top_logprobs": [self._scored(*one) for one in score.others]}
            for score in scores
        ]
        return {"content": content, "refusal": None}

    def _scored(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._decode([token])
        whole = "\ufffd" not in text  # part of a character has no text of its own
        return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode()) if whole else None}


class AnswerStream(StreamingResponse):
    """Events of answers, which are abandoned when the client goes, however early."""

    def __init__(self, answers: Answers, first: Numbered, include_usage: bool) -> None:
        super().__init__(answers.events(first, include_usage), media_type="text/event-stream")
        self.headers["Cache-Control"] = "no-store"
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answers.abandon()


def status_of(fault: LammModelError) -> int:
    """Return the HTTP status of a fault: the request's own mistake unless it says otherwise."""
    return fault.status if isinstance(fault, RequestError) else 400


def error(fault: LammModelError) -> dict[str, Any]:
    """Describe a fault as OpenAI's clients read it."""
    code = fault.code if isinstance(fault, RequestError) else "invalid_request_error"
    return {"message": str(fault), "type": code, "code": code, "param": None}
