"""Run the GPT Metric: ask for all verdicts, keep what was said, say what it means."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lamm_metrics.errors import UsageError
from lamm_metrics.gpt.findings.analysis import analyse
from lamm_metrics.gpt.findings.result import Judgement
from lamm_metrics.gpt.items import Item, Job, Outcome, plan_jobs, read_items
from lamm_metrics.gpt.settings import JudgeSettings, client_errors
from lamm_metrics.gpt.verdicts import judge_messages, prompt_texts
from lamm_metrics.records.files import write_beside
from lamm_metrics.records.predictions import PredictionSource
from lamm_metrics.records.tasks import ReferenceSource

if TYPE_CHECKING:
    from lamm_llm import Endpoint, Price, Traffic
    from lamm_metrics.gpt.asking import Asker
    from lamm_metrics.gpt.batch import BatchRun

Progress = Callable[[int, int], None]
CACHE, TRANSCRIPTS, RESULT = "requests.jsonl", "transcripts.jsonl", "result.json"
# Tokens of a typical verdict, for the lower of the two estimates.
TYPICAL_ANSWER = 120
# Share of the price that the Batch API costs where the table does not say.
BATCH_SHARE = 0.5
# Requests given up in a row after which the server is taken for down, and seconds it may make everybody wait.
GIVEN_UP, PATIENCE = 10, 600.0
# Reasons of unscored verdicts that are the judge's own; all others may go away when the run is repeated.
JUDGES_FAULT = {"empty", "refusal", "truncated", "no_json", "wrong_form", "contradictory", "rejected"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would send.

    Attributes:
        records: Number of records.
        verdicts: Verdicts to ask for.
        requests: Requests that no cache answers, without corrective re-asks.
        prompt_tokens: Their estimated tokens.
        cost: Estimated US dollars with verdicts of usual length; None where a price is unknown.
        most: The same with verdicts as long as allowed.
        unpriced: Judges without a price.
    """

    records: int
    verdicts: int
    requests: int
    prompt_tokens: int
    cost: float | None
    most: float | None
    unpriced: tuple[str, ...]


def plan_judging(
    references: ReferenceSource,
    predictions: Sequence[PredictionSource],
    settings: JudgeSettings,
    output: str | PathLike[str] | None = None,
    *,
    task: str | None = None,
    missing: str = "error",
) -> Plan:
    """Estimate what `judge_answers` would send and cost, without sending anything.

    Raises:
        LammMetricsError: Faulty files or settings.
    """
    items, models = read_items(references, predictions, settings, task, missing)
    judges = settings.judges or ("unnamed judge",)
    jobs = plan_jobs(items, judges, len(models), settings)
    with client_errors():
        from lamm_llm import FORMATS, batch_share, read_replies
        from lamm_metrics.gpt.asking import judge_request

        known = read_replies(Path(output) / CACHE) if output is not None else {}
        requests = {}
        for job in jobs:
            messages = judge_messages(job.item, job.mode, job.order)
            forms = [judge_request(job, settings, messages, form) for form in FORMATS]
            if not any(request.key in known for request in forms):
                requests[forms[0].key] = forms[0]
        prices = _prices(judges, settings)
        share = batch_share(settings.prices, BATCH_SHARE) if settings.batch else 1.0
    tokens, cost, most = 0, 0.0, 0.0
    for request in requests.values():
        size, longest, judge = request.most
        price = prices.get(judge)
        tokens += size
        if price is not None:
            cost += price.cost(size, min(TYPICAL_ANSWER, settings.max_tokens))
            most += price.cost(size, longest)
    unpriced = tuple(judge for judge in judges if judge not in prices)
    about, at_most = (None, None) if unpriced else (share * cost, share * most)
    return Plan(len(items), len(jobs), len(requests), tokens, about, at_most, unpriced)


def _prices(judges: Sequence[str], settings: JudgeSettings) -> dict[str, "Price"]:
    """Return the known prices of the judges."""
    from lamm_llm import find_price

    found = {judge: find_price(judge, settings.prices) for judge in judges}
    return {judge: price for judge, price in found.items() if price is not None}


