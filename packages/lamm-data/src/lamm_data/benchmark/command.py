"""`lamm data benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lamm_data.sources.command import own_options, say_found, sources_begun, tasks_begun
from lamm_llm import writes_alone

MEDIA = ("check", "skip-missing", "ignore")


def _compared(records: int, published: int) -> str:
    """Say how many records the published file has, and how far ours is from it."""
    if not published:
        return ""
    more = records - published
    return f" (published: {published}" + (f", {abs(more)} {'more' if more > 0 else 'fewer'} here)" if more else ")")


@click.command()
@click.option(
    "--source",
    default="sample",
    show_default=True,
    shell_complete=sources_begun,
    help="Source name; see `lamm data sources`.",
)
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of the source.")
@own_options
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the benchmark files.")
@click.option(
    "--tasks",
    default="",
    shell_complete=tasks_begun,
    help="Task keys separated by commas; all that the source has when empty.",
)
@click.option("--split", default="", help="Split to read; the held-out (or training) split when empty.")
@click.option("--media", type=click.Choice(MEDIA), default="check", show_default=True, help="About missing files.")
@click.option("--per-task", type=click.IntRange(0), default=0, show_default=True, help="Records a file; 0 = all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of subsets and options.")
@click.option("--setting", type=click.Choice(("zero-shot", "fine-tune")), default="zero-shot", show_default=True,
              help="fine-tune: the training split as instruction records.")  # fmt: skip
@click.option("--boxes", type=click.Choice(("aligned", "oriented")), default="aligned", show_default=True,
              help="3D boxes: axis-aligned, or with yaw, pitch and roll.")  # fmt: skip
@click.option("--proposals", default="", metavar="annotation|PATH",
              help="Number the objects that answers may name: the annotated ones, or a detector's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output", folder=True)
def benchmark(
    source: str, root: Path, output: Path, tasks: str, setting: str, boxes: str, as_json: bool, **options: Any
) -> None:
    """Build benchmark files `<Task>_<Dataset>.json` from a source's held-out annotations."""
    import json
    from dataclasses import asdict

    from lamm_data.benchmark.run import build_benchmark
    from lamm_data.errors import first_of
    from lamm_data.progress import progress_bar

    chosen = tuple(task.strip() for task in tasks.split(",") if task.strip())
    with progress_bar("building", None) as advance:
        written = build_benchmark(
            source,
            root,
            output,
            tasks=chosen,
            fine_tune=setting == "fine-tune",
            oriented=boxes == "oriented",
            progress=advance,
            found=say_found,
            **options,
        )
    if as_json:
        click.echo(json.dumps([asdict(file) for file in written]))
    else:
        click.echo(f"Written: {output}", err=True)
        for file in written:
            known = _compared(file.records, file.published)
            click.echo(f"{file.records:8d}  {file.name}{known}")
            click.echo(f"{file.items:8d}    images or clouds read")
            for reason, number in file.left_out.items():
                click.echo(f"{number:8d}    left out: {reason.removeprefix('left out: ')}")
            if file.unknown:
                named = ", ".join(first_of(file.unknown, 10))
                click.echo(f"{len(file.unknown):8d}    objects that are not in their scene: {named}")
