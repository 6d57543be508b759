"""Occupied cells of packed clouds at one resolution, and what the blocks of a stage share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lamm_model.kernels import (
    AttentionPatches,
    attention_patches,
    segment_pool,
    serialize_points,
    submanifold_kernel_map,
    unique_voxels,
)


class Level:
    """Cells, their order along curves, their neighbours and their patches; each is looked up once.

    A cloud's order, depth and patches are its own: the clouds that share its batch change nothing.

    Args:
        grid: int64 cells `[N, 3]` of packed clouds, each at most once in a cloud.
        lengths: Cells of each cloud, int64 `[n]`.
        positions: `[N, 3]` float32, where each cell's points are.
        orders: Names of the curves.
        depth: Bits of a coordinate for each cloud `[n]`; those of its own largest when None.
    """

    def __init__(
        self, grid: Tensor, lengths: Tensor, positions: Tensor, orders: Sequence[str], depth: Tensor | None = None
    ) -> None:
        self.grid, self.lengths, self.positions, self.orders = grid, lengths, positions, tuple(orders)
        curves = serialize_points(grid, lengths, self.orders, depth, validate=False)
        self.order, self.depth = curves.order, curves.depth
        self._sizes: list[int] = lengths.tolist()
        self._maps: dict[int, Tensor] = {}
        self._patches: dict[int, AttentionPatches] = {}

    def kernel_map(self, size: int) -> Tensor:
        """Return the neighbours of every cell for a convolution of `size` cells a side."""
        if size not in self._maps:
            self._maps[size] = submanifold_kernel_map(self.grid, self.lengths, size, validate=False)
        return self._maps[size]

    def patches(self, size: int) -> AttentionPatches:
        """Return the patches of `size` rows."""
        if size not in self._patches:
            self._patches[size] = attention_patches(self._sizes, size, self.grid.device)
        return self._patches[size]

    def coarser(self, stride: int, keeps_curve: bool) -> tuple[Level, Tensor]:
        """Return the level of larger cells, and the row there of each row here.

        Args:
            stride: By what the cells are larger, a power of two.
            keeps_curve: The curves are those of this level, coarser; else they are drawn anew from the larger cells.
        """
        voxels = unique_voxels(self.grid // stride, self.lengths, validate=False)
        positions = segment_pool(self.positions, voxels.inverse, len(voxels.grid), "mean", validate=False)
        depth = (self.depth - (stride.bit_length() - 1)).clamp(min=1) if keeps_curve else None
        return Level(voxels.grid, voxels.lengths, positions, self.orders, depth), voxels.inverse
