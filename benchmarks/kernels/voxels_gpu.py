"""Voxel kernels and a scene tower on the device that is there, beside what was predicted before.

    python benchmarks/kernels/voxels_gpu.py [--only WORD] [--output benchmarks/results/kernels_voxels_gpu.json]

Without a CUDA device it writes the predictions, and null where a measurement belongs. spconv-triton (`pip install
spconv-triton`) and torch-fps are measured where they are installed.
"""

import importlib
import importlib.util
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import torch
from clouds import room
from gpu import report

from lamm_model import PointTransformerV3Config, PointTransformerV3Model, kernels

RESULTS = Path(__file__).parents[1] / "results" / "kernels_voxels_gpu.json"
SCENES, VOXELS, CHANNELS = 16, 100_000, 96

#: row → floor and expectation in milliseconds on one H200 (4.3 TB/s, 790 TFLOP/s bf16), and what bounds it.
PREDICTIONS: dict[str, dict[str, object]] = {
    "grid sampling of 16 scenes": {"floor_ms": 0.2, "expected_ms": [3, 12], "bound": "sort"},
    "serialisation, four curves": {"floor_ms": 0.3, "expected_ms": [6, 20], "bound": "sort"},
    "kernel map 3 x 3 x 3": {"floor_ms": 0.5, "expected_ms": [3, 10], "bound": "L2"},
    "convolution 96 -> 96, bf16": {"floor_ms": 1.1, "expected_ms": [3, 9], "bound": "gather"},
    "convolution 96 -> 96, bf16, forward and backward": {"floor_ms": 3.3, "expected_ms": [12, 40], "bound": "gather"},
    "largest of the rows of a cell, 96 channels, bf16": {"floor_ms": 0.3, "expected_ms": [1.5, 5], "bound": "bytes"},
    "farthest point sampling to 512 of 16 x 6,000": {"floor_ms": 0.05, "expected_ms": [0.3, 0.6], "bound": "chain"},
    "tower sonata, 16 scenes, bf16": {"floor_ms": 60, "expected_ms": [250, 700], "bound": "bf16"},
}


