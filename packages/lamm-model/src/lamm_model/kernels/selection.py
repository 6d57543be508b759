"""Which implementation runs: found by what the machine can do, forced by an argument, a context or the environment."""

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from lamm_model.errors import UsageError
from lamm_model.kernels.triton_ops import interpreting

ENVIRONMENT_VARIABLE = "LAMM_KERNELS"

#: Operation → implementation → module here that holds a function of the operation's name; the best first, the reference
#: last.
OPERATIONS: dict[str, dict[str, str]] = {
    "farthest_point_sample": {"cuda": "cuda.sampling", "triton": "triton_ops.points", "numba": "cpu.batched"},
    "ball_query": {"triton": "triton_ops.points", "numba": "cpu.batched"},
    "nearest": {"triton": "triton_ops.points", "numba": "cpu.batched"},
    "group": {"triton": "triton_ops.rows"},
    "three_interpolate": {"triton": "triton_ops.rows"},
    "pool_groups": {"triton": "triton_ops.pooling", "numba": "cpu.pooling"},
    "unique_voxels": {"numba": "cpu.curves"},
    "serialize_points": {"triton": "triton_ops.voxels", "numba": "cpu.curves"},
    "submanifold_kernel_map": {"triton": "triton_ops.convolution", "numba": "cpu.convolution"},
    "submanifold_conv3d": {"triton": "triton_ops.convolution", "numba": "cpu.convolution"},
    "submanifold_weight_gradient": {"triton": "triton_ops.convolution", "numba": "cpu.convolution"},
    "segment_pool": {"triton": "triton_ops.voxels", "numba": "cpu.segments"},
}
_ON_CLOUDS = ("farthest_point_sample", "ball_query", "nearest", "group", "three_interpolate", "pool_groups")
for _operation, _modules in OPERATIONS.items():
    _modules["reference"] = "reference" if _operation in _ON_CLOUDS else "voxel_reference"
IMPLEMENTATIONS = ("cuda", "triton", "numba", "reference")

_forced: ContextVar[str | None] = ContextVar("lamm_kernels_forced", default=None)


def obstacle(implementation: str, device: torch.device) -> str | None:
    """Why an implementation cannot run on a device; None when it can."""
    if implementation == "reference":
        return None
    if implementation == "numba":
        if device.type != "cpu":
            return "numba kernels run on the CPU only"
        return None if importlib.util.find_spec("numba") else "numba is not installed"
    if implementation == "triton":
        return _triton_obstacle(device)
    return _cuda_obstacle(device)


def _triton_obstacle(device: torch.device) -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if interpreting() or device.type == "cuda":
        return None
    return "Triton kernels run on CUDA devices only (TRITON_INTERPRET=1 interprets them on the CPU)"


def _cuda_obstacle(device: torch.device) -> str | None:
    if device.type != "cuda":
        return "the CUDA C++ kernel runs on CUDA devices only"
    major, minor = torch.cuda.get_device_capability(device)
    if major < 8:
        return f"the kernel needs compute capability 8.0, this device has {major}.{minor}"
    from lamm_model.kernels.cuda.compiler import nvrtc_library

    return None if nvrtc_library() else "the NVRTC library was not found"


def choose(operation: str, device: torch.device, requested: str | None = None) -> str:
    """The name of the implementation that runs an operation on a device.

    The first that says something wins: `requested`, the innermost `use_implementation`, the environment variable
    `LAMM_KERNELS`, and then the first entry of the table that can run here. A forced name applies to the operations
    that have such an implementation; the others choose for themselves.

    Raises:
        UsageError: The name is unknown, or it was asked for and cannot run on this device.
    """
    table = OPERATIONS[operation]
    for name in (requested, _forced.get(), os.environ.get(ENVIRONMENT_VARIABLE)):
        if not name or name == "auto":
            continue
        if name not in IMPLEMENTATIONS:
            raise UsageError(
                f"Expected a kernel implementation out of {', '.join(IMPLEMENTATIONS)}, got {name!r}. "
                "`lamm model kernels` lists those that can run here."
            )
        if name not in table:
            break
        reason = obstacle(name, device)
        if reason:
            raise UsageError(
                f"Expected {operation} to run with {name!r} on {device}, but {reason}. "
                "Name another implementation or none; `lamm model kernels` lists those that can run here."
            )
        return name
    return next(
        name
        for name in table
        if not (name == "triton" and device.type != "cuda")  # never interpret unasked
        and obstacle(name, device) is None
    )


def load(operation: str, device: torch.device, requested: str | None = None) -> Callable[..., Any]:
    """Import the implementation that `choose` names."""
    module = OPERATIONS[operation][choose(operation, device, requested)]
    function: Callable[..., Any] = getattr(importlib.import_module(f"lamm_model.kernels.{module}"), operation)
    return function


@contextmanager
def use_implementation(name: str | None) -> Iterator[None]:
    """Force one implementation inside a `with` block (None: choose automatically), in this thread only."""
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def describe(device: torch.device) -> list[dict[str, str | None]]:
    """One row an operation and implementation: `operation`, `implementation`, `obstacle`, `chosen` ("yes" or None)."""
    return [
        {
            "operation": operation,
            "implementation": name,
            "obstacle": obstacle(name, device),
            "chosen": "yes" if name == choose(operation, device) else None,
        }
        for operation, table in OPERATIONS.items()
        for name in table
    ]
