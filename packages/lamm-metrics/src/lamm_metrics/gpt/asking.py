"""Ask a judge for one verdict: the strictest format the server knows, and one corrective re-ask."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from lamm_llm import (
    FORMATS,
    BudgetReachedError,
    EndpointError,
    Engine,
    FormatLadder,
    GaveUpError,
    RefusedError,
    Reply,
    Request,
    UnsupportedError,
)
from lamm_metrics.gpt.items import Job, Outcome
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.gpt.verdicts import Reading, corrected, form_text, judge_messages, read_verdict, response_format

Messages = list[dict[str, str]]


def judge_request(job: Job, settings: JudgeSettings, messages: Messages, form: str) -> Request:
    """Return a request for one verdict. The second asking has another seed, hence another key.

    The key covers the endpoint, too: caches of earlier versions are keyed so.
    """
    payload: Mapping[str, Any] = {
        "model": job.judge,
        "messages": messages,
        "temperature": settings.temperature,
        "seed": settings.seed + job.repeat,
        "max_tokens": settings.max_tokens,
        **response_format(form, job.mode, len(job.order)),
    }
    keyed = {"endpoint": settings.shown_endpoint, "request": payload}
    text = json.dumps(keyed, sort_keys=True, separators=(",", ":")).encode("utf-8")
    tokens = len(text) // 4 + settings.max_tokens
    return Request(sha256(text).hexdigest(), dict(payload), form, settings.seed + job.repeat, tokens)


class Asker:
    """Asks for verdicts through one engine.

    Attributes:
        fatal: The error that stopped the run, if one did.
    """

    def __init__(self, engine: Engine[int], settings: JudgeSettings) -> None:
        if engine.journal is None:
            raise TypeError("Expected an engine with a journal, got one without: judging keeps every verdict.")
        self.engine, self.journal, self.settings = engine, engine.journal, settings
        self.fatal: EndpointError | None = None
        self._ladders: dict[str, FormatLadder] = {}
        self._resumed = len(self.journal) > 0

    def request(self, job: Job, messages: Messages) -> Request:
        """Return the request that is answered already in some format, else the one in the judge's current format."""
        ladder = self._ladders.setdefault(job.judge, FormatLadder())
        forms = ladder.candidates() if self._resumed else [ladder.current]
        requests = [judge_request(job, self.settings, messages, form) for form in forms]
        return next((request for request in requests if request.key in self.journal), requests[0])

    async def ask(self, job: Job) -> Outcome:
        """Ask for one verdict.

        Returns:
            The verdict, or why there is none. Nothing but a verdict in the form asked for is ever a score.

        Raises:
            EndpointError: The endpoint cannot be used.
        """
        messages = judge_messages(job.item, job.mode, job.order)
        replies: list[str] = []
        keys: list[str] = []
        reading, form, asked = Reading((), "stopped"), "", 0
        try:
            while asked < 2:
                request = self.request(job, messages)
                form, reply = request.format, await self._fetch(request)
                keys.append(request.key)
                if reply.rejected == "format" and form != FORMATS[-1]:
                    self._ladders[job.judge].refused(form)
                    continue
                replies.append(reply.refusal or reply.text)
                if reply.rejected:
                    reading = Reading((), "rejected")
                    break
                reading = _read(reply, job)
                if not reading.reason:
                    break
                asked += 1
                messages = corrected(messages, reply.text, reading.reason, form_text(job.mode, len(job.order)))
        except BudgetReachedError:
            reading = Reading((), "max_cost")
        except GaveUpError as error:
            reading = Reading((), error.reason)
        except EndpointError as error:
            self.fatal = self.fatal or error
            raise
        return Outcome(job, reading.values, reading.reason, tuple(replies), tuple(keys), form)

    async def _fetch(self, request: Request) -> Reply:
        """Return the reply; what the server refuses for good is one too, so that it is not asked again."""
        try:
            return await self.engine.ask(request, self.engine.endpoints[0])
        except UnsupportedError as error:
            return Reply(str(error), rejected="format")
        except RefusedError as error:
            reply = Reply(str(error), rejected="request")
            await self.journal.append(request.key, reply, request.payload["model"])
        return reply


def _read(reply: Reply, job: Job) -> Reading:
    """Read a reply; a cut-off or refused one gives no verdict, whatever it holds."""
    if reply.refusal or reply.finish == "content_filter":
        return Reading((), "refusal")
    if reply.finish == "length":
        return Reading((), "truncated")
    return read_verdict(reply.text, job.mode, len(job.order))
