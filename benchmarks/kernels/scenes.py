"""A scene of 500,000 points through each tower's processor and the tower: seconds and memory, as JSON.

    python benchmarks/kernels/scenes.py [--only NAME] [--output benchmarks/results/kernels_scenes.json]

The scene is a file of coordinates, colours and, for towers that see them, normals, read as in prediction. Memory is
what the process's resident set rises by. The processor reads a fifth of the scene, too; what a tower gets is bounded
by its `num_points`, so that it is measured on the whole alone. Weights are random.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from clouds import room
from cpu import machine, peak_bytes
from transformers import AutoModel

from lamm_model import LammPointCloudProcessor
from lamm_model.towers.configuration_point_cloud import cloud_layout, cloud_preset

RESULTS = Path(__file__).parents[1] / "results" / "kernels_scenes.json"
POINTS = (100_000, 500_000)
TOWERS = ("tiny", "tiny-ptv3", "point-bert", "epcl", "sonata", "utonia")


def scene(points: int, folder: Path, columns: int) -> Path:
    """Write a room of so many points with colours, and with 9 columns normals, as `[N, columns]` float32."""
    generator = np.random.default_rng(points)
    colours = generator.integers(0, 256, (points, 3))
    normals = generator.normal(size=(points, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    path = folder / f"{points}-{columns}.npy"
    table = np.concatenate([room(points), colours, normals], axis=1)[:, :columns]
    np.save(path, table.astype(np.float32))
    return path


def measured(run: Callable[[], object]) -> dict[str, object]:
    """Seconds by the clock and of the processor, and the rise of the resident set."""
    begin, begin_processor = time.perf_counter(), time.process_time()
    rise = peak_bytes(run)
    return {
        "cpu_s": round(time.process_time() - begin_processor, 2),
        "s": round(time.perf_counter() - begin, 2),
        "peak_bytes": rise,
    }


@torch.inference_mode()
def through(name: str, folder: Path) -> dict[str, object]:
    """Measure one tower and the processor that its configuration sets."""
    config = cloud_preset(name)
    processor = LammPointCloudProcessor(**cloud_layout(config))
    scenes = {points: str(scene(points, folder, 9 if processor.use_normal else 6)) for points in POINTS}
    torch.manual_seed(0)
    tower = AutoModel.from_config(config).eval()
    row: dict[str, object] = {"weights_bytes": sum(part.numel() * part.element_size() for part in tower.parameters())}
    for points, path in scenes.items():
        row[f"processor, {points:,} points"] = measured(partial(processor, path))
    clouds = processor(scenes[max(POINTS)])["point_clouds"]
    row["rows that the tower gets"] = int((~clouds[0, :, 0].isnan()).sum())
    tower(processor(room(2000))["point_clouds"])  # compiles
    row["tower"] = measured(partial(tower, clouds))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="measure this tower alone")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    results: dict[str, object] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        for name in TOWERS:
            if arguments.only in ("", name):
                results[name] = through(name, Path(folder))
                print(name, json.dumps(results[name], indent=2), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