def _check_money(settings: JudgeSettings, judges: Sequence[str], prices: dict[str, "Price"]) -> None:
    unknown = [judge for judge in judges if judge not in prices]
    if settings.max_cost is not None and unknown:
        raise UsageError(
            f"Expected a price for every judge, because a most cost is set; got none for {', '.join(unknown)}. "
            "Add it to a copy of the price table and give that with --prices."
        )


async def run_jobs(
    jobs: Sequence[Job], asker: "Asker", progress: Progress | None = None, batch: "BatchRun | None" = None
) -> list[Outcome]:
    """Ask for all verdicts, several at once.

    The first verdict of every judge is asked for alone: what is wrong with a server shows at its first request.
    A batch then fills the journal, as far as it can.

    Returns:
        Outcomes in the order of the jobs.

    Raises:
        EndpointError: The endpoint cannot be used.
    """
    outcomes: dict[int, Outcome] = {}

    async def work(number: int, _: object = None) -> None:
        outcomes[number] = await asker.ask(jobs[number])
        if progress is not None:
            progress(len(outcomes), len(jobs))

    firsts = {job.judge: number for number, job in reversed(list(enumerate(jobs)))}
    for number in firsts.values():
        await work(number)
    if batch is not None:
        await batch.fill(jobs)
    await asker.engine.run((number for number in range(len(jobs)) if number not in firsts.values()), work)
    if asker.fatal is not None:
        raise asker.fatal
    return [outcomes[number] for number in range(len(jobs))]


def _transcripts(outcomes: Iterable[Outcome], models: tuple[str, ...]) -> Iterator[str]:
    for outcome in outcomes:
        job = outcome.job
        row = {
            "id": job.item.id,
            "judge": job.judge,
            "mode": job.mode,
            "order": [models[index] for index in job.order],
            "repeat": job.repeat,
            "values": list(outcome.values),
            "unscored": outcome.reason,
            "format": outcome.form,
            "messages": judge_messages(job.item, job.mode, job.order, show=False),
            **({"pictures": [path.name for path in job.item.pictures]} if job.item.pictures else {}),
            "replies": list(outcome.replies),
            "requests": list(outcome.keys),
        }
        yield json.dumps(row, ensure_ascii=False) + "\n"


def judge_answers(
    references: ReferenceSource,
    predictions: Sequence[PredictionSource],
    settings: JudgeSettings,
    output: str | PathLike[str],
    *,
    task: str | None = None,
    missing: str = "error",
    progress: Progress | None = None,
) -> Judgement:
    """Let language models compare or grade the answers of models.

    The folder `output` then holds `requests.jsonl` (every reply, so that the same call again sends nothing twice),
    `transcripts.jsonl` (what was asked and said, one verdict a line) and `result.json`.

    Args:
        references: Benchmark records, of one task or of several, or the path of their file.
        predictions: The answers, one source a model.
        settings: Who judges, and how.
        output: Folder to write to.
        task: Task key; without it each record's own is used.
        missing: "error", or "failed" to show missing answers as empty ones.
        progress: Called with the number of verdicts done and of all.

    Raises:
        EndpointError: The endpoint cannot be used: it is down, or key, model or quota are wrong.
        LammMetricsError: Faulty files or settings.
    """
    items, models = read_items(references, predictions, settings, task, missing)
    with client_errors():
        from lamm_llm import BatchState, run_async

        folder = Path(output)
        batches = BatchState(folder / CACHE)
        if batches.open() and not settings.batch:
            raise UsageError(
                f"Expected --batch, because a batch of {folder} is under way and would be paid for twice. "
                f"Add it, or remove {batches.path}."
            )
        asked = run_async(lambda: _ask_all(items, len(models), settings, folder, progress))
    reports, agreement = analyse(asked.outcomes, models, asked.judges, settings)
    found = Judgement(
        mode=settings.mode,
        models=models,
        records=len(items),
        reports=tuple(reports),
        agreement=agreement,
        requests=asked.traffic,
        cost=asked.cost,
        unsent=sum(bool(outcome.reason) and outcome.reason not in JUDGES_FAULT for outcome in asked.outcomes),
        settings=_settings(settings, asked.judges),
    )
    write_beside(folder / TRANSCRIPTS, _transcripts(asked.outcomes, models))
    write_beside(folder / RESULT, [json.dumps(found.to_json(), indent=1, ensure_ascii=False), "\n"])
    return found


