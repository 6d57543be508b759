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
        three_interpolate,
        three_nn,
    )
    from lamm_model.kernels.checks import KernelInputError
    from lamm_model.kernels.layers import fold_norm, set_abstraction
    from lamm_model.kernels.selection import describe, use_implementation

_HOMES = {
    "api": "ball_query farthest_point_sample gather group inverse_distance_weights knn three_interpolate three_nn",
    "checks": "KernelInputError",
    "layers": "fold_norm set_abstraction",
    "selection": "describe use_implementation",
}

__all__ = [
    "KernelInputError", "ball_query", "describe", "farthest_point_sample", "fold_norm", "gather", "group",
    "inverse_distance_weights", "knn", "set_abstraction", "three_interpolate", "three_nn", "use_implementation",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
