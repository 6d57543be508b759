"""GPU kernels: milliseconds and peak memory measured on the device that is there, beside what was predicted before.

    python benchmarks/kernels/gpu.py [--only WORD] [--output benchmarks/results/kernels_gpu.json]

Without a CUDA device it writes the table with the predictions and null where a measurement belongs. The prediction of a
row is its floor (operations over peak rate, bytes over bandwidth) and the time that the design should reach.
"""

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from clouds import room
from levels import Level, published_levels

from lamm_model import LammPointCloudConfig, LammPointCloudModel, kernels
from lamm_model.kernels.cuda import compiler, driver
from lamm_model.towers.point_cloud import SetAbstraction

RESULTS = Path(__file__).parents[1] / "results" / "kernels_gpu.json"
PUBLISHED = Path(__file__).parents[2] / "packages" / "lamm-model" / "tests" / "kernels" / "published_sampling.cu"
CLOUDS, POINTS = 16, 40_000
BFLOAT = torch.bfloat16

#: row → floor, expectation and target in milliseconds on one H200 (4.3 TB/s, 790 TFLOP/s bf16, 60 TFLOP/s fp32).
PREDICTIONS: dict[str, dict[str, object]] = {
    "sampling 40000 -> 1024": {"floor_ms": 0.1, "expected_ms": [0.7, 1.1], "target_ms": 1.2, "bound": "chain of steps"},
    "sampling 40000 -> 2048": {"floor_ms": 0.2, "expected_ms": [1.4, 2.2], "target_ms": 2.5, "bound": "chain of steps"},
    "sampling 40000 -> 2048, compat pointnet2": {
        "floor_ms": 0.2,
        "expected_ms": [1.5, 2.5],
        "target_ms": None,
        "bound": "chain of steps",
    },
    "sampling 40000 -> 2048, triton": {"floor_ms": 0.2, "expected_ms": [15, 40], "target_ms": None, "bound": "L2"},
    "ball query 2048 x 40000": {"floor_ms": 0.18, "expected_ms": [0.5, 1.5], "target_ms": None, "bound": "fp32"},
    "ball query 256 x 2048": {"floor_ms": 0.02, "expected_ms": [0.05, 0.2], "target_ms": None, "bound": "launch"},
    "group 256 x 512 of 2048, 256 channels, bf16": {
        "floor_ms": 0.27,
        "expected_ms": [0.3, 0.6],
        "target_ms": None,
        "bound": "bytes",
    },
    "set abstraction level 1, bf16": {
        "floor_ms": 0.09,
        "expected_ms": [0.3, 0.9],
        "target_ms": None,
        "bound": "gather",
    },
    "set abstraction level 2, bf16": {"floor_ms": 2.8, "expected_ms": [6, 14], "target_ms": None, "bound": "bf16"},
    "set abstraction level 2, fp32": {"floor_ms": 36, "expected_ms": [50, 120], "target_ms": None, "bound": "fp32"},
    "three nearest of 2048 for 40000": {"floor_ms": 0.6, "expected_ms": [2, 6], "target_ms": None, "bound": "fp32"},
    "interpolate 40000 x 3 of 2048, 256 channels, bf16": {
        "floor_ms": 0.08,
        "expected_ms": [0.15, 0.5],
        "target_ms": None,
        "bound": "bytes",
    },
    "point tower epcl, 16 clouds, bf16": {
        "floor_ms": 7,
        "expected_ms": [14, 28],
        "target_ms": 25,
        "bound": "bf16",
    },
}


def measure(run: Callable[[], object], budget: float = 0.3) -> float:
    """Median milliseconds on the device of a call: queued one behind the other, so that launching them is not measured.

    Where launching takes longer than running it still is: the device waits for the next call inside the events.
    """
    run()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    run()
    torch.cuda.synchronize()
    repetitions = max(5, min(30, int(budget / (time.perf_counter() - begun))))
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repetitions)]
    for begin, end in events:
        begin.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return round(statistics.median(begin.elapsed_time(end) for begin, end in events), 4)


