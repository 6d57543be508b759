"""The `lamm metrics` commands."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamm_metrics.gpt.judging import Plan
    from lamm_metrics.results.report import Report

FILE = click.Path(exists=True, dir_okay=False)
FOLDER = click.Path(exists=True, file_okay=False)
ENDINGS = (".html", ".htm", ".json", ".txt")
_SHARED: Mapping[str, Callable[..., Any]] = {
    "task": click.option("--task", required=True, help="Task key; `lamm metrics list` shows them."),
    "references": click.option("--references", required=True, type=FILE, help="Benchmark records with the truth."),
    "predictions": click.option("--predictions", required=True, type=FILE, help="Answers, JSON Lines or a JSON list."),
    "names": click.option("--metric", "names", multiple=True, help="Use this metric in place of the task's own."),
    "pairs": click.option(
        "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Option of a metric, e.g. convention=thousand-xyxy."
    ),
    "missing": click.option(
        "--missing", default="error", show_default=True, help="error, or failed to count missing answers as failed."
    ),
    "seed": click.option("--seed", default=0, show_default=True, help="Seed of all draws."),
    "confidence": click.option(
        "--confidence", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.9999), help="Coverage."
    ),
    "json": click.option("--json", "as_json", is_flag=True, help="Print JSON."),
}


def _shared(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that several commands have."""

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            command = _SHARED[name](command)
        return command

    return give


@click.group()
def metrics() -> None:
    """Score answers, compare models, judge open answers."""


class _Misuse(click.ClickException):
    """A wrong option in one line."""

    exit_code = 2


def _options(pairs: Sequence[str], task: str, protocol: str = "standard", names: Sequence[str] = ()) -> dict[str, Any]:
    """Return options of the metrics that score a task, written key=value; the metrics read the values."""
    from lamm_metrics.metrics.registry import FILLED_IN
    from lamm_metrics.scoring import metric_names_for

    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise _Misuse(f"Expected --set KEY=VALUE, got {pair!r}. Write the option's name, = and its value.")
        if key in FILLED_IN:
            raise _Misuse(f"Expected an option of a metric, got {key!r}. The task and the records say it.")
        options[key] = value
    metric_names_for(task, protocol, names, options)
    return options


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on stderr where somebody watches it."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total)


def _echo(found: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(found, indent=1) if as_json else text)


def _writable(_context: click.Context, _parameter: click.Parameter, path: str | None) -> str | None:
    """Refuse a report whose kind its ending does not say, before anything is scored for it."""
    if path is not None and not path.endswith(ENDINGS):
        raise click.BadParameter(f"Expected a name that ends in {', '.join(ENDINGS)}, got {path!r}.")
    return path


def _save(path: str, reports: Mapping[str, Mapping[str, "Report"]], media_root: str | None, title: str) -> None:
    """Write reports to a file whose ending says the kind; missing folders are made."""
    from lamm_metrics.records.files import write_beside

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if path.endswith((".html", ".htm")):
        from lamm_metrics.report.page import write_report

        write_report(path, reports, media_root, title)
        return
    listed = [report for by_task in reports.values() for report in by_task.values()]
    if path.endswith(".json"):
        text = json.dumps([report.to_json(samples=True) for report in listed], indent=1)
    else:
        text = "\n\n".join(map(str, listed)) + "\n"
    write_beside(Path(path), [text])


@metrics.command()
@_shared("task", "references", "predictions")
@click.option(
    "--protocol",
    default="standard",
    show_default=True,
    help="standard, paper for the published formulas, or coco for COCO's files and numbers.",
)
@_shared("names", "pairs", "missing", "seed")
@click.option("--draws", default=1000, show_default=True, type=click.IntRange(2), help="Bootstrap draws.")
@_shared("confidence")
@click.option("--chance", is_flag=True, help="Also score answers that are drawn without looking.")
@_shared("json")
@click.option(
    "--output", type=click.Path(dir_okay=False), callback=_writable, help="Also write a report: .html, .json or .txt."
)
@click.option("--media-root", type=FOLDER, help="Folder of the images, to show them in an HTML report.")
def score(
    task: str,
    references: str,
    predictions: str,
    protocol: str,
    names: tuple[str, ...],
    pairs: tuple[str, ...],
    missing: str,
    chance: bool,
    as_json: bool,
    output: str | None,
    media_root: str | None,
    **settings: Any,
) -> None:
    """Score the answers in a predictions file."""
    from lamm_metrics.comparison.chance import chance_predictions
    from lamm_metrics.scoring import score as score_files

    if chance and protocol == "coco":
        raise click.UsageError("Expected --chance with another protocol: COCO's files have no answers to draw from.")
    settings |= {"metrics": names, **_options(pairs, task, protocol, names)}
    with _progress(f"scoring {task}") as progress:
        report = score_files(task, references, predictions, protocol, missing=missing, progress=progress, **settings)
    reports = {report.model or "model": {task: report}}
    if chance:
        guesses = chance_predictions(task, references, settings["seed"])
        reports["chance"] = {task: score_files(task, references, guesses, protocol, **settings)}
    if output:
        _save(output, reports, media_root, f"{task}: {report.model or 'model'}")
    listed = {model: by_task[task] for model, by_task in reports.items()}
    text = "\n\n".join(f"chance\n{found}" if model == "chance" else str(found) for model, found in listed.items())
    _echo({model: found.to_json() for model, found in listed.items()} if chance else report.to_json(), text, as_json)


