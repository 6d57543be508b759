"""Point-cloud kernels that need no compiler to install: one contract, several implementations, the best one chosen.

Importing this package is cheap; torch is loaded with the first function that is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamm_model.kernels.api import (
        ball_query,
        farthest_point_sample,
        gather,
        group,
        inverse_distance_weights,
        knn,
        knn_group,
        three_interpolate,
        three_nn,
    )
    from lamm_model.kernels.attention import AttentionPatches, attention_patches, serialized_attention
    from lamm_model.kernels.checks import KernelInputError
    from lamm_model.kernels.layers import fold_norm, set_abstraction
    from lamm_model.kernels.selection import describe, use_implementation
    from lamm_model.kernels.voxel_reference import CURVES
    from lamm_model.kernels.voxels import (
        Serialization,
        Voxels,
        segment_pool,
        segment_unpool,
        serialize_points,
        submanifold_conv3d,
        submanifold_kernel_map,
        unique_voxels,
        voxel_grid_sample,
    )

_HOMES = {
    "api": "ball_query farthest_point_sample gather group inverse_distance_weights knn knn_group "
    "three_interpolate three_nn",
    "attention": "AttentionPatches attention_patches serialized_attention",
    "checks": "KernelInputError",
    "layers": "fold_norm set_abstraction",
    "selection": "describe use_implementation",
    "voxel_reference": "CURVES",
    "voxels": "Serialization Voxels segment_pool segment_unpool serialize_points submanifold_conv3d "
    "submanifold_kernel_map unique_voxels voxel_grid_sample",
}

__all__ = [
    "CURVES", "AttentionPatches", "KernelInputError", "Serialization", "Voxels", "attention_patches", "ball_query",
    "describe", "farthest_point_sample", "fold_norm", "gather", "group", "inverse_distance_weights", "knn",
    "knn_group", "segment_pool", "segment_unpool", "serialize_points", "serialized_attention", "set_abstraction",
    "submanifold_conv3d", "submanifold_kernel_map", "three_interpolate", "three_nn", "unique_voxels",
    "use_implementation", "voxel_grid_sample",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
