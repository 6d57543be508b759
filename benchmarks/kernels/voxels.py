"""Voxel kernels of scene towers beside their peers, in turn in one run: milliseconds and peak memory, as JSON.

    python benchmarks/kernels/voxels.py [--only WORD] [--output benchmarks/results/kernels_voxels.json]

spconv's CPU wheel (`pip install spconv "cumm<0.8"`) is measured where it is installed; it needs no bias, so nobody adds
one. All convolutions run on one thread and take their map as already made.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch
from clouds import room
from cpu import machine, peak_bytes

from lamm_model import PointTransformerV3Config, PointTransformerV3Model, kernels

RESULTS = Path(__file__).parents[1] / "results" / "kernels_voxels.json"
VOXELS, POINTS = 20_000, 1_000_000
CHANNELS = (32, 64, 128, 256)


def in_turn(calls: dict[str, Callable[[], object]], repetitions: int) -> dict[str, object]:
    """Median and least milliseconds of the processor, and the median by the clock; each call once a round."""
    clock: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(repetitions + 1):
        for name, run in calls.items():
            begin, begin_processor = time.perf_counter(), time.process_time()
            run()
            if round_:  # the first compiles
                processor[name].append((time.process_time() - begin_processor) * 1e3)
                clock[name].append((time.perf_counter() - begin) * 1e3)
    return {
        name: {
            "median_cpu_ms": round(statistics.median(processor[name]), 2),
            "minimum_cpu_ms": round(min(processor[name]), 2),
            "median_ms": round(statistics.median(clock[name]), 2),
        }
        for name in calls
    }


@cache
def scene() -> torch.Tensor:
    """int64 `[VOXELS, 3]`: surfaces of a room in cells of 4 cm, those nearest to one of them, ascending."""
    grid = kernels.voxel_grid_sample(torch.from_numpy(room(400_000, 1)), 0.04).grid
    centre = grid[int(torch.randint(len(grid), (), generator=torch.Generator().manual_seed(0)))]
    nearest = (grid - centre).square().sum(1).argsort(stable=True)[:VOXELS]
    return grid[nearest.sort().values]


def one_product(features: torch.Tensor, weight: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """All neighbours of all voxels gathered, absent ones as zeros, and one matrix product."""
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    return padded[table.T.long()].flatten(1) @ weight.flatten(1).T


def spconv_convolution(grid: torch.Tensor, features: torch.Tensor, weight: torch.Tensor) -> Callable[[], object] | None:
    """spconv's submanifold convolution with its map made; None where it is not installed."""
    try:
        import spconv.pytorch as spconv
    except ImportError:
        return None
    layer = spconv.SubMConv3d(features.shape[1], len(weight), 3, bias=False, indice_key="scene").eval()
    layer.weight.data = weight
    places = torch.cat([torch.zeros(len(grid), 1), grid], 1).int()
    tensor = spconv.SparseConvTensor(features, places, (grid.amax(0) + 1).tolist(), 1)
    first = layer(tensor)
    again = tensor.replace_feature(features)
    again.indice_dict = first.indice_dict
    return lambda: layer(again).features


@torch.no_grad()
def convolution() -> dict[str, object]:
    """3 x 3 x 3 over the scene for each width."""
    grid, rows = scene(), {}
    table = kernels.submanifold_kernel_map(grid)
    for channels in CHANNELS:
        generator = torch.Generator().manual_seed(channels)
        features = torch.randn(VOXELS, channels, generator=generator)
        weight = torch.randn(channels, 3, 3, 3, channels, generator=generator) / channels**0.5
        calls = {
            "lamm numba": partial(kernels.submanifold_conv3d, features, weight, None, table),
            "torch pair lists": partial(kernels.submanifold_conv3d, features, weight, None, table, "reference"),
            "torch, one gather and one product": partial(one_product, features, weight, table),
        }
        peer = spconv_convolution(grid, features, weight)
        if peer is not None:
            calls["spconv"] = peer
        want = calls["torch pair lists"]()
        row = in_turn(calls, 7)
        row["largest difference"] = max(float((run() - want).abs().max() / want.abs().max()) for run in calls.values())
        row["peak_bytes"] = {name: peak_bytes(run) for name, run in calls.items()}
        row.setdefault("spconv", "not installed")
        rows[f"{channels} -> {channels}"] = row
    return rows | {"neighbours of a voxel": round(float((table >= 0).sum()) / VOXELS, 2)}