@metrics.command("list")
@click.option("--metrics", "by_metric", is_flag=True, help="List the metrics with their options instead.")
@_shared("json")
def list_tasks(by_metric: bool, as_json: bool) -> None:
    """List the tasks with their metrics, or the metrics with their options."""
    from lamm_metrics.answers.kinds import described
    from lamm_metrics.records.tasks import all_tasks
    from lamm_metrics.tables import table

    if by_metric:
        _list_metrics(as_json)
        return
    listed = [described(task) for task in all_tasks().values()]
    rows = [("task", "file", "reads", "metrics", "better", "chance")]
    for task in listed:
        better = "higher" if task["higher_is_better"] else "lower"
        metrics_named = ", ".join(task["metrics"])
        rows.append((task["key"], f"{task['prefix']}_*.json", task["extractor"], metrics_named, better, task["chance"]))
    _echo(listed, table(rows), as_json)


def _list_metrics(as_json: bool) -> None:
    """Print every metric with its options, their types and defaults."""
    from lamm_metrics.metrics.registry import metric_class, metric_names, options_of
    from lamm_metrics.tables import table

    listed: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = [("metric", "option", "type", "default")]
    for name in metric_names():
        options = options_of(metric_class(name)).values()
        written = [{"name": one.name, "type": one.kind, "default": one.default_text} for one in options]
        listed.append({"name": name, "options": written})
        rows += [(name, *one.values()) for one in written] or [(name, "", "", "")]
    _echo(listed, table(rows), as_json)


@metrics.command()
@_shared("task", "references")
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@_shared("names", "pairs")
@click.option("--protocol", default="standard", show_default=True, help="standard or paper.")
@_shared("missing", "seed")
@click.option("--draws", default=10000, show_default=True, type=click.IntRange(100), help="Draws of each test.")
@_shared("confidence", "json")
def compare(
    task: str,
    references: str,
    first: str,
    second: str,
    names: tuple[str, ...],
    pairs: tuple[str, ...],
    protocol: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Test whether two predictions files FIRST and SECOND differ, record by record."""
    from lamm_metrics.comparison.paired import compare as compare_files

    settings |= {"metrics": names, **_options(pairs, task, protocol, names)}
    found = compare_files(task, references, first, second, protocol, **settings)
    _echo(found.to_json(), str(found), as_json)


@metrics.command()
@click.option("--task", default="detection", show_default=True, help="detection or detection3d.")
@_shared("references", "predictions")
@click.option("--threshold", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Overlap that counts.")
@_shared("missing", "pairs", "json")
def conventions(
    task: str, references: str, predictions: str, threshold: float, missing: str, pairs: tuple[str, ...], as_json: bool
) -> None:
    """Score boxes under every convention in use, side by side."""
    from lamm_metrics.comparison.conventions import compare_conventions, conventions_table

    rows = compare_conventions(references, predictions, task, threshold, missing, **_options(pairs, task))
    _echo([row.to_json() for row in rows], conventions_table(rows), as_json)


@metrics.command()
@click.argument("results", nargs=-1, required=True, type=FILE)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    callback=_writable,
    help="File to write: .html, .json or .txt.",
)
@click.option("--title", default="LAMM report", show_default=True, help="Heading of an HTML report.")
@click.option("--media-root", type=FOLDER, help="Folder of the images, to show them.")
def report(results: tuple[str, ...], output: str, title: str, media_root: str | None) -> None:
    """Join the JSON reports RESULTS (`score --output NAME.json`) into one report, models side by side."""
    from lamm_metrics.report.leaderboard import comparison_table
    from lamm_metrics.report.page import by_model
    from lamm_metrics.results.report import read_reports

    reports = by_model([found for path in results for found in read_reports(path)])
    _save(output, reports, media_root, title)
    click.echo(comparison_table(reports))


@metrics.command()
@_shared("references")
@click.option("--predictions", required=True, multiple=True, type=FILE, help="Answers of a model; one for every model.")
@click.option(
    "--endpoint", required=True, help="Base URL of an OpenAI-compatible server, such as http://localhost:8000/v1."
)
@click.option("--judge", "judges", multiple=True, help="Judging model; repeatable. Default: the server's only model.")
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Folder; run again to continue there.")
@click.option("--mode", default="pairwise", show_default=True, help="pairwise, listwise or absolute.")
@click.option("--task", help="Task key, where the records do not tell.")
@_shared("missing")
@click.option("--sample", type=int, help="Judge so many records, drawn with the seed.")
@_shared("seed")
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
@_shared("confidence")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable that holds the API key.")
@click.option("--dry-run", is_flag=True, help="Send nothing: estimate requests, tokens and cost.")
@_shared("json")
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
    from dataclasses import asdict

    from lamm_metrics.errors import LammMetricsError
    from lamm_metrics.gpt.judging import judge_answers, plan_judging
    from lamm_metrics.gpt.settings import JudgeSettings

    settings = JudgeSettings(key=os.environ.get(api_key_env, ""), **options)
    if dry_run:
        plan = plan_judging(references, predictions, settings, output, task=task, missing=missing)
        _echo(asdict(plan), _in_words(plan), as_json)
        return
    with _progress("judging") as progress:
        found = judge_answers(references, predictions, settings, output, task=task, missing=missing, progress=progress)
    _echo(found.to_json(), str(found), as_json)
    if found.unsent:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.reports[0].unscored.items())
        raise LammMetricsError(
            f"Expected every verdict, got none for {found.unsent} ({reasons}). "
            "Run the same command again to ask for those only."
        )


def _in_words(plan: "Plan") -> str:
    unpriced = f"unknown (no price for {', '.join(plan.unpriced)}; add it to a copy of the table, --prices)"
    cost = unpriced if plan.cost is None else f"about {plan.cost:.4f} USD, at most {plan.most:.4f} USD"
    return (
        f"{plan.records} records, {plan.verdicts} verdicts, {plan.requests} requests to send "
        f"(about {plan.prompt_tokens} prompt tokens)\ncost: {cost}, without corrective re-asks"
    )
