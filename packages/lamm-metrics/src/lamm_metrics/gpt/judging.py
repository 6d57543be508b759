"""Run the GPT Metric: ask for all verdicts, keep what was said, say what it means."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.gpt.asking import FormatLadder, Outcome, ask, request_payload
from lamm_metrics.gpt.batch import STATE, BatchRun, open_batches
from lamm_metrics.gpt.cache import ReplyCache, request_key
from lamm_metrics.gpt.endpoint import Endpoint
from lamm_metrics.gpt.findings.analysis import analyse
from lamm_metrics.gpt.findings.result import Judgement
from lamm_metrics.gpt.items import Job, PredictionSource, ReferenceSource, plan_jobs, read_items
from lamm_metrics.gpt.prices import BATCH_SHARE, TYPICAL_ANSWER, Budget, estimate_tokens, price_of, read_prices
from lamm_metrics.gpt.sending import Sender
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.gpt.verdicts import FORMATS, judge_messages, prompt_texts

Progress = Callable[[int, int], None]
CACHE, TRANSCRIPTS, RESULT = "requests.jsonl", "transcripts.jsonl", "result.json"
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
    items, models = read_items(
        references, predictions, task=task, missing=missing, sample=settings.sample, seed=settings.seed
    )
    judges = settings.judges or ("unnamed judge",)
    jobs = plan_jobs(items, judges, len(models), settings)
    known = _known_keys(output)
    payloads = {}
    for job in jobs:
        messages = judge_messages(job.item, job.mode, job.order)
        forms = [request_payload(job, settings, messages, form) for form in FORMATS]
        if not any(request_key(settings.shown_endpoint, payload) in known for payload in forms):
            payloads[request_key(settings.shown_endpoint, forms[0])] = forms[0]
    prices = read_prices(settings.prices)
    tokens, cost, most = 0, 0.0, 0.0
    for payload in payloads.values():
        size, price = estimate_tokens(payload), price_of(prices, payload["model"])
        tokens += size
        if price is not None:
            cost += price.of(size, min(TYPICAL_ANSWER, settings.max_tokens))
            most += price.of(size, settings.max_tokens)
    unpriced = tuple(judge for judge in judges if price_of(prices, judge) is None)
    share = BATCH_SHARE if settings.batch else 1.0
    about, at_most = (None, None) if unpriced else (share * cost, share * most)
    return Plan(len(items), len(jobs), len(payloads), tokens, about, at_most, unpriced)


def _known_keys(output: str | PathLike[str] | None) -> set[str]:
    """Keys that the cache answers; a cache is opened only where there is one."""
    path = Path(output) / CACHE if output is not None else None
    if path is None or not path.exists():
        return set()
    with closing(ReplyCache(path)) as cache:
        return cache.answered()


def _check_money(settings: JudgeSettings, judges: Sequence[str], prices: dict[str, Any]) -> None:
    unknown = [judge for judge in judges if price_of(prices, judge) is None]
    if settings.max_cost is not None and unknown:
        raise UsageError(
            f"Expected a price for every judge, because a most cost is set; got none for {', '.join(unknown)}. "
            "Add it to a copy of the price table and give that with --prices."
        )


def run_jobs(
    jobs: Sequence[Job],
    sender: Sender,
    settings: JudgeSettings,
    progress: Progress | None = None,
    batch: BatchRun | None = None,
) -> list[Outcome]:
    """Ask for all verdicts, several at once.

    The first verdict of every judge is asked for alone: what is wrong with a server shows at its first request.
    A batch then fills the cache, as far as it can.

    Returns:
        Outcomes in the order of the jobs.

    Raises:
        EndpointError: The endpoint cannot be used.
    """
    ladder = FormatLadder()
    outcomes: dict[int, Outcome] = {}
    firsts = {job.judge: number for number, job in reversed(list(enumerate(jobs)))}
    for number in firsts.values():
        outcomes[number] = ask(jobs[number], sender, ladder, settings)
        _note(sender, progress, len(outcomes), len(jobs))
    if batch is not None:
        batch.fill(jobs, ladder)
    rest = iter([number for number in range(len(jobs)) if number not in outcomes])
    with ThreadPoolExecutor(settings.concurrency) as pool:
        try:
            for number, outcome in _asked(rest, pool, lambda number: ask(jobs[number], sender, ladder, settings)):
                outcomes[number] = outcome
                _note(sender, progress, len(outcomes), len(jobs))
        except BaseException:
            sender.stopped.set()
            raise
    return [outcomes[number] for number in range(len(jobs))]


def _asked(
    numbers: Iterator[int], pool: ThreadPoolExecutor, work: Callable[[int], Outcome]
) -> Iterator[tuple[int, Outcome]]:
    """Do work in a pool without ever holding more than a few tasks in its queue."""
    running: dict[Future[Outcome], int] = {}
    while True:
        for number in islice(numbers, 256 - len(running)):
            running[pool.submit(work, number)] = number
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), future.result()


def _note(sender: Sender, progress: Progress | None, done: int, total: int) -> None:
    if sender.fatal is not None:
        raise sender.fatal
    if progress is not None:
        progress(done, total)


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
            "messages": judge_messages(job.item, job.mode, job.order),
            "replies": list(outcome.replies),
            "requests": list(outcome.keys),
        }
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _write(path: Path, lines: Iterable[str]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.writelines(lines)
    os.replace(partial, path)


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
    items, models = read_items(
        references, predictions, task=task, missing=missing, sample=settings.sample, seed=settings.seed
    )
    prices = read_prices(settings.prices)
    folder = Path(output)
    if open_batches(folder) and not settings.batch:
        raise UsageError(
            f"Expected --batch, because a batch of {folder} is under way and would be paid for twice. "
            f"Add it, or remove {folder / STATE}."
        )
    with closing(Endpoint(settings)) as endpoint:
        judges = settings.judges or (endpoint.only_model(),)
        _check_money(settings, judges, prices)
        jobs = plan_jobs(items, judges, len(models), settings)
        with closing(ReplyCache(folder / CACHE)) as cache:
            budget = Budget(prices, settings.max_cost, cache.items(), cache.unknown_sendings())
            sender = Sender(endpoint, cache, budget, settings)
            batch = BatchRun(sender, settings, folder) if settings.batch else None
            outcomes = run_jobs(jobs, sender, settings, progress, batch)
    reports, agreement = analyse(outcomes, models, judges, settings)
    priced = all(price_of(prices, judge) is not None for judge in judges)
    found = Judgement(
        mode=settings.mode,
        models=models,
        records=len(items),
        reports=tuple(reports),
        agreement=agreement,
        requests=_traffic(sender),
        cost=budget.spent if priced else None,
        unsent=sum(bool(outcome.reason) and outcome.reason not in JUDGES_FAULT for outcome in outcomes),
        settings=_said(settings, judges),
    )
    _write(folder / TRANSCRIPTS, _transcripts(outcomes, models))
    _write(folder / RESULT, [json.dumps(found.to_json(), indent=1, ensure_ascii=False), "\n"])
    return found


def _traffic(sender: Sender) -> dict[str, int]:
    """Requests by what became of them; those that may be paid twice only where there are any."""
    repeated = {"possibly_paid_twice": sender.repeated} if sender.repeated else {}
    return {"sent": sender.sent, "cached": sender.cached, **repeated, **dict(sorted(sender.failures.items()))}


def _said(settings: JudgeSettings, judges: Sequence[str]) -> dict[str, Any]:
    """The settings that a file may show: all but the key."""
    names = (
        "mode",
        "sample",
        "seed",
        "repeat_share",
        "temperature",
        "max_tokens",
        "max_cost",
        "batch",
        "draws",
        "confidence",
    )
    shown = {name: getattr(settings, name) for name in names}
    return {"endpoint": settings.shown_endpoint, "judges": list(judges), "prompts": prompt_texts()["version"], **shown}
