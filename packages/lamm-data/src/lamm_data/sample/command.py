"""`lamm data sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lamm_llm import writes_alone


@click.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--images", type=click.IntRange(0), default=3000, show_default=True, help="Number of images.")
@click.option("--rooms", type=click.IntRange(0), default=1200, show_default=True, help="Number of point-cloud rooms.")
@click.option("--halls", type=click.IntRange(0), default=0, show_default=True, help="Rooms for 3D language models.")
@click.option("--crowds", type=click.IntRange(0), default=0, show_default=True, help="Images with open questions.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--benchmark-share", "benchmark_fraction", type=float, default=0.25, show_default=True, help="Share held out."
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@writes_alone("output")
def sample(output: Path, images: int, rooms: int, halls: int, crowds: int, as_json: bool, **options: Any) -> None:
    """Draw the synthetic sample world: images and rooms with annotations in the formats of real sources."""
    import json

    from lamm_data.progress import progress_bar
    from lamm_data.sample.world import write_world

    counts = {"images": images, "rooms": rooms, "halls": halls, "crowds": crowds}
    with progress_bar("drawing", sum(counts.values())) as advance:
        manifest = write_world(output, **counts, progress=advance, **options)
    if as_json:
        click.echo(json.dumps(manifest))
    else:
        sets = ", ".join(f"{count} {name}" for name, count in manifest["sets"].items())
        click.echo(f"Synthetic sample world in {output}: {sets}.")