def gradients() -> dict[str, object]:
    """Forward and backward of the convolution, 64 channels."""
    table = kernels.submanifold_kernel_map(scene())
    features = torch.randn(VOXELS, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = (torch.randn(64, 3, 3, 3, 64, generator=torch.Generator().manual_seed(1)) / 8).requires_grad_()

    def step(name: str) -> None:
        out = kernels.submanifold_conv3d(features, weight, None, table, name)
        torch.autograd.grad(out.sum(), (features, weight))

    return in_turn({"lamm numba": partial(step, "numba"), "torch pair lists": partial(step, "reference")}, 5)


def maps() -> dict[str, object]:
    """Kernel maps of the scene."""
    return {
        f"{size} x {size} x {size}": in_turn(
            {
                name: partial(kernels.submanifold_kernel_map, scene(), None, size, implementation)
                for name, implementation in (("lamm numba", None), ("torch searchsorted", "reference"))
            },
            9 if size == 3 else 5,
        )
        for size in (3, 5)
    }


def serialisation() -> dict[str, object]:
    """A million points in cells of 5 mm, their order along one curve and along four, on one thread and on two."""
    grid = torch.floor(torch.from_numpy(room(POINTS)).double() / 0.005).long()
    grid -= grid.amin(0)
    rows = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name, curves in {"z": ["z"], "hilbert": ["hilbert"], "all four": kernels.CURVES}.items():
            calls = {"lamm numba": partial(kernels.serialize_points, grid, None, curves)}
            if name == "hilbert":
                calls["torch"] = partial(calls["lamm numba"], implementation="reference")
            rows[f"{name}, {threads} threads"] = in_turn(calls, 5)
    torch.set_num_threads(1)
    return rows


def sampling() -> dict[str, object]:
    """A million points into cells of 2 cm, and the features of 200,000 rows pooled by twos."""
    points = torch.from_numpy(room(POINTS))
    rows = {"grid sampling of 1,000,000 points": _both(partial(kernels.voxel_grid_sample, points, 0.02))}
    fine = kernels.voxel_grid_sample(points[:200_000], 0.02)
    coarse = kernels.unique_voxels(fine.grid // 2)
    features = torch.randn(len(fine.grid), 96, generator=torch.Generator().manual_seed(0))
    pool = partial(kernels.segment_pool, features, coarse.inverse, len(coarse.grid))
    return rows | {f"largest of {len(fine.grid)} rows of 96 in {len(coarse.grid)}": _both(pool)}


def _both(call: Callable[..., object]) -> dict[str, object]:
    return in_turn({"lamm numba": call, "torch": partial(call, implementation="reference")}, 5)


@torch.no_grad()
def linears() -> dict[str, object]:
    """The widest linear layers of a level of 96 channels, as towers compute them in prediction and by torch."""
    rows, model = {}, PointTransformerV3Model(PointTransformerV3Config())
    for name, wide, out in (("fc1", 96, 384), ("fc2", 384, 96)):
        layer = model.get_submodule(f"enc.enc1.block0.mlp.0.{name}")
        features = torch.randn(VOXELS, wide, generator=torch.Generator().manual_seed(0))
        torchs = partial(torch.nn.functional.linear, features, layer.weight, layer.bias)
        row = in_turn({"lamm, by oneDNN": partial(layer, features), "torch": torchs}, 7)
        want = torchs()
        row["largest difference"] = float((layer(features) - want).abs().max() / want.abs().max())
        rows[f"{wide} -> {out}"] = row
    return rows


@torch.inference_mode()
def tower() -> dict[str, object]:
    """The encoder of Sonata with random weights over 100,000 voxels, on two threads."""
    torch.manual_seed(0)
    model = PointTransformerV3Model(PointTransformerV3Config()).eval()
    fine = torch.from_numpy(room(2_000_000, 2))
    voxels = kernels.voxel_grid_sample(fine, 0.02)
    cloud = torch.cat([fine, torch.rand(len(fine), 6)], 1)[voxels.first[:100_000]][None]
    torch.set_num_threads(2)

    def encode(name: str | None, points: torch.Tensor) -> object:
        with kernels.use_implementation(name):
            return model(points)

    row: dict[str, object] = {"voxels": cloud.shape[1]}
    for name, implementation in {"lamm": None, "plain torch": "reference"}.items():
        encode(implementation, cloud[:, :2000])  # compiles
        begin, begin_processor = time.perf_counter(), time.process_time()
        peak = peak_bytes(partial(encode, implementation, cloud))
        row[name] = {
            "cpu_ms": round((time.process_time() - begin_processor) * 1e3),
            "ms": round((time.perf_counter() - begin) * 1e3),
            "peak_bytes": peak,
        }
        print(name, row[name], flush=True)
    torch.set_num_threads(1)
    return row


PARTS: dict[str, Callable[[], dict[str, object]]] = {
    "submanifold convolution, 20,000 voxels": convolution,
    "convolution forward and backward, 64 channels": gradients,
    "kernel map, 20,000 voxels": maps,
    "serialisation, 1,000,000 points": serialisation,
    "sampling and pooling": sampling,
    "linear layers, 20,000 rows": linears,
    "tower, 100,000 voxels": tower,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="measure only parts whose name holds this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, object] = {"machine": machine()}
    for name, part in PARTS.items():
        if arguments.only in name:
            results[name] = part()
            print(name, json.dumps(results[name], indent=2), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
