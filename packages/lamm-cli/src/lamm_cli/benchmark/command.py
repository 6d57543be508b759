"""The commands `lamm benchmark list`, `run` and `report`."""

from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)


def _tasks(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from lamm_cli.benchmark.sets import benchmark_rows

    listed, comma, last = begun.rpartition(",")
    return sorted({listed + comma + row.task for row in benchmark_rows(None) if row.task.startswith(last)})


@click.group()
def benchmark() -> None:
    """Put models through LAMM's benchmark: twelve tasks on images and point clouds, one command, one report."""


@benchmark.command("list")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also say which sources lie under this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_sets(root: Path | None, as_json: bool) -> None:
    """Show the benchmark's sets: task, data set, published size, and what is present under a root."""
    from dataclasses import asdict

    from lamm_cli.benchmark.sets import benchmark_rows
    from lamm_cli.output import print_table

    rows = benchmark_rows(root)
    if as_json:
        import json

        click.echo(json.dumps([asdict(row) for row in rows]))
        return
    cells = (
        [row.file, row.task, row.modality, row.source, str(row.published or "–"), row.present or "–"] for row in rows
    )
    print_table(("file", "task", "modality", "source", "published", "under the root"), cells)


@benchmark.command()
@click.argument("config", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--model", "models", multiple=True, metavar="[NAME=]FOLDER|MODEL@URL", help="A model; repeatable.")
@click.option("--root", type=_FOLDER, help="Folder of the data.")
@click.option("--tasks", shell_complete=_tasks, default="", help="Task keys separated by commas; all when empty.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the settings.")
@click.option("--output", type=_FOLDER, default=Path("benchmark-run"), show_default=True, help="Run directory.")
@click.option("--show", is_flag=True, help="Print the settings and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def run(
    config: Path | None,
    models: tuple[str, ...],
    root: Path | None,
    tasks: str,
    overrides: tuple[str, ...],
    output: Path,
    show: bool,
    as_json: bool,
) -> None:
    """Build the benchmark, let every model answer it, score and report.

    CONFIG is a TOML file with the tables that `--show` prints; a run directory's own `run.toml` repeats that run.
    Interrupted, the same command goes on; when everything is finished it does nothing and says so.
    """
    from lamm_cli.benchmark.models import FREE, named_models
    from lamm_cli.benchmark.provenance import absolute_paths
    from lamm_cli.settings import as_toml, override, packaged_settings, read_settings

    settings = packaged_settings("benchmark")
    if config is not None:
        settings = read_settings(config, settings, free=FREE)
    settings = override(settings, overrides, free=FREE)
    settings["models"].update(named_models(models))
    if root is not None:
        settings["benchmark"]["root"] = str(root)
    if tasks:
        settings["benchmark"]["tasks"] = [task.strip() for task in tasks.split(",") if task.strip()]
    settings = absolute_paths(settings)
    if show:
        click.echo(as_toml(settings), nl=False)
        return
    from lamm_cli.benchmark.run import BenchmarkRun
    from lamm_cli.benchmark.variants import show_variants

    started = BenchmarkRun(output, settings)
    table = started.carry_out()
    if as_json:
        import json
        from dataclasses import asdict

        variants = [asdict(row) for row in started.variants]
        click.echo(json.dumps({**table.to_json(), "variants": variants, "done": started.worked}))
        return
    table.show()
    if started.variants:
        show_variants(started.variants)
    if not started.worked:
        click.echo("Everything was finished before; nothing was done.")
    click.echo(f"Report: {output / 'report.html'}   Tables: {output / 'table.md'} (.csv, .tex, .json)")


@benchmark.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def report(folder: Path, as_json: bool) -> None:
    """Write the tables and reports of a finished run anew, from its predictions, without asking any model."""
    from lamm_cli.benchmark.reporting import REPORT
    from lamm_cli.benchmark.run import BenchmarkRun
    from lamm_cli.benchmark.variants import VARIANTS

    run = BenchmarkRun.rewrite(folder)
    if as_json:
        click.echo((folder / "table.json").read_text(encoding="utf-8"))
        return
    click.echo(f"Report: {folder / REPORT}" + (f"   Variants: {folder / VARIANTS}" if run.variants else ""))
