"""`lamm data generate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamm_data.generation.run import Summary
    from lamm_data.generation.settings import GenerationSettings

_PATH = click.Path(path_type=Path)


def _types(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_data.generation.prompts import prompt_names

    return [name for name in prompt_names() if name.startswith(begun)]


@click.command()
@click.argument("config", required=False, type=_PATH)
@click.option(
    "--type",
    "type",
    shell_complete=_types,
    help="daily_dialogue, detailed_description, factual_knowledge_dialogue, ...",
)
@click.option(
    "--annotations", type=_PATH, help="JSON Lines of annotation rows, or the folder of a download such as COCO."
)
@click.option("--endpoint", help="Base URL of an OpenAI-compatible server, for example http://localhost:8000/v1.")
@click.option("--model", help="Model name, as the server knows it.")
@click.option("--output", type=_PATH, help="File of records to write; run again with the same name to continue.")
@click.option("--format", "format", help="Answer format: auto, json_schema, json_object or text.")
@click.option("--style", help="full, or brief for small models on small machines.")
@click.option("--rounds", type=int, help="Rounds of dialogue to ask for.")
@click.option("--see", type=click.Choice(["image", "views"]),
              help="Send the picture too, or ask first what views of the cloud show.")  # fmt: skip
@click.option("--see-only", is_flag=True, default=None, help="Show the picture or the views instead of annotations.")
@click.option("--media-root", type=_PATH, help="Folder of pictures and clouds [that of the annotations].")
@click.option("--limit", type=int, help="Use only the first rows.")
@click.option("--max-tokens", type=int, help="Most tokens of one answer.")
@click.option("--concurrency", type=int, help="Requests at once.")
@click.option("--max-cost", type=float, help="Stop before spending more than this, in US dollars.")
@click.option("--max-requests", type=int, help="Stop after sending so many requests.")
@click.option("--prices", type=_PATH, help="Price table to use instead of the packaged one.")
@click.option("--prompt", type=_PATH, help="TOML file that overrides parts of the packaged prompt.")
@click.option(
    "--api-key-env", help="Environment variable of the endpoint's API key [OpenAI: OPENAI_API_KEY; else no key]."
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any other setting; may be repeated.")
@click.option(
    "--batch",
    type=click.Choice(["submit", "status", "collect", "cancel"]),
    help="Use the endpoint's Batch API (half the price, within a day) instead of asking now.",
)
@click.option("--dry-run", is_flag=True, help="Send nothing: estimate requests, tokens and cost.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def generate(
    config: Path | None, assignments: tuple[str, ...], batch: str | None, dry_run: bool, as_json: bool, **options: Any
) -> None:
    """Generate instruction data with a language model, from captions and boxes.

    CONFIG is a TOML file with any of the settings below. Nothing is lost and nothing is asked twice: answers are kept
    in a journal beside the output, and running the same command again continues. Answers that cannot be used are kept
    with their reason in NAME.rejected.jsonl.
    """
    from lamm_data.files.settings import parse_assignment
    from lamm_data.generation.settings import make_settings, read_settings

    values = read_settings(config) if config else {}
    values |= dict(parse_assignment(text) for text in assignments)
    values |= {name: value for name, value in options.items() if value is not None}
    settings = make_settings(values, config)
    if dry_run:
        from lamm_data.generation.estimate import estimate
        from lamm_data.progress import progress_bar

        with progress_bar("estimate", settings.limit) as progress:
            estimated = estimate(settings, progress)
        _show(estimated.to_dict(), as_json)
        return
    if batch:
        _batch(batch, settings, as_json)
    else:
        _ask(settings, as_json)


def _ask(settings: GenerationSettings, as_json: bool) -> None:
    from lamm_data.errors import LammDataError
    from lamm_data.generation.run import generate as run
    from lamm_llm import sole_use

    with sole_use(settings.output), _watching(settings) as watch:
        summary = run(settings, watch)
    if as_json:
        _show(summary.to_dict(), True)
    else:
        click.echo(_describe(summary, settings.output))
    left = summary.counts.failed.total() + summary.counts.unsent
    if summary.stopped or left:
        why = summary.stopped or ", ".join(f"{count} {reason}" for reason, count in summary.counts.failed.items())
        raise LammDataError(
            f"Expected an answer for every row, got none for {left} ({why}). "
            "Run the same command again to ask for those only."
        )


def _batch(action: str, settings: GenerationSettings, as_json: bool) -> None:
    from lamm_data.errors import LammDataError
    from lamm_data.generation.batch import describe_batches, run_batch
    from lamm_data.progress import progress_bar
    from lamm_llm import sole_use

    with sole_use(settings.output), progress_bar(action, settings.limit) as progress:
        summary = run_batch(action, settings, progress)
    if as_json:
        _show(summary.to_dict(), True)
    else:
        click.echo(describe_batches(summary, settings.output))
    counts = summary.counts
    left = counts.failed.total() + counts.unsent if action == "collect" else 0
    if left or summary.stopped:
        raise LammDataError(
            f"Expected all rows to be {action}ed, got {left or counts.unsent} that are not"
            f"{f' ({summary.stopped})' if summary.stopped else ''}. "
            "Collect again when the batches have ended; submit again for corrections and for what failed."
        )


def _describe(summary: Summary, output: Path) -> str:
    counts, traffic = summary.counts, summary.traffic
    reasons = "".join(f", {count} {reason}" for reason, count in sorted(counts.rejected.items()))
    cost = "unknown" if summary.cost is None else f"{summary.cost:.4f} USD"
    return "\n".join(
        [
            f"{counts.rows} rows: {counts.finished} finished, {counts.rejected.total()} rejected{reasons}, "
            f"{counts.failed.total()} failed, {counts.unsent} not sent",
            f"{counts.records} records in {output}; {counts.asked_again} rows asked again, {counts.salvaged} salvaged",
            f"{traffic.sent} requests sent, {traffic.reused} answers reused, {summary.prompt_tokens} + "
            f"{summary.answer_tokens} tokens, cost {cost}, {summary.seconds:.1f} s",
            *(f"Went on without an endpoint: {why}" for why in traffic.given_up),
        ]
    )


def _show(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(values))
        return
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' ')}: {'unknown' if value is None else value}")


@contextmanager
def _watching(settings: GenerationSettings) -> Iterator[Callable[[Summary], None] | None]:
    """Show rows, rejections, rate, tokens, cost and projected cost on standard error while the block runs.

    Yields:
        What the run should call after each row; None when standard error is no terminal or rich is not installed.
    """
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        yield None
        return
    from lamm_data.generation.settings import input_rows, settings_builder

    total = sum(1 for _ in input_rows(settings, settings_builder(settings).prompt))
    columns = (
        TextColumn("generate"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("", total=total)
        yield lambda summary: bar.update(
            task, completed=_done_rows(summary), description=_progress_line(summary, total)
        )


def _done_rows(summary: Summary) -> int:
    """Count the rows that have ended, whichever way."""
    counts = summary.counts
    return counts.finished + counts.rejected.total() + counts.failed.total()


def _progress_line(summary: Summary, total: int) -> str:
    """Say in one line how a run goes, for example `3 rejected, 12.0/s, 4,200 tokens, $0.12 of about $0.40`."""
    done = _done_rows(summary)
    problems = summary.counts.rejected + summary.counts.failed
    parts = [f"{count} {reason}" for reason, count in problems.most_common(3)]
    parts.append(f"{done / max(summary.seconds, 1e-9):.1f}/s")
    parts.append(f"{summary.prompt_tokens + summary.answer_tokens:,} tokens")
    if summary.cost is not None:
        parts.append(f"${summary.cost:.2f} of about ${summary.cost * total / max(done, 1):.2f}")
    return ", ".join(parts)
