"""The CUDA C++ source without a GPU: it compiles for each architecture, and its algorithm runs in CPU threads."""

import ctypes
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest
import torch

from lamm_model import kernels
from lamm_model.kernels.cuda import compiler
from lamm_model.kernels.cuda.sampling import SHAPES, SINGLE_SHAPES, Limits, Shape, plan

SOURCE = resources.files("lamm_model.kernels.cuda").joinpath("farthest_point_sample.cu")
ARCHITECTURES = [("sm_80", 1, 8), ("sm_86", 1, 8), ("sm_89", 1, 8), ("sm_90", 8, 5), ("sm_100", 8, 5), ("sm_120", 8, 5)]
EVERY_SHAPE = [("sm_80", shape) for shape in SINGLE_SHAPES]
EVERY_SHAPE += [(architecture, shape) for architecture in ("sm_90", "sm_100") for shape in SHAPES]


def compiled(architecture: str, macros: dict[str, int]) -> tuple[str, bytes, str]:
    """Compile the source as it would be on a device: PTX, machine code, and what the compiler and ptxas said."""
    name = compiler.nvrtc_library()
    if name is None:
        pytest.skip("the NVRTC library is not installed")
    nvrtc, program = compiler._open(name), ctypes.c_void_p()
    text = SOURCE.read_text(encoding="utf-8").encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"source.cu", 0, None, None) == 0

    def fetch(what: str) -> bytes:
        size = ctypes.c_size_t()
        assert getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
        content = ctypes.create_string_buffer(size.value)
        assert getattr(nvrtc, f"nvrtcGet{what}")(program, content) == 0
        return content.raw

    options = [f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
    options += [f"-D{key}={value}" for key, value in macros.items()]
    encoded = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = nvrtc.nvrtcCompileProgram(program, len(options), encoded)
    log = fetch("ProgramLog").decode()
    assert status == 0, log
    found = fetch("PTX").decode(), fetch("CUBIN"), log
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return found


@pytest.mark.parametrize(("architecture", "cluster", "points"), ARCHITECTURES)
@pytest.mark.parametrize("pointnet2", [0, 1])
def test_it_compiles_for_every_architecture(architecture, cluster, points, pointnet2):
    ptx, cubin, log = compiled(architecture, {"CLUSTER": cluster, "POINTS": points, "POINTNET2": pointnet2})
    assert "warning" not in log
    assert ".entry farthest_point_sample(" in ptx
    assert f".target {architecture}" in ptx
    assert cubin.startswith(b"\x7fELF")
    assert b"farthest_point_sample" in cubin
    assert len(cubin) > 1000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMM_KERNEL_CACHE", str(tmp_path / "cache"))
    if compiler.nvrtc_library() is None:
        pytest.skip("the NVRTC library is not installed")
    return tmp_path / "cache"


@pytest.mark.parametrize(("architecture", "cluster", "points"), ARCHITECTURES)
def test_nvrtc_compiles_it_once(cache, architecture, cluster, points):
    definitions = {"CLUSTER": cluster, "POINTS": points, "POINTNET2": 0}
    code = compiler.compile_cubin(architecture, definitions)
    assert code.startswith(b"\x7fELF")
    (path,) = cache.iterdir()
    path.write_bytes(b"the cached file is what is used")
    assert compiler.compile_cubin(architecture, definitions) == b"the cached file is what is used"
    compiler.compile_cubin(architecture, {**definitions, "POINTS": points - 1})
    assert len(list(cache.iterdir())) == 2
    assert (cache.stat().st_mode & 0o077) == 0


def test_a_source_that_nvrtc_rejects_shows_its_log(cache):
    with pytest.raises(compiler.KernelCompileError, match="cluster_dims"):
        compiler.compile_cubin("sm_80", {"CLUSTER": 8, "POINTS": 5, "POINTNET2": 0})
    assert not cache.exists()


@pytest.mark.parametrize(("architecture", "shape"), EVERY_SHAPE)
def test_the_largest_clouds_stay_in_registers(architecture, shape):
    """Under compat, which needs more of them."""
    macros = {name.upper(): value for name, value in shape._asdict().items() if name != "most"}
    _, _, log = compiled(architecture, {**macros, "POINTS": shape.most, "POINTNET2": 1})
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in log


HOPPER = Limits((9, 0), 232_448, 132)
AMPERE = Limits((8, 0), 166_912, 108)
SMALL = Limits((8, 6), 101_376, 84)


def test_the_first_shape_that_holds_every_cloud():
    for size, clouds, shape in (
        (1, 1, (1, 256)),
        (5_120, 16, (1, 256)),
        (5_121, 16, (4, 256)),
        (12_289, 2, (8, 256)),
        (40_000, 14, (8, 256)),
        (40_000, 16, (6, 256)),
        (41_000, 2, (6, 256)),
        (67_584, 16, (6, 512)),
        (67_585, 1, (8, 512)),
        (90_112, 99, (8, 512)),
    ):
        assert plan(size, clouds, False, HOPPER)[:2] == shape, size
    assert plan(40_000, 16, False, HOPPER).points(40_000) == 27
    assert plan(40_000, 20, False, HOPPER) == Shape(8, 256, 2, 20)
    assert plan(40_000, 99, False, HOPPER) == Shape(8, 256, 2, 20)
    assert plan(90_113, 1, False, HOPPER) is None
    assert plan(10_240, 1, False, AMPERE)[:2] == (1, 512)
    assert plan(10_241, 1, False, AMPERE) is None
    assert plan(8_192, 1, False, SMALL)[:2] == (1, 512)
    assert plan(9_000, 1, False, SMALL) is None


@pytest.mark.parametrize("limits", [HOPPER, AMPERE, SMALL])
def test_under_compat_a_thread_sees_its_points_in_the_order_of_their_rank(limits):
    for size in (1, 300, 5_000, 8_000, 20_000, 40_000, 60_000):
        for clouds in (1, 16, 40):
            shape = plan(size, clouds, True, limits)
            assert shape is None or shape.cluster * shape.threads % 512 == 0


@pytest.fixture(scope="module")
def on_host(tmp_path_factory):
    """Compile the kernel for the CPU with small blocks; return a function like the implementations'."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    here = Path(__file__).parent
    built = {}

    def build(cluster, pointnet2, points, threads):
        folder = tmp_path_factory.mktemp("host")
        text = f'#include "host_cuda.hpp"\n{SOURCE.read_text()}\n#include "host_cuda_main.hpp"\n'
        (folder / "kernel.cpp").write_text(text)
        macros = [f"-DCLUSTER={cluster}", f"-DPOINTS={points}", f"-DPOINTNET2={pointnet2}", f"-DTHREADS={threads}"]
        flags = ["-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-pthread", "-w", f"-I{here}"]
        command = ["g++", *flags, *macros, str(folder / "kernel.cpp"), "-o", str(folder / "kernel.so")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(folder / "kernel.so"))

    def run(points, n, start, lengths, cluster, pointnet2, per_thread=2, threads=64):
        key = cluster, int(pointnet2), per_thread, threads
        if key not in built:
            built[key] = build(*key)
        out = torch.full((points.shape[0], n), -1)
        tensors = [points.contiguous(), start, lengths, out]
        assert points.shape[1] <= cluster * per_thread * threads
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
        built[key].run(*pointers, *points.shape[:2], n)
        return out

    run.built = built
    return run


@pytest.mark.parametrize(("cluster", "pointnet2"), [(1, False), (2, True), (3, False)])
def test_the_algorithm_equals_the_reference(on_host, cluster, pointnet2):
    generator = torch.Generator().manual_seed(cluster)
    size = cluster * 2 * 64 - 3
    clouds = [
        torch.randint(-3, 4, (size, 3), generator=generator).float(),  # ties and duplicates everywhere
        torch.randn(size, 3, generator=generator),
        torch.zeros(size, 3),  # compat: every point is skipped
    ]
    points, n = torch.stack(clouds), 14
    lengths = torch.tensor([size, size - 70, size])
    start = torch.tensor([0, 5, 0])
    got = on_host(points, n, start, lengths, cluster, pointnet2)
    compat = "pointnet2" if pointnet2 else None
    want = kernels.farthest_point_sample(points, n, start, lengths, compat, "reference")
    assert torch.equal(got, want)


def test_more_samples_than_points_and_one_point(on_host):
    points = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 0.0, 0.0], [1.0, 2.0, 3.0]]])
    for length in (3, 1):
        lengths, start = torch.tensor([length]), torch.zeros(1, dtype=torch.int64)
        for cluster, pointnet2 in ((1, False), (2, True)):
            compat = "pointnet2" if pointnet2 else None
            want = kernels.farthest_point_sample(points, 6, 0, [length], compat, "reference")
            assert torch.equal(on_host(points, 6, start, lengths, cluster, pointnet2), want)


def test_the_launch_asks_for_the_memory_the_source_lays_out(on_host):
    on_host(torch.zeros(1, 1, 3), 0, torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64), 1, False)
    (library,) = [built for key, built in on_host.built.items() if key == (1, 0, 2, 64)]
    assert library.shared_size() == Shape(1, 64, 1, 2).shared_bytes(128)
    assert Shape(8, 256, 2, 20).shared_bytes(40_000) == 2 * 32 * 8 + 2 * 8 + 2 * 2 * 4 * 8 + 3 * 4 * 20 * 256
