"""Write the synthetic world: seven image sets, rooms, and what else is asked for, in training and benchmark parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.progress import Advance, unwatched
from lamm_data.sample.crowds import write_crowds
from lamm_data.sample.halls.writing import write_halls
from lamm_data.sample.pictures import write_counts, write_faces, write_shapes, write_textures, write_words
from lamm_data.sample.plan import ASKED_FOR, NOTE, Batch, batches, share
from lamm_data.sample.rooms import write_rooms
from lamm_data.sample.scenes import write_figures, write_scenes
from lamm_llm import atomic_path

VERSION = 1
MANIFEST = "sample.json"
WRITERS: dict[str, Callable[[Batch], Iterator[int]]] = {
    "shapes": write_shapes,
    "textures": write_textures,
    "faces": write_faces,
    "scenes": write_scenes,
    "figures": write_figures,
    "counts": write_counts,
    "words": write_words,
    "rooms": write_rooms,
    "halls": write_halls,
    "crowds": write_crowds,
}


def write_world(
    output: str | Path,
    *,
    images: int = 3000,
    rooms: int = 1200,
    halls: int = 0,
    crowds: int = 0,
    seed: int = 0,
    benchmark_fraction: float = 0.25,
    progress: Advance = unwatched,
) -> dict[str, Any]:
    """Draw the sample world.

    The same arguments give the same bytes. The folder appears under its name only when it is whole; when it is already
    there with the same arguments nothing is drawn again.

    Args:
        output: Folder to write.
        images: Number of images, shared out over the seven image sets.
        rooms: Number of point-cloud rooms.
        halls: Number of rooms in which solids repeat, with the questions that 3D language models are asked.
        crowds: Number of images in which shapes repeat, with open questions, referring expressions and captions.
        seed: Seed of everything random.
        benchmark_fraction: Share of each set that is held out for the benchmark, 0 < f < 1.
        progress: Called with the number of newly finished images and rooms.

    Returns:
        The manifest, as written to `sample.json`.

    Raises:
        UsageError: The folder holds something else, or a number makes no sense.
    """
    output = Path(output)
    asked_for = dict(zip(ASKED_FOR, (halls, crowds), strict=True))
    if min(images, rooms, *asked_for.values()) < 0 or not 0 < benchmark_fraction < 1:
        raise UsageError(
            f"Expected counts from 0 and a benchmark fraction between 0 and 1, got {images} images, {rooms} rooms, "
            f"{halls} halls, {crowds} crowds, {benchmark_fraction}."
        )
    manifest = _manifest(images, rooms, seed, benchmark_fraction)
    manifest["sets"] |= {name: count for name, count in asked_for.items() if count}
    if output.exists() and any(output.iterdir()):
        existing = output / MANIFEST
        if existing.is_file() and json.loads(existing.read_text(encoding="utf-8")) == manifest:
            return manifest
        raise UsageError(f"Expected an empty or new folder, got {output}, which holds other files. Name another one.")
    with atomic_path(output) as beside:
        for name, count in manifest["sets"].items():
            for batch in batches(beside / name, name, count, seed, benchmark_fraction):
                for _ in WRITERS[name](batch) if len(batch) else ():
                    progress(1)
        beside.mkdir(exist_ok=True)
        (beside / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _manifest(images: int, rooms: int, seed: int, fraction: float) -> dict[str, Any]:
    return {
        "synthetic": True,
        "note": NOTE,
        "version": VERSION,
        "images": images,
        "rooms": rooms,
        "seed": seed,
        "benchmark_fraction": fraction,
        "sets": share(images) | {"rooms": rooms},
    }