class _Asked(NamedTuple):
    """What one call's asking gave, and what it cost."""

    outcomes: list[Outcome]
    judges: tuple[str, ...]
    traffic: dict[str, int]
    cost: float | None


async def _ask_all(
    items: Sequence[Item], models: int, settings: JudgeSettings, folder: Path, progress: Progress | None
) -> _Asked:
    from lamm_llm import Budget, Endpoint, EndpointSettings, Engine, Journal, RetryPolicy, batch_share
    from lamm_metrics.gpt.asking import Asker
    from lamm_metrics.gpt.batch import BatchRun

    endpoint = Endpoint(
        EndpointSettings(settings.endpoint, settings.key, concurrency=settings.concurrency, timeout=settings.timeout)
    )
    try:
        judges = settings.judges or (await _only_model(endpoint),)
        prices = _prices(judges, settings)
        _check_money(settings, judges, prices)
        jobs = plan_jobs(items, judges, models, settings)
        budget = Budget(prices, settings.max_cost, promise=True)
        with closing(Journal(folder / CACHE, None, sendings=True)) as journal:
            for model, reply in journal.replies():
                budget.spend(reply.prompt_tokens, reply.completion_tokens, model, reply.share)
            for sending in journal.unknown_sendings():
                budget.suspect(sending.prompt_tokens, sending.answer_tokens, sending.model)
            policy = RetryPolicy(settings.retries + 1, patience=PATIENCE, failures_in_a_row=GIVEN_UP)
            engine: Engine[int] = Engine([endpoint], journal, budget, policy, settings.seed)
            asker = Asker(engine, settings)
            share = batch_share(settings.prices, BATCH_SHARE)
            batch = BatchRun(asker, share, folder / CACHE) if settings.batch else None
            outcomes = await run_jobs(jobs, asker, progress, batch)
    finally:
        await endpoint.close()
    return _Asked(outcomes, judges, _requests(engine.traffic), budget.cost if len(prices) == len(judges) else None)


async def _only_model(endpoint: "Endpoint") -> str:
    """Return the server's one model.

    Raises:
        UsageError: It has several or does not tell.
    """
    names = await endpoint.model_names()
    if len(names) != 1:
        listed = f": {', '.join(names[:10])}" if names else ""
        url = endpoint.settings.shown_url
        raise UsageError(f"Expected one model at {url}, got {len(names)}{listed}. Name one with --judge.")
    return names[0]


def _requests(traffic: "Traffic") -> dict[str, int]:
    """Return requests by what became of them; those that may be paid twice, and failures, only where there are any."""
    repeated = {"possibly_paid_twice": traffic.repeated} if traffic.repeated else {}
    throttled = {"http_429": traffic.throttled} if traffic.throttled else {}
    failures = dict(sorted({**traffic.retried, **throttled}.items()))
    return {"sent": traffic.sent, "cached": traffic.reused, **repeated, **failures}


def _settings(settings: JudgeSettings, judges: Sequence[str]) -> dict[str, Any]:
    """Return the settings that a file may show: all but the key."""
    left_out = ("endpoint", "judges", "key", "concurrency", "timeout", "retries", "prices", "batch_pause", "media_root")
    chosen = {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in left_out}
    seen = {"pictures": True} if settings.media_root is not None else {}
    version = prompt_texts()["version"]
    return {"endpoint": settings.shown_endpoint, "judges": list(judges), "prompts": version, **seen, **chosen}
