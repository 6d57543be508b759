"""Clouds and implementations that every kernel test runs over."""

from pathlib import Path

import pytest
import torch

HAS_GPU = torch.cuda.is_available()


def pytest_collection_modifyitems(items):
    """Mark everything that runs on the CUDA device, so that `pytest -m gpu` is the whole of it."""
    for item in items:
        if HAS_GPU and item.path.parent == Path(__file__).parent and _runs_on_device(item):
            item.add_marker("gpu")


def _runs_on_device(item):
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "triton_device" in item.fixturenames or any(
        value in ("triton", "cuda") for value in values if isinstance(value, str)
    )


def _integers(*shape: int, low: int = -4, high: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed)).float()


#: name → (points, lengths). Integer coordinates: all arithmetic is exact, and equal distances are everywhere.
CLOUDS: dict[str, tuple[torch.Tensor, list[int] | None]] = {
    "grid": (_integers(2, 45, 3), None),
    "heavy ties": (_integers(2, 40, 3, low=0, high=2), None),
    "ragged": (_integers(3, 40, 3, seed=1), [40, 7, 33]),
    "one point": (_integers(2, 1, 3), None),
    "one valid point": (_integers(2, 9, 3), [1, 9]),
    "all equal": (torch.full((1, 12, 3), 2.0), None),
    "at the origin": (torch.zeros(1, 10, 3), None),
    "origin among others": (torch.cat([_integers(1, 20, 3, seed=2), torch.zeros(1, 6, 3)], 1), None),
    "a line": (torch.arange(33.0)[None, :, None].repeat(1, 1, 3), None),
}


def _implementations() -> list[object]:
    names = ["numba", "triton", "cuda"]
    skipped = pytest.mark.skipif(not HAS_GPU, reason="the CUDA C++ kernel needs a CUDA device")
    return [pytest.param(name, marks=[pytest.mark.gpu, skipped] if name == "cuda" else []) for name in names]


@pytest.fixture(params=_implementations())
def implementation(request):
    """Every implementation that is compared with the reference."""
    if request.param == "numba":
        pytest.importorskip("numba", reason="numba is not installed")
    if request.param == "triton":
        pytest.importorskip("triton", reason="triton is not installed")
    return request.param


@pytest.fixture
def device(implementation):
    """Where that implementation runs in this session."""
    return torch.device("cuda" if HAS_GPU and implementation != "numba" else "cpu")


@pytest.fixture
def triton_device():
    """Where Triton kernels run in this session: a CUDA device, or the CPU in the interpreter."""
    pytest.importorskip("triton", reason="triton is not installed")
    return torch.device("cuda" if HAS_GPU else "cpu")


@pytest.fixture(params=list(CLOUDS), ids=lambda name: name.replace(" ", "-"))
def cloud(request, device):
    """Points `[B, N, 3]` on an integer grid, and lengths."""
    points, lengths = CLOUDS[request.param]
    return points.to(device), lengths
