"""`lamm metrics judge`."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(exists=True, dir_okay=False)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr where somebody watches it."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("judging", total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total)


@click.command()
@click.option("--references", required=True, type=_FILE, help="Benchmark records with the ground truth.")
@click.option(
    "--predictions", required=True, multiple=True, type=_FILE, help="Answers of a model; repeat for every model."
)
@click.option(
    "--endpoint", required=True, help="Base URL of an OpenAI-compatible server, such as http://localhost:8000/v1."
)
@click.option("--judge", "judges", multiple=True, help="Judging model; repeatable. Default: the server's only model.")
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Folder; run again to continue there.")
@click.option("--mode", default="pairwise", show_default=True, help="pairwise, listwise or absolute.")
@click.option("--task", help="Task key, where the records do not tell.")
@click.option("--missing", default="error", show_default=True, help="error, or failed for missing answers.")
@click.option("--sample", type=int, help="Judge so many records, drawn with the seed.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample, orders, judge and bootstrap.")
@click.option("--repeat-share", default=0.1, show_default=True, help="Share of records judged twice.")
@click.option("--temperature", default=0.0, show_default=True, help="The judge's temperature.")
@click.option("--max-tokens", default=512, show_default=True, help="Most tokens of a verdict.")
@click.option("--concurrency", default=8, show_default=True, help="Requests at once.")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds one reply may take.")
@click.option("--retries", default=5, show_default=True, help="Further attempts after a failure that may pass.")
@click.option("--max-cost", type=float, help="Most US dollars that all runs with this output may cost.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Price table (TOML).")
@click.option("--batch", is_flag=True, help="Use the server's Batch API: half the price, up to a day.")
@click.option("--batch-pause", default=30.0, show_default=True, help="Seconds between two looks at a batch.")
@click.option("--draws", default=1000, show_default=True, help="Bootstrap draws.")
@click.option("--confidence", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.9999), help="Coverage.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable that holds the API key.")
@click.option("--dry-run", is_flag=True, help="Send nothing: estimate requests, tokens and cost.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def judge(
    references: str,
    predictions: tuple[str, ...],
    output: str,
    task: str | None,
    missing: str,
    api_key_env: str,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Let a language model compare or grade answers (GPT Metric).

    No answered request is sent twice: replies are kept in the output folder, and the same command again continues.
    """
    from lamm_metrics.errors import LammMetricsError
    from lamm_metrics.gpt.judging import judge_answers, plan_judging
    from lamm_metrics.gpt.settings import JudgeSettings

    settings = JudgeSettings(key=os.environ.get(api_key_env, ""), **options)
    if dry_run:
        _show_plan(plan_judging(references, predictions, settings, output, task=task, missing=missing), as_json)
        return
    with _progress() as progress:
        found = judge_answers(references, predictions, settings, output, task=task, missing=missing, progress=progress)
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else str(found))
    if found.unsent:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.reports[0].unscored.items())
        raise LammMetricsError(
            f"Expected every verdict, got none for {found.unsent} ({reasons}). "
            "Run the same command again to ask for those only."
        )


def _show_plan(plan: Any, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        click.echo(json.dumps(asdict(plan), indent=1))
        return
    unpriced = f"unknown (no price for {', '.join(plan.unpriced)}; add it to a copy of the table, --prices)"
    cost = unpriced if plan.cost is None else f"about {plan.cost:.4f} USD, at most {plan.most:.4f} USD"
    click.echo(
        f"{plan.records} records, {plan.verdicts} verdicts, {plan.requests} requests to send "
        f"(about {plan.prompt_tokens} prompt tokens)\ncost: {cost}, without corrective re-asks"
    )
