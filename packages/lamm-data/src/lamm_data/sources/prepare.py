"""Make the media files that a download does not hold in a usable form: pictures out of batches, clouds out of meshes.

Each function takes the root, a split and a number of worker processes, and yields `(file, fault, left out)` for every
file it is done with: an empty fault for one that is there now. What is there already is kept, so a run can be
interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lamm_data.clouds.folder import write_manifest
from lamm_data.clouds.reading import load_cloud, sample_mesh, save_cloud, seed_of
from lamm_data.errors import SourceError
from lamm_data.files.processes import in_parallel
from lamm_data.sources.readers import scannet, shapenet, three_rscan
from lamm_data.sources.readers.cifar10 import extract_images
from lamm_data.sources.readers.fields import read_lines
from lamm_data.sources.readers.scannet_export import FOLDER
from lamm_llm import write_whole

Outcome = tuple[str, str, tuple[str, ...]]
"""File relative to the root, what is wrong with it, and why parts of it were left out, a reason each."""

RENAMED = {"refridgerator": "refrigerator", "otherfurniture": "other furniture", "night stand": "nightstand"}
"""NYU40 class names that are misspelt or run together in the label table."""


def _made(root: Path, name: str, write: Callable[[], Iterable[str] | None]) -> Outcome:
    """Write a file below the root unless it is there already; `write` gives the reasons why parts were left out."""
    left_out: Iterable[str] | None = None
    try:
        if not (root / name).is_file():
            left_out = write()
    except SourceError as error:
        return name, str(error), ()
    return name, "", tuple(left_out or ())


def prepare_cifar10(root: Path, split: str, workers: int = 1) -> Iterator[Outcome]:
    """Write the pictures of the batches; reading a batch takes longer than writing it, so one process does it."""
    for path in extract_images(root, split):
        yield path.relative_to(root).as_posix(), "", ()


def prepare_scannet(root: Path, split: str, workers: int = 1) -> Iterator[Outcome]:
    """Write `scannet_data/<scene>_aligned_vert.npy` and `_aligned_bbox.npy` of every scene, and `classes.tsv`.

    Points are the vertices of `<scene>_vh_clean_2.ply`, moved by the scene's axis alignment: metres, z up. Boxes are
    the extent of each object's vertices, axis-aligned, with the object id as ScanRefer and ScanQA use it.
    """
    labels = scannet.read_label_map(root / "scannetv2-labels.combined.tsv")
    names = sorted({RENAMED.get(name, name) for name in labels.values()})
    numbers = {name: number for number, name in enumerate(names, 1)}
    write_whole(root / "classes.tsv", "".join(f"{k}\t{name}\n" for name, k in numbers.items()))
    write_manifest(root / FOLDER, {"units": "metres", "aligned": "to the scene's walls by its axisAlignment"})
    scenes = [line.strip() for line in read_lines(root / f"scannetv2_{split}.txt")]
    yield from in_parallel(partial(_prepare_scene, root, labels, numbers), scenes, workers)


def _prepare_scene(root: Path, labels: dict[str, str], numbers: dict[str, int], scene: str) -> Outcome:
    name = f"{FOLDER}/{scene}_aligned_bbox.npy"

    def write() -> list[str]:
        points, boxes, unknown = read_scene(root / "scans" / scene, labels, numbers)
        save_cloud(root / FOLDER / f"{scene}_aligned_vert.npy", points)
        # The boxes come last: their file says that the scene is done.
        save_cloud(root / name, boxes)
        return [f"object of the raw category {label!r}, which the label table lacks" for label in unknown]

    return _made(root, name, write)


def read_scene(folder: Path, labels: dict[str, str], numbers: dict[str, int]) -> tuple[Any, Any, list[str]]:
    """Read one ScanNet scene as downloaded.

    Args:
        folder: `scans/<scene>`.
        labels: NYU40 class by raw category.
        numbers: Number by class name.

    Returns:
        `[N, 6]` float32 points with colours; `[K, 8]` boxes: centre, size, class number, object id; and the raw
        categories of objects that were left out, because the label table does not have them.

    Raises:
        SourceError: A file is missing or damaged.
    """
    cloud = load_cloud(folder / f"{folder.name}_vh_clean_2.ply")
    matrix = scannet.read_alignment(folder / f"{folder.name}.txt")
    points = scannet.align(cloud[:, :3].astype(np.float64), matrix)
    rows, unknown = [], []
    for key, label, box in scannet.read_instances(folder, points):
        name = labels.get(label)
        if name is None:
            unknown.append(label)
            continue
        rows.append((*box, numbers[RENAMED.get(name, name)], int(key)))
    aligned = np.concatenate([points, cloud[:, 3:]], 1).astype(np.float32)
    return aligned, np.array(rows, dtype=np.float64).reshape(-1, 8), unknown


def prepare_3rscan(root: Path, split: str, workers: int = 1) -> Iterator[Outcome]:
    """Write `3rscan_pcls/<scan>.npy` from each scan's labelled mesh: metres, z up, no colours.

    The mesh's vertex colours paint instances and would give the answers away, so they are dropped.
    """
    write_manifest(root / three_rscan.CLOUDS, {"units": "metres", "columns": ["x", "y", "z"]})
    scans = [scan for _, scan in three_rscan.iter_scans(root, split)]
    yield from in_parallel(partial(_prepare_scan, root), scans, workers)


def _prepare_scan(root: Path, scan: str) -> Outcome:
    name = f"{three_rscan.CLOUDS}/{scan}.npy"
    mesh = root / scan / "labels.instances.annotated.v2.ply"
    return _made(root, name, lambda: save_cloud(root / name, load_cloud(mesh)[:, :3]))


def prepare_shapenet(root: Path, split: str, workers: int = 1) -> Iterator[Outcome]:
    """Write `shapenet_pcls/<synset>_<model>_4096.npy`: points sampled on the surface, seeded by the model's id.

    Coordinates are turned from ShapeNet's y-up frame to z up; models are normalised to a unit diagonal, not metres.
    """
    write_manifest(root / shapenet.CLOUDS, {"units": "diagonal of the model's box", "columns": ["x", "y", "z"]})
    models = [f"{synset}/{model}" for synset, model in shapenet.iter_models(root)]
    yield from in_parallel(partial(_prepare_model, root), models, workers)


def _prepare_model(root: Path, name: str) -> Outcome:
    synset, _, model = name.partition("/")
    path = shapenet.cloud_name(synset, model)

    def write() -> None:
        mesh = root / synset / model / "models" / "model_normalized.obj"
        points = sample_mesh(mesh, shapenet.POINTS, seed_of(model))
        save_cloud(root / path, np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1))

    return _made(root, path, write)
