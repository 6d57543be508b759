"""Ask a judge for one verdict: the strictest format the server knows, and one corrective re-ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamm_metrics.gpt.cache import Reply
from lamm_metrics.gpt.failures import NotSentError, PassingError
from lamm_metrics.gpt.items import Job
from lamm_metrics.gpt.sending import Sender
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.gpt.verdicts import (
    FORMATS,
    Reading,
    corrected,
    form_text,
    judge_messages,
    read_verdict,
    response_format,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one job.

    Attributes:
        job: What was asked.
        values: Ranks in the order shown, or the five grades; empty where the job is unscored.
        reason: Why it is unscored: empty, refusal, truncated, no_json, wrong_form, contradictory (the judge's fault),
            rejected (the server refused the request), http_500 and other failures, max_cost or stopped (not sent).
        replies: What the judge wrote, the corrected reply last.
        keys: Keys of the requests in the cache.
        form: Format that was asked for.
    """

    job: Job
    values: tuple[int, ...] = ()
    reason: str = ""
    replies: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    form: str = ""


class FormatLadder:
    """The strictest format that a judge's server is known to take; every judge has one, shared by all threads."""

    def __init__(self) -> None:
        self._level: dict[str, int] = {}

    def form(self, judge: str) -> str:
        """The format to ask for."""
        return FORMATS[self._level.get(judge, 0)]

    def lower(self, judge: str, refused: str) -> bool:
        """Step down from a format that was refused; tell whether there is one left."""
        level = FORMATS.index(refused) + 1
        if level < len(FORMATS):
            self._level[judge] = max(level, self._level.get(judge, 0))
        return level < len(FORMATS)


def request_payload(job: Job, settings: JudgeSettings, messages: list[dict[str, str]], form: str) -> dict[str, Any]:
    """The body of a request, as it is keyed in the cache. The second asking has another seed, hence another key."""
    return {
        "model": job.judge,
        "messages": messages,
        "temperature": settings.temperature,
        "seed": settings.seed + job.repeat,
        "max_tokens": settings.max_tokens,
        **response_format(form, job.mode, len(job.order)),
    }


def _read(reply: Reply, job: Job) -> Reading:
    """Read a reply; a cut-off or refused one gives no verdict, whatever it holds."""
    if reply.refusal or reply.finish == "content_filter":
        return Reading((), "refusal")
    if reply.finish == "length":
        return Reading((), "truncated")
    return read_verdict(reply.text, job.mode, len(job.order))


def ask(job: Job, sender: Sender, ladder: FormatLadder, settings: JudgeSettings) -> Outcome:
    """Ask for one verdict.

    Args:
        job: What to ask.
        sender: Sends, or answers from the cache.
        ladder: Formats that are known not to work.
        settings: How to ask.

    Returns:
        The verdict, or why there is none. Nothing but a verdict in the form asked for is ever a score.
    """
    messages = judge_messages(job.item, job.mode, job.order)
    replies: list[str] = []
    keys: list[str] = []
    reading, form, asked = Reading((), "stopped"), ladder.form(job.judge), 0
    try:
        while asked < 2:
            payload: Mapping[str, Any] = request_payload(job, settings, messages, form)
            key, reply = sender.fetch(payload)
            keys.append(key)
            if reply.rejected == "format" and ladder.lower(job.judge, form):
                form = ladder.form(job.judge)
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
    except (NotSentError, PassingError) as error:
        reading = Reading((), error.reason)
    return Outcome(job, reading.values, reading.reason, tuple(replies), tuple(keys), form)
