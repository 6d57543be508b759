"""The distance arithmetic of the contract, in Triton.

Kernels that use it are launched with `enable_fp_fusion=False`, so that the compiler fuses nothing by itself.
"""

# Compiled functions carry no annotations: their types are those of the arguments they are compiled for.
# ruff: noqa: ANN001, ANN201, N803
# mypy: disable-error-code="no-untyped-def,untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def squared_distance(dx, dy, dz, FUSED: tl.constexpr):
    """`(dx² + dy²) + dz²`, each step rounded; FUSED: `fma(dz, dz, fma(dx, dx, dy²))`."""
    if FUSED:
        return tl.fma(dz, dz, tl.fma(dx, dx, dy * dy))
    return (dx * dx + dy * dy) + dz * dz