def peak_bytes(run: Callable[[], object]) -> int:
    """How far the device memory that torch holds rises above where it stood."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


class Calls:
    """What is measured: row → ours, and row → peer → theirs. Inputs are made when a row first needs them."""

    @cached_property
    def points(self) -> torch.Tensor:
        return torch.stack([torch.from_numpy(room(POINTS, seed)) for seed in range(CLOUDS)]).cuda()

    @cached_property
    def levels(self) -> tuple[Level, Level]:
        first, second = published_levels(self.points, BFLOAT).values()
        return first, second

    @cached_property
    def wide_level(self) -> Level:
        return list(published_levels(self.points, torch.float32).values())[1]

    @cached_property
    def nearest(self) -> tuple[torch.Tensor, torch.Tensor]:
        distances, index = kernels.three_nn(self.levels[1].points, self.points)
        return kernels.inverse_distance_weights(distances).bfloat16(), index

    @cached_property
    def features(self) -> torch.Tensor:
        features = self.levels[1].features
        assert features is not None
        return features.bfloat16()

    @cached_property
    def tower(self) -> Callable[[], object]:
        torch.manual_seed(0)
        tower = LammPointCloudModel(LammPointCloudConfig.preset("epcl")).eval().to("cuda", BFLOAT)
        return torch.inference_mode()(partial(tower, self.points))

    def ours(self) -> dict[str, Callable[[], object]]:
        sample = partial(kernels.farthest_point_sample, validate=False)
        query = partial(kernels.ball_query, validate=False)
        return {
            "sampling 40000 -> 1024": lambda: sample(self.points, 1024),
            "sampling 40000 -> 2048": lambda: sample(self.points, 2048),
            "sampling 40000 -> 2048, compat pointnet2": lambda: sample(self.points, 2048, compat="pointnet2"),
            "sampling 40000 -> 2048, triton": lambda: sample(self.points, 2048, implementation="triton"),
            "ball query 2048 x 40000": lambda: query(0.2, 64, self.points, self.levels[0].centres),
            "ball query 256 x 2048": lambda: query(1.6, 512, self.levels[1].points, self.levels[1].centres),
            "group 256 x 512 of 2048, 256 channels, bf16": lambda: kernels.group(
                self.features, self.levels[1].neighbours[0], validate=False
            ),
            "set abstraction level 1, bf16": lambda: self.levels[0].fused(),
            "set abstraction level 2, bf16": lambda: self.levels[1].fused(),
            "set abstraction level 2, fp32": lambda: self.wide_level.fused(),
            "three nearest of 2048 for 40000": lambda: kernels.three_nn(
                self.levels[1].points, self.points, validate=False
            ),
            "interpolate 40000 x 3 of 2048, 256 channels, bf16": lambda: kernels.three_interpolate(
                self.features, self.nearest[1], self.nearest[0], validate=False
            ),
            "point tower epcl, 16 clouds, bf16": lambda: self.tower(),
        }

    def peers(self) -> dict[str, dict[str, Callable[[], object] | None]]:
        return {
            "sampling 40000 -> 2048": {
                "torch loop": lambda: torch_loop(self.points, 2048),
                "torch_cluster": cluster_library(self.points, 2048),
            },
            "sampling 40000 -> 2048, compat pointnet2": {
                "published design, one block a cloud": lambda: self.published(self.points, 2048)
            },
            "ball query 2048 x 40000": {
                "torch reference": lambda: kernels.ball_query(
                    0.2, 64, self.points, self.levels[0].centres, implementation="reference", validate=False
                )
            },
            "group 256 x 512 of 2048, 256 channels, bf16": {
                "torch indexing": lambda: kernels.group(
                    self.features, self.levels[1].neighbours[0], "reference", validate=False
                )
            },
            "set abstraction level 1, bf16": {"unfused torch": lambda: self.levels[0].unfused()},
            "set abstraction level 2, bf16": {"unfused torch": lambda: self.levels[1].unfused()},
            "set abstraction level 2, fp32": {"unfused torch": lambda: self.wide_level.unfused()},
            "point tower epcl, 16 clouds, bf16": {"grouped stages": self.grouped_tower},
        }

    def grouped_tower(self) -> object:
        with mock.patch.object(SetAbstraction, "can_fuse", return_value=False):
            return self.tower()

    @cached_property
    def published(self) -> Callable[[torch.Tensor, int], torch.Tensor]:
        """The published extension's design, compiled here: one block of 512 threads a cloud."""
        major, minor = torch.cuda.get_device_capability()
        code = compiler.compile_cubin(f"sm_{major}{minor}", {}, text=PUBLISHED.read_text(encoding="utf-8"))
        function = driver.load_code(code, "published")

        def sample(points: torch.Tensor, n: int) -> torch.Tensor:
            batch, size = points.shape[:2]
            nearest = torch.full((batch, size), 1e10, device=points.device)
            out = torch.empty(batch, n, dtype=torch.int64, device=points.device)
            driver.launch(function, batch, 512, 0, [points, nearest, out], size, n)
            return out

        return sample


