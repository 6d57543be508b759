"""CPU kernels beside their peers in one run: milliseconds on one thread and bytes of peak memory, as JSON.

    python benchmarks/kernels/cpu.py [--output benchmarks/results/kernels-cpu.json] [--quick]

Each figure is the median and the minimum of several repetitions, the first (which compiles) left out. Peers that are not
installed are reported as missing, never left out silently.
"""

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from clouds import room

from lamm_model import kernels

RESULTS = Path(__file__).parents[1] / "results" / "kernels-cpu.json"


def measure(run: Callable[[], object], repetitions: int) -> dict[str, float]:
    """Milliseconds of a call after one call to warm up."""
    run()
    times = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1e3)
    return {"median_ms": round(statistics.median(times), 3), "minimum_ms": round(min(times), 3)}


def once(run: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of the only call: for peers that take seconds."""
    begin = time.perf_counter()
    run()
    elapsed = round((time.perf_counter() - begin) * 1e3, 3)
    return {"median_ms": elapsed, "minimum_ms": elapsed}


def peak_bytes(run: Callable[[], object]) -> int:
    """How far the process's resident memory rises above where it stood (Linux)."""
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
    rows: dict[str, object] = {}
    cloud = room(40_000)
    points = torch.from_numpy(cloud)[None]
    for n in (1024, 2048):
        row: dict[str, object] = {}
        row["lamm numba"] = measure(lambda: kernels.farthest_point_sample(points, n), 15)
        row["lamm numba, compat pointnet2"] = measure(
            lambda: kernels.farthest_point_sample(points, n, compat="pointnet2"), 9
        )
        if not quick:
            row["torch loop"] = once(lambda: torch_loop(points[0], n))
        row["fpsample kdline h=7"] = _fpsample(cloud, n)
        row["open3d"] = _open3d(cloud, n)
        rows[f"40000 -> {n}"] = row
    return rows


def _fpsample(cloud, n):
    try:
        import fpsample
    except ImportError:
        return "not installed"
    return measure(lambda: fpsample.bucket_fps_kdline_sampling(cloud, n, h=7), 9)


def _open3d(cloud, n):
    try:
        import open3d
    except ImportError:
        return "not installed"
    wrapped = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.astype(float)))
    return measure(lambda: wrapped.farthest_point_down_sample(n), 3)


def neighbours(quick: bool) -> dict[str, object]:
    """Ball query 2,048 x 40,000 at the two radii of the published tower, and three nearest neighbours."""
    points = torch.from_numpy(room(40_000))[None]
    centres = kernels.gather(points, kernels.farthest_point_sample(points, 2048))
    rows: dict[str, object] = {}
    for name, radius, k, where, middle in (
        ("ball query 2048 x 40000, r = 0.2 m, k = 64", 0.2, 64, points, centres),
        ("ball query 256 x 2048, r = 1.6 m, k = 512", 1.6, 512, centres, centres[:, :256]),
    ):
        row: dict[str, object] = {}
        for implementation in ("numba", "reference"):

            def run(implementation=implementation, radius=radius, k=k, where=where, middle=middle):
                return kernels.ball_query(radius, k, where, middle, implementation=implementation, return_counts=True)

            row[f"lamm {implementation}"] = measure(run, 9) if implementation == "numba" else once(run)
        row["mean members"] = round(float(run()[1].float().mean()), 1)
        rows[name] = row
    row = {"lamm numba": measure(lambda: kernels.three_nn(centres, points), 7)}
    if not quick:
        row["lamm reference"] = once(lambda: kernels.three_nn(centres, points, implementation="reference"))
    row["scipy cKDTree (double, other tie rule)"] = _kd_tree(centres, points)
    rows["three nearest of 2048 for 40000"] = row
    return rows


def _kd_tree(points, queries):
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        return "not installed"
    return measure(lambda: cKDTree(points[0].numpy()).query(queries[0].numpy(), 3), 3)


def set_abstraction() -> dict[str, object]:
    """Both levels of the published tower: one cloud, float32; unfused is group, two linear layers, maximum."""
    torch.manual_seed(0)
    points = torch.from_numpy(room(40_000))[None]
    centres = kernels.gather(points, kernels.farthest_point_sample(points, 2048))
    levels = {
        "2048 x 64 rows, 3 -> 64 -> 256": (points, centres, 0.2, 64, None, (3, 64, 256)),
        "256 x 512 rows, 259 -> 512 -> 1024": (
            centres,
            centres[:, :256].contiguous(),
            1.6,
            512,
            torch.rand(1, 2048, 256),
            (259, 512, 1024),
        ),
    }
    rows: dict[str, object] = {}
    with torch.inference_mode():
        for name, (where, middle, radius, k, features, sizes) in levels.items():
            index, counts = kernels.ball_query(radius, k, where, middle, return_counts=True)
            first = (torch.randn(sizes[1], sizes[0]) / sizes[0] ** 0.5, torch.randn(sizes[1]))
            second = (torch.randn(sizes[2], sizes[1]) / sizes[1] ** 0.5, torch.randn(sizes[2]))

            def unfused(
                where=where, middle=middle, radius=radius, index=index, first=first, second=second, features=features
            ):
                grouped = (kernels.group(where, index) - middle[:, :, None]) / radius
                if features is not None:
                    grouped = torch.cat([grouped, kernels.group(features, index)], -1)
                hidden = torch.nn.functional.linear(grouped, *first).relu()
                return torch.nn.functional.linear(hidden, *second).relu().amax(2)

            def fused(
                where=where,
                middle=middle,
                radius=radius,
                index=index,
                counts=counts,
                first=first,
                second=second,
                features=features,
            ):
                return kernels.set_abstraction(where, middle, index, first, second, features, radius, counts)

            fused()
            difference = float((fused() - unfused()).abs().max())
            rows[name] = {
                "share of rows that are no padding": round(float(counts.float().mean()) / k, 3),
                "largest difference": difference,
                "lamm fused": {**measure(fused, 5), "peak_bytes": peak_bytes(fused)},
                "unfused torch": {**measure(unfused, 3), "peak_bytes": peak_bytes(unfused)},
            }
    return rows


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    versions = {}
    for package in ("torch", "numba", "numpy", "fpsample", "open3d", "open3d-cpu", "scipy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cpu": model, "threads": torch.get_num_threads(), "python": platform.python_version(), **versions}


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
