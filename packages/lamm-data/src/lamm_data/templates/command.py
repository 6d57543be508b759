"""`lamm data convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamm_data.sources.command import own_options, say_found, sources_begun, tasks_begun
from lamm_data.writing.coordinates import LAYOUT, METRE_DECIMALS, NUMBER_STYLES
from lamm_llm import writes_alone

if TYPE_CHECKING:
    from collections import Counter

STYLES = ("full", "short", "plain")
MEDIA = ("check", "skip-missing", "ignore")


@click.command()
@click.option(
    "--source",
    default="sample",
    show_default=True,
    shell_complete=sources_begun,
    help="Source name; several with commas.",
)
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of the source.")
@own_options
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Instruction file: .jsonl, or .json.")
@click.option(
    "--tasks",
    default="",
    shell_complete=tasks_begun,
    help="Task keys with commas, of `lamm data sources NAME`; all when empty.",
)
@click.option("--style", type=click.Choice(STYLES), default="full", show_default=True, help="Form of the answers.")
@click.option(
    "--numbers",
    type=click.Choice((*NUMBER_STYLES, LAYOUT.name)),
    default="paper",
    show_default=True,
    help="How boxes are written: 2D ones, or 3D ones as layout text.",
)
@click.option(
    "--metre-decimals",
    type=click.IntRange(0, 6),
    default=METRE_DECIMALS,
    show_default=True,
    help="Decimals of 3D boxes.",
)
@click.option("--largest-first", is_flag=True, help="List the objects of an image or cloud by size.")
@click.option("--split", default="", help="Split to read; the training split when empty.")
@click.option("--media", type=click.Choice(MEDIA), default="check", show_default=True, help="About missing files.")
@click.option("--decode", is_flag=True, help="Also open every image and cloud; damaged ones count as missing.")
@click.option("--pools", type=click.Path(path_type=Path), default=None, help="Folder of your own template pools.")
@click.option("--per-item", type=click.IntRange(0), default=None, help="Pairs an image or cloud and task; 0 = all.")
@click.option("--negatives", type=float, default=0.0, help="Add yes-or-no questions of which this share is no.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="Pairs that share a record.")
@click.option("--merge", type=click.IntRange(2), default=None, help="Merge tasks on one image into so many rounds.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that convert.")
@click.option("--ray", default="", metavar="ADDRESS", help="Convert on Ray Data: local, auto or a cluster's address.")
@click.option("--shard-size", type=click.IntRange(0), default=0, help="Records a file; one file when 0.")
@click.option("--part", default="", metavar="K/N", help="Convert the K-th of N parts of the items.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output")
def convert(
    source: str,
    root: Path,
    output: Path,
    tasks: str,
    merge: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn a source's annotations into instruction records by templates."""
    import json

    from lamm_data.progress import progress_bar
    from lamm_data.templates.run import ConvertSettings, convert_source

    chosen = tuple(task.strip() for task in tasks.split(",") if task.strip())
    settings = ConvertSettings(tasks=chosen, merge=merge or 0, **options)
    with progress_bar("converting", None) as advance:
        counts = convert_source(source, root, output, settings, progress=advance, found=say_found)
    click.echo(json.dumps(counts) if as_json else describe(counts))
    refuse_nothing(counts, source, root, options["part"])
    if not as_json:
        click.echo(f"Written: {output}", err=True)


def refuse_nothing(counts: Counter[str], source: str, root: Path, part: str = "") -> None:
    """Refuse a conversion that made no record, but for a part that has no items.

    Raises:
        LammDataError: Naming what was read and why it was left out.
    """
    from lamm_data.errors import LammDataError

    read = sum(number for key, number in counts.items() if key.endswith(": items read"))
    if any(number for key, number in counts.items() if key.endswith(": records written")) or (part and not read):
        return
    reasons = [f"{number} {key}" for key, number in counts.items() if number and not key.endswith(": items read")]
    told = f"{read} items read" + (f" ({'; '.join(reasons)})" if reasons else "")
    raise LammDataError(
        f"Expected at least one record of {source}, got none from {root}: {told}. "
        "Check the folder, --split, --tasks and --media."
    )


def describe(counts: Counter[str]) -> str:
    """Lay out the account of a run: for each task what was read, written and left out, by reason."""
    tasks: dict[str, list[tuple[str, int]]] = {}
    for key, number in counts.items():
        task, _, reason = key.partition(": ")
        tasks.setdefault(task, []).append((reason, number))
    rows = []
    for task, entries in tasks.items():
        # What was read and written comes first, reasons after it.
        if "items read" in dict(entries) and "records written" not in dict(entries):
            entries.append(("records written", 0))
        entries.sort(key=lambda entry: ("items read", "records written", entry[0]).index(entry[0]))
        rows += [f"{task if k == 0 else '':28s}{number:10d}  {reason}" for k, (reason, number) in enumerate(entries)]
    return "\n".join(rows)