def cluster_library(points: torch.Tensor, n: int) -> Callable[[], object] | None:
    """torch_cluster's sampling, None where it is not installed."""
    if importlib.util.find_spec("torch_cluster") is None:
        return None
    from torch_cluster import fps

    batch = torch.arange(points.shape[0], device=points.device).repeat_interleave(points.shape[1])
    return lambda: fps(points.flatten(0, 1), batch, n / points.shape[1], random_start=False)


def torch_loop(points: torch.Tensor, n: int) -> torch.Tensor:
    """The farthest point sampling that everyone writes, all clouds at once."""
    cloud = torch.arange(points.shape[0], device=points.device)
    nearest = torch.full(points.shape[:2], torch.inf, device=points.device)
    chosen, out = torch.zeros_like(cloud), torch.zeros(points.shape[0], n, dtype=torch.int64, device=points.device)
    for step in range(n):
        out[:, step] = chosen
        nearest = torch.minimum(nearest, (points - points[cloud, chosen][:, None]).square().sum(-1))
        chosen = nearest.argmax(-1)
    return out


@torch.no_grad()
def fill(table: dict[str, dict[str, object]], calls: Any, only: str) -> None:
    """Measure every row whose name holds a word."""
    ours, peers = calls.ours(), calls.peers()
    for name, row in table.items():
        if only not in name:
            continue
        row["measured_ms"], row["peak_bytes"] = measure(ours[name]), peak_bytes(ours[name])
        row["peers"] = {
            peer: {"measured_ms": measure(run), "peak_bytes": peak_bytes(run)} if run else "not installed"
            for peer, run in peers.get(name, {}).items()
        }
        print(name, json.dumps({key: row[key] for key in ("measured_ms", "peak_bytes", "peers")}), flush=True)


def report(
    title: str, predictions: dict[str, dict[str, object]], calls: Any, sizes: dict[str, int], path: Path
) -> None:
    """Write the predictions, and beside them what the device that is there measures of `calls`."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--output", type=Path, default=path)
    parser.add_argument("--only", default="", help="measure only rows whose name holds this")
    arguments = parser.parse_args()
    table = {name: {**prediction, "measured_ms": None} for name, prediction in predictions.items()}
    present = torch.cuda.is_available()
    if present:
        fill(table, calls, arguments.only)
    result = {
        "device": torch.cuda.get_device_name() if present else None,
        "torch": torch.__version__,
        **sizes,
        "rows": table,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    report(__doc__.splitlines()[0], PREDICTIONS, Calls(), {"clouds": CLOUDS, "points": POINTS}, RESULTS)
