"""Read files of `torch.save` and `torch.jit.save` as plain data: tensors and values, never code.

A pickle can only name things and ask for them to be called. Here a name either stands for one of the few things below,
each of which builds data, or the file is refused. Tensors are cut out of the archive's own storage records, with every
size checked against what is there.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamm_model.errors import LammModelError

MAX_PICKLE = 64 << 20  # bytes of structure; the tensors lie beside it
_DTYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


class ArchiveError(ValueError):
    """The file is no archive of this kind, or holds something that is not plain data."""


class Record(dict[str, Any]):
    """Attributes of an object whose class was not loaded (a `Namespace` of arguments, a module of TorchScript)."""

    def __setstate__(self, state: Any) -> None:
        """Take an object's attributes as they are; anything else is left out."""
        if isinstance(state, dict):
            self.update({str(key): value for key, value in state.items()})


class _Value:
    """Stands for a number that only numpy could build (metrics kept beside the weights); its value is not read."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        """Take nothing."""


def read_archive(path: Path) -> Any:
    """Read a zip archive written by `torch.save` or `torch.jit.save`.

    Returns:
        What was saved: dictionaries, lists, numbers, text and tensors. A `Namespace` or module comes as a `Record`.

    Raises:
        LammModelError: The file is missing, torn, no such archive, or names anything but plain data; nothing was run.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(archive).read()
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, ArchiveError, *_PICKLE_FAULTS) as fault:
        reason = str(fault) or type(fault).__name__
        raise LammModelError(
            f"Expected a file of torch.save that holds plain data only, got {reason} ({path}). "
            "Nothing in it was run. Use the released file."
        ) from fault


# What `pickle` raises on bytes that are no pickle, or none of ours.
_PICKLE_FAULTS = (
    EOFError, KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError, AssertionError,
    MemoryError, struct.error,
)  # fmt: skip


class _Archive:
    """An open archive: its structure and its storage records."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ArchiveError("a zip file without one data.pkl")
        self.root = names[0].removesuffix("data.pkl")
        self._storages: dict[str, Tensor] = {}

    def read(self) -> Any:
        order = f"{self.root}byteorder"
        if order in self.archive.namelist() and self._record(order, 16).decode() != sys.byteorder:
            raise ArchiveError("numbers in the byte order of another kind of machine")
        return _Unpickler(self._record(f"{self.root}data.pkl", MAX_PICKLE), self).load()

    def _record(self, name: str, most: int) -> bytes:
        info = self.archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
            raise ArchiveError(f"a compressed or oversized record {name}")
        return self.archive.read(info)

    def storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        """Return a storage record as a flat tensor of `count` numbers."""
        if key not in self._storages:
            content = self._record(f"{self.root}data/{key}", sys.maxsize)
            if len(content) != count * dtype.itemsize:
                raise ArchiveError(f"{len(content)} bytes in storage {key} for {count} numbers of {dtype}")
            whole = torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)
            self._storages[key] = whole
        return self._storages[key]


class _Unpickler(pickle._Unpickler):
    """A pickle reader that knows no names but these. That of C makes room for as many marks as four bytes can claim."""

    def __init__(self, content: bytes, archive: _Archive) -> None:
        super().__init__(io.BytesIO(content))
        self._archive = archive

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, or refuse the file."""
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if module.startswith("__torch__") or (module, name) == ("argparse", "Namespace"):
            return Record
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        raise ArchiveError(f"the name {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        """Return the storage that a tensor refers to."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int):
            raise ArchiveError(f"a reference to {kind}")
        return self._archive.storage(str(key), dtype, count)


class _Build:
    """A function that a pickle may call, and do nothing else with."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        """Refuse to be changed."""
        raise ArchiveError("attributes for a function")


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """Cut a tensor out of its storage."""
    if not isinstance(storage, Tensor) or len(size) != len(stride) or min((*size, *stride, offset), default=0) < 0:
        raise ArchiveError("a tensor without a storage")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    count = math.prod(size)
    if count > storage.numel() or (count and last >= storage.numel()):
        raise ArchiveError(f"a tensor of size {list(size)} in a storage of {storage.numel()} numbers")
    cut: Tensor = storage.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)
    return cut


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Build(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Build(_parameter),
    ("numpy", "dtype"): _Value,
    ("numpy.core.multiarray", "scalar"): _Value,
    ("numpy._core.multiarray", "scalar"): _Value,
    ("_codecs", "encode"): _Value,
}
