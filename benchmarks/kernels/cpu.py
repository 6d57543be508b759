"""CPU kernels beside their peers in one run: milliseconds on one thread and bytes of peak memory, as JSON.

    python benchmarks/kernels/cpu.py [--output benchmarks/results/kernels_cpu.json] [--quick]

Each figure comes from several repetitions, the first (which compiles) left out. Peers that are
not installed are reported as missing, never left out silently.
"""

import argparse
import ctypes
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from clouds import room
from levels import published_levels

from lamm_model import kernels

RESULTS = Path(__file__).parents[1] / "results" / "kernels_cpu.json"


def measure(run: Callable[[], object], repetitions: int, warm_up: bool = True) -> dict[str, float]:
    """Milliseconds of a call: by the clock, and of the processor alone, which other processes do not stretch."""
    if warm_up:
        run()
    clock, processor = [], []
    for _ in range(repetitions):
        begin, begin_processor = time.perf_counter(), time.process_time()
        run()
        processor.append((time.process_time() - begin_processor) * 1e3)
        clock.append((time.perf_counter() - begin) * 1e3)
    return {
        "median_ms": round(statistics.median(clock), 3),
        "minimum_ms": round(min(clock), 3),
        "median_cpu_ms": round(statistics.median(processor), 3),
    }


def once(run: Callable[[], object]) -> dict[str, float]:
    """The only call: for peers that take seconds."""
    return measure(run, 1, warm_up=False)


def peak_bytes(run: Callable[[], object]) -> int:
    """How far the process's resident memory rises above where it stood (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)  # memory that earlier calls freed must not be reused unseen
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def torch_loop(points: torch.Tensor, n: int) -> torch.Tensor:
    """The farthest point sampling that everyone writes: one argmax a step."""
    nearest = torch.full(points.shape[:1], torch.inf)
    chosen, out = torch.tensor(0), torch.zeros(n, dtype=torch.int64)
    for step in range(n):
        out[step] = chosen
        nearest = torch.minimum(nearest, (points - points[chosen]).square().sum(-1))
        chosen = nearest.argmax()
    return out


def sampling(quick: bool) -> dict[str, object]:
    """Farthest point sampling 40,000 to 2,048 and to 1,024."""
    return {f"40000 -> {n}": _sampling_row(n, quick) for n in (1024, 2048)}


def _sampling_row(n: int, quick: bool) -> dict[str, object]:
    cloud = room(40_000)
    points = torch.from_numpy(cloud)[None]
    row: dict[str, object] = {
        "lamm numba": measure(partial(kernels.farthest_point_sample, points, n), 15),
        "lamm numba, compat pointnet2": measure(
            partial(kernels.farthest_point_sample, points, n, compat="pointnet2"), 9
        ),
    }
    if not quick:
        row["torch loop"] = once(partial(torch_loop, points[0], n))
    row["fpsample kdline h=7"] = _fpsample(cloud, n)
    row["open3d"] = _open3d(cloud, n)
    row["torch_cluster"] = _torch_cluster(points[0], n)
    return row


def _fpsample(cloud: np.ndarray, n: int) -> object:
    try:
        import fpsample
    except ImportError:
        return "not installed"
    return measure(partial(fpsample.bucket_fps_kdline_sampling, cloud, n, h=7), 9)


def _open3d(cloud: np.ndarray, n: int) -> object:
    try:
        import open3d
    except ImportError:
        return "not installed"
    wrapped = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.astype(float)))
    return measure(partial(wrapped.farthest_point_down_sample, n), 3)


def _torch_cluster(points: torch.Tensor, n: int) -> object:
    try:
        from torch_cluster import fps
    except ImportError:
        return "not installed"
    return measure(partial(fps, points, ratio=n / points.shape[0], random_start=False), 3)


def neighbours(quick: bool) -> dict[str, object]:
    """Ball query at the two levels of the published tower, and three nearest neighbours."""
    points = torch.from_numpy(room(40_000))[None]
    centres = kernels.gather(points, kernels.farthest_point_sample(points, 2048))
    rows: dict[str, object] = {}
    for name, arguments in {
        "ball query 2048 x 40000, r = 0.2 m, k = 64": (0.2, 64, points, centres),
        "ball query 256 x 2048, r = 1.6 m, k = 512": (1.6, 512, centres, centres[:, :256]),
    }.items():
        counts = kernels.ball_query(*arguments, return_counts=True)[1]
        rows[name] = {
            "lamm numba": measure(partial(kernels.ball_query, *arguments), 9),
            "torch reference": once(partial(kernels.ball_query, *arguments, implementation="reference")),
            "mean members": round(float(counts.float().mean()), 1),
        }
    row: dict[str, object] = {"lamm numba": measure(partial(kernels.three_nn, centres, points), 7)}
    if not quick:
        row["torch reference"] = once(partial(kernels.three_nn, centres, points, implementation="reference"))
    row["scipy cKDTree (double, other tie rule)"] = _kd_tree(centres, points)
    rows["three nearest of 2048 for 40000"] = row
    return rows


def _kd_tree(points: torch.Tensor, queries: torch.Tensor) -> object:
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        return "not installed"
    return measure(lambda: cKDTree(points[0].numpy()).query(queries[0].numpy(), 3), 3)


@torch.inference_mode()
def set_abstraction() -> dict[str, object]:
    """Both levels of the published tower: one cloud, float32."""
    points = torch.from_numpy(room(40_000))[None]
    rows: dict[str, object] = {}
    for name, level in published_levels(points, torch.float32).items():
        rows[name] = {
            "share of rows that are no padding": round(float(level.neighbours[1].float().mean()) / level.k, 3),
            "largest difference": float((level.fused() - level.unfused()).abs().max()),
            "lamm fused": {**measure(level.fused, 5), "peak_bytes": peak_bytes(level.fused)},
            "unfused torch": {**measure(level.unfused, 3), "peak_bytes": peak_bytes(level.unfused)},
        }
    return rows


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    versions = {}
    for package in ("torch", "numba", "numpy", "spconv", "fpsample", "open3d", "open3d-cpu", "torch-cluster", "scipy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    load = Path("/proc/loadavg").read_text().split()[0]
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load when started": float(load),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--quick", action="store_true", help="leave out the peers that take seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {
        "machine": machine(),
        "farthest point sampling": sampling(arguments.quick),
        "neighbours": neighbours(arguments.quick),
        "set abstraction": set_abstraction(),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
