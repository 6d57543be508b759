"""The `lamm metrics` commands that lead into other tools."""

from datetime import UTC, datetime

import click

from lamm_metrics.options import FILE, FOLDER, echo, progress_bar, shared

FORMATS = ("every-eval-ever", "hub")


@click.command("lmms-eval")
@click.argument("references", metavar="BENCHMARK...", nargs=-1, required=True, type=FILE)
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Folder for `--include_path`.")
@shared("protocol")
@click.option("--task", default="", help="Task key, where records and file names do not tell.")
@click.option("--media-root", type=FOLDER, help="Folder of the pictures; default: that of each file.")
@click.option("--views", type=FOLDER, help="Folder that `lamm data render` wrote, of the clouds.")
@click.option(
    "--max-tokens",
    "max_new_tokens",
    default=256,
    show_default=True,
    type=click.IntRange(1),
    help="Most tokens of an answer.",
)
@shared("json")
def lmms_eval(
    references: tuple[str, ...],
    output: str,
    protocol: str,
    task: str,
    media_root: str | None,
    views: str | None,
    max_new_tokens: int,
    as_json: bool,
) -> None:
    """Write files BENCHMARK as tasks of lmms-eval, which scores them as `lamm metrics score` does."""
    from lamm_metrics.bridges.lmms_tasks import write_lmms_tasks

    with progress_bar("writing tasks"):
        names = write_lmms_tasks(output, references, protocol, media_root or "", views or "", task, max_new_tokens)
    echo(
        {"output": output, "tasks": names},
        f"lmms-eval --include_path {output} --tasks {','.join(names)} --model …",
        as_json,
    )
    if not as_json:
        click.echo(f"Written: {output}", err=True)


@click.command()
@click.argument("results", nargs=-1, required=True, type=FILE)
@click.option("--to", "kind", required=True, type=click.Choice(FORMATS), help="Format of the results.")
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Folder to write.")
@click.option("--model", default="", help="every-eval-ever: the model as ORGANISATION/NAME.")
@click.option("--organisation", default="", help="every-eval-ever: who evaluated it.")
@click.option("--relationship", default="other", show_default=True,
              help="every-eval-ever: first_party, third_party, collaborative or other.")  # fmt: skip
@click.option("--dataset", default="", help="The data set on the Hub as ORGANISATION/NAME; hub needs it.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="When it was evaluated [now].")
@shared("json")
def export(
    results: tuple[str, ...],
    kind: str,
    output: str,
    model: str,
    organisation: str,
    relationship: str,
    dataset: str,
    date: datetime | None,
    as_json: bool,
) -> None:
    """Write the JSON reports RESULTS (`score --output NAME.json`) in the formats in which others publish results."""
    from lamm_metrics.bridges.published import every_eval_log, write_every_eval, write_hub
    from lamm_metrics.results.report import read_reports

    day = date.replace(tzinfo=UTC) if date else None
    if kind != "hub" and not organisation:
        raise click.UsageError("Expected --organisation, got none. Say who evaluated the model.")
    with progress_bar("writing results"):
        reports = [report for path in results for report in read_reports(path)]
        if kind == "hub":
            written = write_hub(output, reports, dataset, day)
        else:
            logs = [every_eval_log(report, model, organisation, relationship, dataset, day) for report in reports]
            written = write_every_eval(output, logs)
    paths = [str(path) for path in written]
    echo(paths, "\n".join(paths), as_json)
