"""Ask a judge for one verdict: the strictest format the server knows, and one corrective re-ask."""

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from lamm_llm import (
    BudgetReachedError,
    EndpointError,
    Engine,
    FormatLadder,
    GaveUpError,
    RefusedError,
    Reply,
    Request,
    UnsupportedError,
    make_request,
    response_format,
)
from lamm_metrics.gpt.items import Job, Outcome
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.gpt.verdicts import Reading, corrected, form_text, judge_messages, read_verdict, verdict_schema

Messages = list[dict[str, Any]]


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
        **response_format(form, f"{job.mode}_verdict", verdict_schema(job.mode, len(job.order))),
    }
    keyed = {"endpoint": settings.shown_endpoint, "request": payload}
    text = json.dumps(keyed, sort_keys=True, separators=(",", ":")).encode("utf-8")
    pictured = bool(job.item.pictures)
    tokens = make_request(dict(payload)).tokens if pictured else len(text) // 4 + settings.max_tokens
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
        asked_before = self.journal if len(self.journal) else frozenset[str]()
        self._ladders = defaultdict[str, FormatLadder](lambda: FormatLadder(asked_before=asked_before))

    def request(self, job: Job, messages: Messages) -> Request:
        """Return the request that is answered already in some format, else the one in the judge's current format."""
        return self._ladders[job.judge].choose(partial(judge_request, job, self.settings, messages))

    async def ask(self, job: Job) -> Outcome:
        """Ask for one verdict.

        Returns:
            The verdict, or why there is none. Nothing but a verdict in the form asked for is ever a score.

        Raises:
            EndpointError: The endpoint cannot be used.
        """
        messages = judge_messages(job.item, job.mode, job.order)
        replies: list[str] = []
        requests: list[Request] = []
        reading = Reading((), "stopped")
        try:
            while len(replies) < 2:
                build = partial(judge_request, job, self.settings, messages)
                reply = await self._ladders[job.judge].ask(build, self._fetch, requests)
                replies.append(reply.refusal or reply.text)
                reading = Reading((), "rejected") if reply.rejected else _read(reply, job)
                if reply.rejected or not reading.reason:
                    break
                messages = corrected(messages, reply.answer, reading.reason, form_text(job.mode, len(job.order)))
        except UnsupportedError as error:
            replies.append(str(error))
            reading = Reading((), "rejected")
        except BudgetReachedError:
            reading = Reading((), "max_cost")
        except GaveUpError as error:
            reading = Reading((), error.reason)
        except EndpointError as error:
            self.fatal = self.fatal or error
            raise
        keys = tuple(request.key for request in requests if request.key in self.journal)
        return Outcome(
            job, reading.values, reading.reason, tuple(replies), keys, requests[-1].format if replies else ""
        )

    async def _fetch(self, request: Request) -> Reply:
        """Return the reply; what the server refuses for good is one too, so that it is not asked again."""
        try:
            return await self.engine.ask(request, self.engine.endpoints[0])
        except RefusedError as error:
            reply = Reply(str(error), rejected="request")
            await self.journal.append(request.key, reply, request.payload["model"])
        return reply


def _read(reply: Reply, job: Job) -> Reading:
    """Read a reply; a cut-off or refused one gives no verdict, whatever it holds."""
    if reply.refusal or reply.finish == "content_filter":
        return Reading((), "refusal")
    if reply.cut_off:
        return Reading((), "truncated")
    return read_verdict(reply.answer, job.mode, len(job.order))
