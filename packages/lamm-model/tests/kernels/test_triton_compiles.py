"""The Triton kernels compile to machine code for real devices, without one: the interpreter does not show that."""

import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="triton is not installed")

# In a process of its own: whether a kernel is interpreted was settled when this process imported it.
SCRIPT = """
import sys
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from lamm_model.kernels.triton_ops import convolution, points, pooling, rows, voxels

I, F, N = "*i64", "*fp32", "i32"
exact = {"enable_fp_fusion": False}
kernels = [
    (points._sample, [F, F, I, I, I, I, N], dict(n=2048, FUSED=False, BLOCK=4096), {"num_warps": 16, **exact}),
    (points._sample, [F, F, I, I, I, I, N], dict(n=2048, FUSED=True, BLOCK=4096), {"num_warps": 16, **exact}),
    (
        points._ball_query,
        [F, F, I, I, I, N, N, N, F],
        dict(FUSED=False, CENTRES=4, BLOCK=64, SLOTS=64),
        {"num_warps": 1, **exact},
    ),
    (points._nearest, [F, F, I, F, I, N, N], dict(k=3, BLOCK=256, QUERIES=8), {"num_warps": 1, **exact}),
    (rows._group, ["*bf16", I, "*bf16", N, N, N, N], dict(ROWS=8, CHANNELS=128), {}),
    (rows._interpolate, [F, I, F, F, N, N, N, N], dict(k=3, WIDE=tl.float32, ROWS=8, CHANNELS=128), exact),
]
for dtype, factor, inner in (("*bf16", tl.bfloat16, 64), ("*fp32", tl.float32, 32)):
    tiles = dict(ROWS=64, CHANNELS=inner, OUTPUTS=128, PRECISION=pooling.PRECISION, FACTOR=factor)
    sizes = dict(channels=256, outputs=256, BIAS=True)
    kernels.append((convolution.convolve, [dtype] * 3 + ["*i32", dtype, N, N], {**sizes, **tiles}, {"num_stages": 3}))
    tiles["CHANNELS"] = tiles["OUTPUTS"] = 64
    kernels.append((convolution.weight_gradient, [dtype] * 2 + ["*i32", F] + [N] * 5, tiles, {}))
kernels += [
    (convolution.find_neighbours, [I] * 4 + ["*i32", N], dict(STEPS=18, BLOCK=256), {}),
    (voxels.encode, [I, I, I, N], dict(FIRST=1, HILBERT=True, BLOCK=512), {}),
    (voxels.reduce_segments, [F, I, I, F, I, N], dict(MAXIMUM=True, WIDE=tl.float32, CHANNELS=256), {}),
]
capability = int(sys.argv[1])
small = 99 * 1024
limits = [small] * len(kernels)
largest = 163 * 1024 if capability == 80 else 227 * 1024
for hidden, outputs, k, dtype in ((64, 256, 64, "bf16"), (512, 1024, 512, "bf16"), (512, 1024, 512, "fp32")):
    for limit in (small, largest):
        chosen = pooling.plan(hidden, outputs, k, 2 if dtype == "bf16" else 4, limit)
        kernel = getattr(pooling, chosen.kernel)
        typed = {"lifted": F, "offsets": F, "index": I, "counts": I, "partial": F}
        typed.update(dict.fromkeys(("weight", "bias", "out"), "*" + dtype))
        constants = dict(hidden=hidden, outputs=outputs, SLOTS=chosen.slots, HIDDEN=chosen.hidden)
        constants.update(OUTPUTS=chosen.outputs, PRECISION=pooling.PRECISION)
        types = [typed.get(name, N) for name in kernel.arg_names if name not in constants]
        kernels.append((kernel, types, constants, {"num_warps": chosen.warps, "num_stages": chosen.stages}))
        limits.append(limit)
join = pooling.join_tiles
kernels.append((join, [F, I, "*bf16", "*bf16", N, N, N], dict(SLOTS=64, OUTPUTS=1024), {}))
limits.append(small)
for (kernel, types, constants, options), limit in zip(kernels, limits, strict=True):
    free = [name for name in kernel.arg_names if name not in constants]
    signature = {**dict(zip(free, types, strict=True)), **dict.fromkeys(constants, "constexpr")}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    contracted = [line for line in built.asm["ptx"].splitlines() if "fma.rn.f32" in line]
    if "enable_fp_fusion" in options and not constants.get("FUSED"):
        assert not contracted, (kernel, contracted[:3])
    assert len(built.asm["cubin"]) > 1000
    assert built.metadata.shared <= limit, (kernel, built.metadata.shared, limit)
    print(kernel.fn.__name__, built.metadata.shared)
"""


@pytest.mark.parametrize(
    "capability", [pytest.param(80, marks=pytest.mark.slow), 90, pytest.param(100, marks=pytest.mark.slow)]
)
def test_every_kernel_compiles_within_the_shared_memory_it_was_planned_for(capability, tmp_path, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(capability)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == 20
