"""CUDA C++ to machine code at first use: NVRTC, which CUDA builds of torch bring along, and a cache on disk."""

import ctypes
import functools
import glob
import hashlib
import importlib.util
import os
from importlib import resources
from pathlib import Path

from lamm_llm import atomic_bytes
from lamm_model.errors import LammModelError

_SOURCE = "farthest_point_sample.cu"


class KernelCompileError(LammModelError):
    """NVRTC was not found or did not accept the source; the message carries its log."""


def source() -> str:
    """The CUDA C++ source, package data of this package."""
    return resources.files(__package__).joinpath(_SOURCE).read_text(encoding="utf-8")


def cache_directory() -> Path:
    """Where compiled kernels are kept: `LAMM_KERNEL_CACHE`, or `lamm/kernels` in the user's cache directory."""
    chosen = os.environ.get("LAMM_KERNEL_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lamm" / "kernels"


@functools.cache
def nvrtc_library() -> str | None:
    """Path or name of the NVRTC library: beside torch's CUDA wheels, in the toolkit, or where the loader looks."""
    patterns = []
    wheels = importlib.util.find_spec("nvidia")
    if wheels is not None and wheels.submodule_search_locations:
        for folder in wheels.submodule_search_locations:
            patterns += [f"{folder}/cu*/lib/libnvrtc.so.*", f"{folder}/cuda_nvrtc/lib/libnvrtc.so.*"]
    toolkit = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    patterns += [f"{toolkit}/lib64/libnvrtc.so.*", f"{toolkit}/targets/*/lib/libnvrtc.so.*"]
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern)) if ".alt." not in path]
    for candidate in [*found, "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]:
        try:
            ctypes.CDLL(candidate)
        except OSError:
            continue
        return candidate
    return None


def compile_cubin(
    architecture: str, definitions: dict[str, int], library: str | None = None, text: str | None = None
) -> bytes:
    """Return the machine code of the sampling kernel, from the cache when it was compiled before.

    The cache key is a hash of the source, the options and the compiler's version: a change of any compiles anew.

    Args:
        architecture: For example "sm_90".
        definitions: Preprocessor macros.
        library: Path of the NVRTC library. Default: the one that is found.
        text: Another source, for comparisons. Default: the sampling kernel's.

    Raises:
        KernelCompileError: There is no NVRTC, or it rejects the source.
    """
    name = library or nvrtc_library()
    if name is None:
        raise KernelCompileError(
            "Expected the NVRTC library beside torch or in CUDA_HOME, got none. "
            "Install a CUDA build of torch, or force the 'triton' implementation."
        )
    nvrtc = _open(name)
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(nvrtc, nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    text = source() if text is None else text
    macros = [f"-D{key}={value}" for key, value in sorted(definitions.items())]
    options = [f"--gpu-architecture={architecture}", *macros]
    version = f"nvrtc {major.value}.{minor.value}"
    digest = hashlib.sha256("\0".join([version, *options, text]).encode()).hexdigest()
    path = cache_directory() / f"{digest}.cubin"
    if path.is_file():
        return path.read_bytes()
    code = _compile(nvrtc, text, options)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # private: who writes there chooses what the GPU runs
    with atomic_bytes(path) as file:
        file.write(code)
    return code


def _open(name: str) -> ctypes.CDLL:
    """Open NVRTC after the built-in headers beside it, which it looks for by name once it compiles."""
    for companion in sorted(Path(name).parent.glob("libnvrtc-builtins.so.*")) if "/" in name else []:
        ctypes.CDLL(str(companion))
    return ctypes.CDLL(name)


def _compile(nvrtc: ctypes.CDLL, text: str, options: list[str]) -> bytes:
    program = ctypes.c_void_p()
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), _SOURCE.encode(), 0, None, None))
    try:
        encoded = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        status = nvrtc.nvrtcCompileProgram(program, len(options), encoded)
        if status != 0:
            size = ctypes.c_size_t()
            _check(nvrtc, nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
            log = ctypes.create_string_buffer(size.value)
            _check(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
            raise KernelCompileError(
                f"Expected NVRTC to compile {_SOURCE} with {' '.join(options)}, got: "
                f"{log.value.decode(errors='replace').strip()}. Force the 'triton' implementation and report this."
            )
        size = ctypes.c_size_t()
        _check(nvrtc, nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        code = ctypes.create_string_buffer(size.value)
        _check(nvrtc, nvrtc.nvrtcGetCUBIN(program, code))
        return code.raw
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _check(nvrtc: ctypes.CDLL, status: int) -> None:
    if status != 0:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        message = nvrtc.nvrtcGetErrorString(status).decode()
        raise KernelCompileError(f"Expected NVRTC to succeed, got {message}. Force the 'triton' implementation.")
