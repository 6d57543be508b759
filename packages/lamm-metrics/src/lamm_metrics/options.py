"""What the `lamm metrics` commands share: options, reading of files, progress, results on stdout and in files."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamm_metrics.records.predictions import Predictions
    from lamm_metrics.records.tasks import References
    from lamm_metrics.results.report import Report

FILE = click.Path(exists=True, dir_okay=False)
FOLDER = click.Path(exists=True, file_okay=False)
ENDINGS = (".html", ".htm", ".json", ".txt")


def _tasks(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_metrics.records.tasks import all_tasks

    return [task for task in all_tasks() if task.startswith(begun)]


def _metrics(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_metrics.metrics.registry import metric_names

    return [name for name in metric_names() if name.startswith(begun)]


def protocols(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the protocols that begin so, for a shell that completes a word."""
    from lamm_metrics.protocols import PROTOCOLS

    return [name for name in PROTOCOLS if name.startswith(begun)]


_SHARED: Mapping[str, Callable[..., Any]] = {
    "task": click.option(
        "--task", shell_complete=_tasks, help="Task key (`lamm metrics list`), where records and file name do not tell."
    ),
    "references": click.option(
        "--benchmark", "references", required=True, type=FILE, help="Benchmark records with the truth."
    ),
    "predictions": click.option("--predictions", required=True, type=FILE, help="Answers, as JSON Lines or a table."),
    "id_key": click.option("--id-key", default="", help="Key or column of the ids, where it is none that is known."),
    "text_key": click.option("--text-key", default="", help="Key or column of the answers, likewise."),
    "names": click.option(
        "--metric", "names", multiple=True, shell_complete=_metrics, help="Use this metric in place of the task's own."
    ),
    "pairs": click.option(
        "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Option of a metric, e.g. convention=thousand-xyxy."
    ),
    "protocol": click.option(
        "--protocol",
        shell_complete=protocols,
        default="standard",
        show_default=True,
        help="standard, paper or a published rule.",
    ),
    "missing": click.option(
        "--missing", default="error", show_default=True, help="error, or failed to count missing answers as failed."
    ),
    "seed": click.option("--seed", default=0, show_default=True, help="Seed of all draws."),
    "confidence": click.option(
        "--confidence", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.9999), help="Coverage."
    ),
    "verbose": click.option(
        "--verbose", "-v", is_flag=True, help="Also print signatures and what stands behind the numbers."
    ),
    "json": click.option("--json", "as_json", is_flag=True, help="Print JSON."),
}


def shared(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that several commands have."""

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            command = _SHARED[name](command)
        return command

    return give


class Misuse(click.ClickException):
    """A wrong option in one line."""

    exit_code = 2


def metric_options(
    pairs: Sequence[str], task: str, protocol: str = "standard", names: Sequence[str] = ()
) -> dict[str, Any]:
    """Return options of the metrics that score a task, written key=value; the metrics read the values."""
    from lamm_metrics.metrics.registry import FILLED_IN
    from lamm_metrics.scoring import metric_names_for

    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise Misuse(f"Expected --set KEY=VALUE, got {pair!r}. Write the option's name, = and its value.")
        if key in FILLED_IN:
            raise Misuse(f"Expected an option of a metric, got {key!r}. The task and the records say it.")
        options[key] = value
    metric_names_for(task, protocol, names, options)
    return options


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on stderr where somebody watches it; what follows the last count only shows the time."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total if done < total else None)


def read_files(
    task: str | None, references: str, predictions: Sequence[str], id_key: str, text_key: str, name: str = ""
) -> "tuple[References, list[Predictions]]":
    """Read references and the answers of each run to them."""
    from lamm_metrics.records.predictions import read_predictions
    from lamm_metrics.records.tasks import read_references

    truth = read_references(references, task, id_key=id_key)
    return truth, [read_predictions(path, name=name, id_key=id_key, text_key=text_key) for path in predictions]


def echo(found: Any, text: str, as_json: bool) -> None:
    """Print what was found, as JSON or as text."""
    click.echo(json.dumps(found, indent=1) if as_json else text)


def writable(_context: click.Context, _parameter: click.Parameter, path: str | None) -> str | None:
    """Refuse a report whose kind its ending does not say, before anything is scored for it."""
    if path is not None and not path.endswith(ENDINGS):
        raise click.BadParameter(f"Expected a name that ends in {', '.join(ENDINGS)}, got {path!r}.")
    return path


def save(
    path: str, reports: Mapping[str, Mapping[str, "Report"]], media_root: str | None, title: str, tell: bool = True
) -> None:
    """Write reports to a file whose ending says the kind, and say so on stderr; missing folders are made."""
    with progress_bar("writing"):
        _write(path, reports, media_root, title)
    if tell:
        click.echo(f"Written: {path}", err=True)


def _write(path: str, reports: Mapping[str, Mapping[str, "Report"]], media_root: str | None, title: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    from lamm_metrics.records.files import write_beside

    if path.endswith((".html", ".htm")):
        from lamm_metrics.report.page import write_report

        write_report(path, reports, media_root, title)
        return
    listed = [report for by_task in reports.values() for report in by_task.values()]
    if path.endswith(".json"):
        text = json.dumps([report.to_json(samples=True) for report in listed], indent=1)
    else:
        text = "\n\n".join(report.text(verbose=True) for report in listed) + "\n"
    write_beside(Path(path), [text])
