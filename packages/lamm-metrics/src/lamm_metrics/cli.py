"""The `lamm metrics` commands."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamm_metrics.results.report import Report

FILE = click.Path(exists=True, dir_okay=False)
FOLDER = click.Path(exists=True, file_okay=False)
ENDINGS = (".html", ".htm", ".json", ".txt")

# Commands of modules that are imported only when they are called: name, module, attribute, line in the help.
_LAZY = {
    "judge": ("lamm_metrics.gpt.command", "judge", "Let a language model compare or grade answers (GPT Metric)."),
}


def _lazy() -> dict[str, tuple[str, str, str]]:
    """The commands above whose package is installed."""
    return {name: row for name, row in _LAZY.items() if find_spec(row[0].rpartition(".")[0]) is not None}


class _Commands(click.Group):
    """The group, with commands that are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_lazy()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = _lazy()
        if cmd_name not in lazy:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, attribute, _ = lazy[cmd_name]
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        rows += [(name, text) for name, (_, _, text) in _lazy().items()]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


@click.group(cls=_Commands)
def metrics() -> None:
    """Score answers, compare models, judge open answers."""


class _Misuse(click.ClickException):
    """A wrong option in one line."""

    exit_code = 2


def _options(pairs: Sequence[str], task: str, protocol: str = "standard", names: Sequence[str] = ()) -> dict[str, Any]:
    """Options of the metrics that score a task, written key=value; the metrics read the values."""
    from lamm_metrics.metrics.options import FILLED_IN
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
def _progress(task: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr where somebody watches it."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task(f"scoring {task}", total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total)


def _writable(_context: click.Context, _parameter: click.Parameter, path: str | None) -> str | None:
    """Refuse a report whose kind its ending does not say, before anything is scored for it."""
    if path is not None and not path.endswith(ENDINGS):
        raise click.BadParameter(f"Expected a name that ends in {', '.join(ENDINGS)}, got {path!r}.")
    return path


def _save(path: str, reports: Mapping[str, Mapping[str, "Report"]], media_root: str | None, title: str) -> None:
    """Write reports to a file whose ending says the kind; missing folders are made."""
    from pathlib import Path

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
@click.option("--task", required=True, help="Task key; `lamm metrics list` shows them.")
@click.option("--references", required=True, type=FILE, help="Benchmark records with the ground truth.")
@click.option("--predictions", required=True, type=FILE, help="Answers, JSON Lines or a JSON list.")
@click.option(
    "--protocol",
    default="standard",
    show_default=True,
    help="standard, paper for the published formulas, or coco for COCO's files and numbers.",
)
@click.option("--metric", "names", multiple=True, help="Use this metric in place of the task's own; repeatable.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Option of a metric, e.g. convention=thousand-xyxy."
)
@click.option(
    "--missing", default="error", show_default=True, help="error, or failed to count missing answers as failed."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap.")
@click.option("--draws", default=1000, show_default=True, type=click.IntRange(2), help="Bootstrap draws.")
@click.option("--confidence", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.9999), help="Coverage.")
@click.option("--chance", is_flag=True, help="Also score answers that are drawn without looking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    callback=_writable,
    help="Also write a report: .html, .json or .txt.",
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
    seed: int,
    draws: int,
    confidence: float,
    chance: bool,
    as_json: bool,
    output: str | None,
    media_root: str | None,
) -> None:
    """Score the answers in a predictions file."""
    from lamm_metrics.comparison.chance import chance_predictions
    from lamm_metrics.scoring import score as score_files

    if chance and protocol == "coco":
        raise click.UsageError("Expected --chance with another protocol: COCO's files have no answers to draw from.")
    settings: dict[str, Any] = {"seed": seed, "draws": draws, "confidence": confidence, "metrics": names}
    settings |= _options(pairs, task, protocol, names)
    with _progress(task) as progress:
        report = score_files(task, references, predictions, protocol, missing=missing, progress=progress, **settings)
    reports = {report.model or "model": {task: report}}
    if chance:
        guesses = chance_predictions(task, references, seed)
        reports["chance"] = {task: score_files(task, references, guesses, protocol, **settings)}
    if output:
        _save(output, reports, media_root, f"{task}: {report.model or 'model'}")
    listed = {model: by_task[task] for model, by_task in reports.items()}
    if as_json:
        shown: Any = {model: found.to_json() for model, found in listed.items()} if chance else report.to_json()
        click.echo(json.dumps(shown, indent=1))
    else:
        click.echo(
            "\n\n".join(f"chance\n{found}" if model == "chance" else str(found) for model, found in listed.items())
        )


@metrics.command("list")
@click.option("--metrics", "by_metric", is_flag=True, help="List the metrics with their options instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tasks(by_metric: bool, as_json: bool) -> None:
    """List the tasks with their metrics, or the metrics with their options."""
    from lamm_metrics.answers.kinds import described
    from lamm_metrics.records.tasks import all_tasks

    if by_metric:
        _list_metrics(as_json)
        return
    listed = [described(task) for task in all_tasks().values()]
    if as_json:
        click.echo(json.dumps(listed, indent=1))
        return
    from lamm_metrics.tables import table

    rows = [("task", "file", "reads", "metrics", "better", "chance")]
    for task in listed:
        better = "higher" if task["higher_is_better"] else "lower"
        metrics_named = ", ".join(task["metrics"])
        rows.append((task["key"], f"{task['prefix']}_*.json", task["extractor"], metrics_named, better, task["chance"]))
    click.echo(table(rows))


def _list_metrics(as_json: bool) -> None:
    """Print every metric with its options, their types and defaults."""
    from lamm_metrics.metrics.options import options_of
    from lamm_metrics.metrics.registry import metric_class, metric_names

    found = {name: options_of(metric_class(name)).values() for name in metric_names()}
    if as_json:
        listed = [
            {
                "name": name,
                "options": [
                    {"name": option.name, "type": option.kind, "default": option.default_text} for option in options
                ],
            }
            for name, options in found.items()
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    from lamm_metrics.tables import table

    rows = [("metric", "option", "type", "default")]
    for name, options in found.items():
        rows += [(name, option.name, option.kind, option.default_text) for option in options] or [(name, "", "", "")]
    click.echo(table(rows))


@metrics.command()
@click.option("--task", required=True, help="Task key.")
@click.option("--references", required=True, type=FILE, help="Benchmark records with the ground truth.")
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@click.option("--metric", "names", multiple=True, help="Use this metric in place of the task's first one.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Option of a metric.")
@click.option("--protocol", default="standard", show_default=True, help="standard or paper.")
@click.option("--missing", default="error", show_default=True, help="error, or failed for missing answers.")
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
@click.option("--draws", default=10000, show_default=True, type=click.IntRange(100), help="Draws of each test.")
@click.option("--confidence", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.9999), help="Coverage.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    task: str,
    references: str,
    first: str,
    second: str,
    names: tuple[str, ...],
    pairs: tuple[str, ...],
    protocol: str,
    missing: str,
    seed: int,
    draws: int,
    confidence: float,
    as_json: bool,
) -> None:
    """Test whether two predictions files FIRST and SECOND differ, record by record."""
    from lamm_metrics.comparison.paired import compare as compare_files

    found = compare_files(
        task,
        references,
        first,
        second,
        protocol,
        missing=missing,
        metrics=names,
        seed=seed,
        draws=draws,
        confidence=confidence,
        **_options(pairs, task, protocol, names),
    )
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else str(found))


@metrics.command()
@click.option("--task", default="detection", show_default=True, help="detection or detection3d.")
@click.option("--references", required=True, type=FILE, help="Benchmark records with the ground truth.")
@click.option("--predictions", required=True, type=FILE, help="Answers, JSON Lines or a JSON list.")
@click.option("--threshold", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Overlap that counts.")
@click.option("--missing", default="error", show_default=True, help="error, or failed for missing answers.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Option of the detection metric.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def conventions(
    task: str, references: str, predictions: str, threshold: float, missing: str, pairs: tuple[str, ...], as_json: bool
) -> None:
    """Score boxes under every convention in use, side by side."""
    from lamm_metrics.comparison.conventions import compare_conventions, conventions_table

    rows = compare_conventions(references, predictions, task, threshold, missing, **_options(pairs, task))
    click.echo(json.dumps([row.to_json() for row in rows], indent=1) if as_json else conventions_table(rows))


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
