"""`lamm data convert`."""

from __future__ import annotations

from pathlib import Path

import click

STYLES = ("full", "short", "plain")
MEDIA = ("check", "skip-missing", "ignore")


@click.command()
@click.option("--source", default="sample", show_default=True, help="Source name; see `lamm data sources`.")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of the source.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Instruction file: .jsonl, or .json.")
@click.option("--tasks", default="", help="Task keys separated by commas; all that the source has when empty.")
@click.option("--style", type=click.Choice(STYLES), default="full", show_default=True, help="Form of the answers.")
@click.option("--split", default="", help="Split to read; the training split when empty.")
@click.option("--media", type=click.Choice(MEDIA), default="check", show_default=True, help="About missing files.")
@click.option("--pools", type=click.Path(path_type=Path), default=None, help="Folder of your own template pools.")
@click.option("--per-item", type=click.IntRange(0), default=None, help="Pairs an image or cloud and task; 0 = all.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="Pairs that share a record.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def convert(
    source: str,
    root: Path,
    output: Path,
    tasks: str,
    style: str,
    split: str,
    media: str,
    pools: Path | None,
    per_item: int | None,
    rounds: int,
    seed: int,
    as_json: bool,
) -> None:
    """Turn a source's annotations into instruction records by templates."""
    import json

    from lamm_data.progress import progress_bar
    from lamm_data.templates.run import ConvertSettings, convert_source

    chosen = tuple(task.strip() for task in tasks.split(",") if task.strip())
    with progress_bar("converting", None) as advance:
        settings = ConvertSettings(split, chosen, style, seed, per_item, rounds, media, pools)
        counts = convert_source(source, root, output, settings, progress=advance)
    if as_json:
        click.echo(json.dumps(counts))
    else:
        for reason, number in counts.items():
            click.echo(f"{number:8d}  {reason}")
