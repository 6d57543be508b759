"""GPU kernels: milliseconds measured on the device that is there, beside the prediction made before any was.

    python benchmarks/kernels/gpu.py [--output benchmarks/results/kernels_gpu.json]

Without a CUDA device it writes the table with the predictions and null where a measurement belongs. The prediction of a
row is its floor (operations over peak rate, bytes over bandwidth) and the time that the design should reach.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from clouds import room

from lamm_model import kernels

RESULTS = Path(__file__).parents[1] / "results" / "kernels_gpu.json"
CLOUDS, POINTS = 16, 40_000

#: row → floor, expectation and target in milliseconds on one H200 (4.3 TB/s, 790 TFLOP/s bf16, 60 TFLOP/s fp32).
PREDICTIONS: dict[str, dict[str, object]] = {
    "sampling 40000 -> 1024": {"floor_ms": 0.1, "expected_ms": [0.7, 1.1], "target_ms": 1.2, "bound": "chain of steps"},
    "sampling 40000 -> 2048": {"floor_ms": 0.2, "expected_ms": [1.4, 2.2], "target_ms": 2.5, "bound": "chain of steps"},
    "sampling 40000 -> 2048, triton": {"floor_ms": 0.2, "expected_ms": [15, 40], "target_ms": None, "bound": "L2"},
    "ball query 2048 x 40000": {"floor_ms": 0.18, "expected_ms": [0.5, 1.5], "target_ms": None, "bound": "fp32"},
    "set abstraction level 1, bf16": {
        "floor_ms": 0.09,
        "expected_ms": [0.3, 0.9],
        "target_ms": None,
        "bound": "gather",
    },
    "set abstraction level 2, bf16": {"floor_ms": 2.8, "expected_ms": [6, 14], "target_ms": None, "bound": "bf16"},
    "both levels, sampling and queries included, bf16": {
        "floor_ms": 3.3,
        "expected_ms": [9, 20],
        "target_ms": 25,
        "bound": "bf16",
    },
    "three nearest of 2048 for 40000": {"floor_ms": 0.6, "expected_ms": [2, 6], "target_ms": None, "bound": "fp32"},
}


def measure(run: Callable[[], object], repetitions: int = 20) -> float:
    """Median milliseconds between two events on the stream, after three calls to warm up."""
    for _ in range(3):
        run()
    times = []
    for _ in range(repetitions):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return round(sorted(times)[len(times) // 2], 4)


def rows(device: torch.device) -> dict[str, Callable[[], object]]:
    """The calls that are measured, on 16 clouds; values are validated once, outside."""
    points = torch.stack([torch.from_numpy(room(POINTS, seed)) for seed in range(CLOUDS)]).to(device)
    sampled = kernels.farthest_point_sample(points, 2048)
    centres = kernels.gather(points, sampled)
    few = centres[:, :256].contiguous()
    index1, counts1 = kernels.ball_query(0.2, 64, points, centres, return_counts=True)
    index2, counts2 = kernels.ball_query(1.6, 512, centres, few, return_counts=True)
    features = torch.randn(CLOUDS, 2048, 256, device=device)

    def layer(outputs: int, inputs: int, dtype: torch.dtype) -> tuple[torch.Tensor, None]:
        return torch.randn(outputs, inputs, device=device, dtype=dtype), None

    first1, second1 = layer(64, 3, torch.float32), layer(256, 64, torch.bfloat16)
    first2, second2 = layer(512, 259, torch.float32), layer(1024, 512, torch.bfloat16)
    quiet = {"validate": False}

    def level1() -> torch.Tensor:
        return kernels.set_abstraction(points, centres, index1, first1, second1, None, 0.2, counts1, **quiet)

    def level2() -> torch.Tensor:
        return kernels.set_abstraction(centres, few, index2, first2, second2, features, 1.6, counts2, **quiet)

    def both() -> torch.Tensor:
        kernels.gather(points, kernels.farthest_point_sample(points, 2048, **quiet), **quiet)
        kernels.ball_query(0.2, 64, points, centres, **quiet)
        kernels.ball_query(1.6, 512, centres, few, **quiet)
        level1()
        return level2()

    return {
        "sampling 40000 -> 1024": lambda: kernels.farthest_point_sample(points, 1024, **quiet),
        "sampling 40000 -> 2048": lambda: kernels.farthest_point_sample(points, 2048, **quiet),
        "sampling 40000 -> 2048, triton": lambda: kernels.farthest_point_sample(
            points, 2048, implementation="triton", **quiet
        ),
        "ball query 2048 x 40000": lambda: kernels.ball_query(0.2, 64, points, centres, **quiet),
        "set abstraction level 1, bf16": level1,
        "set abstraction level 2, bf16": level2,
        "both levels, sampling and queries included, bf16": both,
        "three nearest of 2048 for 40000": lambda: kernels.three_nn(centres, points, **quiet),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    present = torch.cuda.is_available()
    calls = rows(torch.device("cuda")) if present else {}
    table = {
        name: {**prediction, "measured_ms": measure(calls[name]) if present else None}
        for name, prediction in PREDICTIONS.items()
    }
    result = {
        "device": torch.cuda.get_device_name() if present else None,
        "clouds": CLOUDS,
        "points": POINTS,
        "rows": table,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
