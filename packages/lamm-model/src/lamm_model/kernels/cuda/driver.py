"""The few calls of the CUDA driver that load machine code and launch it on torch's current stream."""

import ctypes
import functools

import torch

from lamm_model.errors import LammModelError
from lamm_model.kernels.cuda.compiler import compile_cubin

_MAX_DYNAMIC_SHARED_BYTES = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_SHARED_CARVEOUT = 9  # CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, percent


class KernelLaunchError(LammModelError):
    """The CUDA driver refused to load or launch a kernel."""


@functools.cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _check(what: str, status: int) -> None:
    if status != 0:
        message = ctypes.c_char_p()
        _driver().cuGetErrorString(status, ctypes.byref(message))
        text = message.value.decode() if message.value else f"error {status}"
        raise KernelLaunchError(f"Expected the CUDA driver to {what}, got: {text}. Force the 'triton' implementation.")


@functools.cache
def load_function(device: int, definitions: tuple[tuple[str, int], ...], shared_bytes: int) -> ctypes.c_void_p:
    """Compile or read, load into the device's context, and prepare the sampling kernel.

    Args:
        device: Index of the CUDA device, which must be the current one.
        definitions: Preprocessor macros.
        shared_bytes: Dynamic shared memory of a block.

    Raises:
        KernelCompileError: NVRTC fails.
        KernelLaunchError: The driver fails.
    """
    major, minor = torch.cuda.get_device_capability(device)
    function = load_code(compile_cubin(f"sm_{major}{minor}", dict(definitions)), "farthest_point_sample")
    _check("reserve shared memory", _driver().cuFuncSetAttribute(function, _MAX_DYNAMIC_SHARED_BYTES, shared_bytes))
    # All of it, so that a second block finds room on the same multiprocessor.
    _check("divide the cache", _driver().cuFuncSetAttribute(function, _SHARED_CARVEOUT, 100))
    return function


def load_code(code: bytes, name: str) -> ctypes.c_void_p:
    """Load machine code into the current device's context and return one of its kernels.

    Raises:
        KernelLaunchError: The driver fails.
    """
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    _check("load a kernel", _driver().cuModuleLoadData(ctypes.byref(module), code))
    _check("find a kernel", _driver().cuModuleGetFunction(ctypes.byref(function), module, name.encode()))
    return function


def launch(
    function: ctypes.c_void_p, blocks: int, threads: int, shared_bytes: int, tensors: list[torch.Tensor], *scalars: int
) -> None:
    """Launch on the current stream with the tensors' addresses and 32-bit integers as arguments.

    Raises:
        KernelLaunchError: The driver refuses.
    """
    values = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    numbers = [ctypes.c_int(scalar) for scalar in scalars]
    addresses = [ctypes.addressof(value) for value in (*values, *numbers)]
    arguments = (ctypes.c_void_p * len(addresses))(*addresses)
    stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
    status = _driver().cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared_bytes, stream, arguments, None)
    _check("launch a kernel", status)
