"""`lamm data stats`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lamm_data.stats.counting import Statistics


def _scan(path: Path) -> Statistics:
    from lamm_data.files.json_lines import iter_values
    from lamm_data.progress import watched
    from lamm_data.records.benchmark import scan_benchmark
    from lamm_data.records.instruction import scan_records
    from lamm_data.stats.counting import count_records

    first: Any = next((value for _, value in iter_values(path)), None)
    benchmark = isinstance(first, dict) and "query" in first and "conversations" not in first
    return count_records(watched(scan_benchmark(path) if benchmark else scan_records(path), "counting", None))


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path), default=None, help="Also draw charts: a .svg or .png file.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def stats(path: Path, plot: Path | None, as_json: bool) -> None:
    """Count what an instruction or benchmark file holds: tasks, sources, licences, lengths, classes, positions."""
    import json

    statistics = _scan(path)
    summary = statistics.summary()
    if not summary["records"]:
        from lamm_data.errors import LammDataError

        raise LammDataError(f"Expected records in {path}, got none that is usable, {summary['faults']} faults.")
    if plot is not None:
        from lamm_data.stats.plots import save_plot

        save_plot(statistics, path.name, plot)
    if as_json:
        click.echo(json.dumps(summary))
        return
    if plot is not None:
        click.echo(f"Written: {plot}", err=True)
    click.echo(f"{summary['records']} records about {summary['media']} images or clouds, {summary['faults']} faults")
    for name in ("rounds", "question_words", "answer_words"):
        if summary[name]:
            click.echo(f"{name:16s}" + "  ".join(f"{key} {value}" for key, value in summary[name].items()))
    geometry = summary["geometry"]
    click.echo(f"{'positions':16s}" + "  ".join(f"{key} {geometry[key]}" for key in ("boxes", "points", "boxes3d")))
    for name, counter in summary["counts"].items():
        more = summary["distinct"][name] - len(counter)
        click.echo(f"{name}:" + (f" (the commonest of {summary['distinct'][name]})" if more else ""))
        for value, number in counter.items():
            click.echo(f"{number:10d}  {value}")
