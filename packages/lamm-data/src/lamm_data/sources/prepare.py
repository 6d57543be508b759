"""Make the media files that a download does not hold in a usable form: clouds out of meshes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lamm_data.clouds import load_cloud, sample_mesh, save_cloud
from lamm_data.errors import SourceError
from lamm_data.jsonl import load_json
from lamm_data.sources import scannet, shapenet, three_rscan
from lamm_data.sources.fields import read_lines
from lamm_data.sources.scannet_export import FOLDER

RENAMED = {"refridgerator": "refrigerator", "otherfurniture": "other furniture", "night stand": "nightstand"}
"""NYU40 class names that are misspelt or run together in the label table."""


def prepare_scannet(root: Path, split: str) -> Iterator[Path]:
    """Write `scannet_data/<scene>_aligned_vert.npy` and `_aligned_bbox.npy` of every scene, and `classes.tsv`.

    Points are the vertices of `<scene>_vh_clean_2.ply`, moved by the scene's axis alignment: metres, z up. Boxes are
    the extent of each object's vertices, axis-aligned, with the object id as ScanRefer and ScanQA use it. Scenes that
    are there already are kept.
    """
    labels = scannet.read_label_map(root / "scannetv2-labels.combined.tsv")
    names = sorted({RENAMED.get(name, name) for name in labels.values()})
    numbers = {name: number for number, name in enumerate(names, 1)}
    (root / "classes.tsv").write_text("".join(f"{k}\t{name}\n" for name, k in numbers.items()), encoding="utf-8")
    for line in read_lines(root / f"scannetv2_{split}.txt"):
        scene = line.strip()
        path = root / FOLDER / f"{scene}_aligned_bbox.npy"
        if not path.is_file():
            _prepare_scene(root / "scans" / scene, path, labels, numbers)
        yield path


def _prepare_scene(folder: Path, path: Path, labels: dict[str, str], numbers: dict[str, int]) -> None:
    cloud = load_cloud(folder / f"{folder.name}_vh_clean_2.ply")
    matrix = scannet.read_alignment(folder / f"{folder.name}.txt")
    points = scannet.align(cloud[:, :3].astype(np.float64), matrix)
    rows = []
    for key, label, box in scannet.read_instances(folder, points):
        if label not in labels:
            raise SourceError(f"Expected {label!r} in the label table, got no such raw category ({folder.name}).")
        name = labels[label]
        rows.append((*box, numbers[RENAMED.get(name, name)], int(key)))
    save_cloud(
        path.with_name(f"{folder.name}_aligned_vert.npy"),
        np.concatenate([points, cloud[:, 3:]], 1).astype(np.float32),
    )
    # The boxes come last: their file says that the scene is done.
    save_cloud(path, np.array(rows, dtype=np.float64).reshape(-1, 8))


def prepare_3rscan(root: Path, split: str) -> Iterator[Path]:
    """Write `3rscan_pcls/<scan>.npy` from each scan's labelled mesh: metres, z up, no colours.

    The mesh's vertex colours paint instances and would give the answers away, so they are dropped.
    """
    for scene in load_json(root / "3RScan.json"):
        if scene["type"] != three_rscan.SPLITS.get(split):
            continue
        for scan in (scene["reference"], *(rescan["reference"] for rescan in scene.get("scans", ()))):
            path = root / three_rscan.CLOUDS / f"{scan}.npy"
            mesh = root / scan / "labels.instances.annotated.v2.ply"
            if not path.is_file() and mesh.is_file():
                save_cloud(path, load_cloud(mesh)[:, :3])
            yield path


def prepare_shapenet(root: Path, split: str) -> Iterator[Path]:
    """Write `shapenet_pcls/<synset>_<model>_4096.npy`: points sampled on the surface, seeded by the model's id.

    Coordinates are turned from ShapeNet's y-up frame to z up; models are normalised to a unit diagonal, not metres.
    """
    for synset, model in shapenet.iter_models(root):
        path = root / shapenet.cloud_name(synset, model)
        if not path.is_file():
            seed = int.from_bytes(hashlib.blake2b(model.encode(), digest_size=4).digest(), "big")
            points = sample_mesh(root / synset / model / "models" / "model_normalized.obj", shapenet.POINTS, seed)
            save_cloud(path, np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1))
        yield path