class Calls:
    """What is measured: row → ours, and row → peer → theirs. Inputs are made when a row first needs them."""

    @cached_property
    def clouds(self) -> torch.Tensor:
        """Points, colours and normals `[SCENES, VOXELS, 9]`, one point in each cell of 2 cm."""
        clouds = []
        for seed in range(SCENES):
            points = torch.from_numpy(room(2_000_000, seed)).cuda()
            first = kernels.voxel_grid_sample(points, 0.02).first[:VOXELS]
            clouds.append(torch.cat([points[first], torch.rand(VOXELS, 6, device="cuda")], 1))
        return torch.stack(clouds)

    @cached_property
    def voxels(self) -> kernels.Voxels:
        return kernels.voxel_grid_sample(self.clouds[..., :3].flatten(0, 1), 0.02, [VOXELS] * SCENES)

    @cached_property
    def coarse(self) -> kernels.Voxels:
        return kernels.unique_voxels(self.voxels.grid // 2, self.voxels.lengths)

    @cached_property
    def table(self) -> torch.Tensor:
        return kernels.submanifold_kernel_map(self.voxels.grid, self.voxels.lengths)

    @cached_property
    def layer(self) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator("cuda").manual_seed(0)
        draw = partial(torch.randn, generator=generator, device="cuda", dtype=torch.bfloat16)
        weight = draw(CHANNELS, 3, 3, 3, CHANNELS) / 20
        return draw(len(self.voxels.grid), CHANNELS).requires_grad_(), weight.requires_grad_()

    @cached_property
    def tower(self) -> Callable[[], object]:
        torch.manual_seed(0)
        model = PointTransformerV3Model(PointTransformerV3Config()).eval().to("cuda", torch.bfloat16)
        return torch.inference_mode()(partial(model, self.clouds))

    def convolve(self, implementation: str | None = None) -> torch.Tensor:
        return kernels.submanifold_conv3d(*self.layer, None, self.table, implementation, validate=False)

    def both_ways(self, implementation: str | None = None) -> object:
        with torch.enable_grad():
            return torch.autograd.grad(self.convolve(implementation).sum(), self.layer)

    def pool(self, implementation: str | None = None) -> torch.Tensor:
        size = len(self.coarse.grid)
        return kernels.segment_pool(
            self.layer[0], self.coarse.inverse, size, implementation=implementation, validate=False
        )

    def ours(self) -> dict[str, Callable[[], object]]:
        lengths = self.voxels.lengths
        last = self.clouds[:, :6000, :3].contiguous()
        return dict(
            zip(
                PREDICTIONS,
                (
                    lambda: kernels.voxel_grid_sample(
                        self.clouds[..., :3].flatten(0, 1), 0.04, [VOXELS] * SCENES, validate=False
                    ),
                    lambda: kernels.serialize_points(self.voxels.grid, lengths, validate=False),
                    lambda: kernels.submanifold_kernel_map(self.voxels.grid, lengths, validate=False),
                    self.convolve,
                    self.both_ways,
                    self.pool,
                    lambda: kernels.farthest_point_sample(last, 512, validate=False),
                    lambda: self.tower(),
                ),
                strict=True,
            )
        )

    def peers(self) -> dict[str, dict[str, Callable[[], object] | None]]:
        rows = list(PREDICTIONS)
        return {
            rows[1]: {
                "torch": lambda: kernels.serialize_points(
                    self.voxels.grid, self.voxels.lengths, implementation="reference", validate=False
                )
            },
            rows[2]: {
                "torch": lambda: kernels.submanifold_kernel_map(
                    self.voxels.grid, self.voxels.lengths, implementation="reference", validate=False
                )
            },
            rows[3]: {"torch pair lists": partial(self.convolve, "reference"), "spconv-triton": self.spconv()},
            rows[4]: {"torch pair lists": partial(self.both_ways, "reference")},
            rows[5]: {"torch": partial(self.pool, "reference")},
            rows[6]: {"torch-fps": self.torch_fps()},
            rows[7]: {"plain torch": self.plain_tower},
        }

    def plain_tower(self) -> object:
        with kernels.use_implementation("reference"):
            return self.tower()

    def spconv(self) -> Callable[[], object] | None:
        """spconv-triton's layer with its map made; None where it is not installed."""
        if importlib.util.find_spec("spconv_triton") is None:
            return None
        spconv = importlib.import_module("spconv_triton.pytorch")
        features, weight = (tensor.detach() for tensor in self.layer)
        layer = spconv.SubMConv3d(CHANNELS, CHANNELS, 3, bias=False, indice_key="scene").eval().cuda().bfloat16()
        layer.weight.data = weight
        grid, lengths = self.voxels.grid, self.voxels.lengths
        sample = torch.repeat_interleave(torch.arange(SCENES, device="cuda"), lengths)
        places = torch.cat([sample[:, None], grid], 1).int()
        tensor = spconv.SparseConvTensor(features, places, (grid.amax(0) + 1).tolist(), SCENES)
        again = tensor.replace_feature(features)
        again.indice_dict = layer(tensor).indice_dict
        return lambda: layer(again).features

    def torch_fps(self) -> Callable[[], object] | None:
        """torch-fps's sampling; None where it is not installed."""
        if importlib.util.find_spec("torch_fps") is None:
            return None
        sample = importlib.import_module("torch_fps").farthest_point_sampling
        points = self.clouds[:, :6000, :3].contiguous()
        present = torch.ones(points.shape[:2], dtype=torch.bool, device="cuda")
        first = torch.zeros(SCENES, dtype=torch.int64, device="cuda")
        return lambda: sample(points, present, 512, start_idx=first, random_start=False)


if __name__ == "__main__":
    report(__doc__.splitlines()[0], PREDICTIONS, Calls(), {"scenes": SCENES, "voxels": VOXELS}, RESULTS)
