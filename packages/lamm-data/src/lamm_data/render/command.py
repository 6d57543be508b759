"""`lamm data render`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lamm_llm import writes_alone


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the pictures.")
@click.option("--views", type=click.IntRange(1, 8), default=4, show_default=True,
              help="Pictures a cloud: from above, then obliquely around; a single one is oblique.")  # fmt: skip
@click.option("--size", type=click.IntRange(64, 4096), default=512, show_default=True, help="Side in pixels.")
@click.option("--annotations", "objects", type=click.Path(path_type=Path),
              help="JSON Lines with the boxes of each cloud: objects get numbers.")  # fmt: skip
@click.option("--walls", is_flag=True, help="Keep walls and ceilings that stand before the camera.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that draw.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output", folder=True)
def render(
    source: Path,
    output: Path,
    views: int,
    size: int,
    objects: Path | None,
    walls: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Draw pictures of a cloud, or of all clouds of a folder, from several sides.

    views.jsonl says what each picture shows: which objects are in sight, how much of each, and where.
    """
    from lamm_data.errors import SourceError, first_of
    from lamm_data.progress import progress_bar
    from lamm_data.render.folder import LISTING, read_objects, render_folder
    from lamm_data.render.views import ViewSettings
    from lamm_llm import atomic_bytes, dumps

    boxes = read_objects(objects) if objects else {}
    output.mkdir(parents=True, exist_ok=True)
    faults, pictures = list[str](), 0
    with progress_bar("drawing", None) as advance, atomic_bytes(output / LISTING) as listing:
        for done in render_folder(source, output, ViewSettings(views, size, walls), boxes, workers):
            faults += [done.fault] if done.fault else []
            pictures += len(done.lines)
            listing.writelines(dumps(line) + b"\n" for line in done.lines)
            advance(1)
    if as_json:
        click.echo(json.dumps({"pictures": pictures, "faults": faults, "output": str(output)}))
    else:
        click.echo(f"{pictures} pictures are in {output}, {len(faults)} clouds could not be read.")
        for fault in first_of(faults, 10):
            click.echo(f"  {fault}")
    if faults:
        raise SourceError(f"Expected every file of {source} to be a cloud, got {len(faults)} that are none. See above.")
