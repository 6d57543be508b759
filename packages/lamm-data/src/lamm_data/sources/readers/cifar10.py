"""CIFAR10: the python-version batches, opened by an unpickler that can build arrays and nothing else."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import SourceError
from lamm_data.files.pictures import decoding
from lamm_data.records.annotations import Annotated, ClassLabel
from lamm_data.sources.readers.fields import read_file

BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
SIDE = 32


class _ArrayKind:
    """Stand in for the name `numpy.ndarray`: it can be passed on but never called to allocate memory."""

    def __init__(self) -> None:
        raise pickle.UnpicklingError("an array made without data")


class _ByteKind:
    """Stand in for `numpy.dtype`, whose own state numpy believes: it knows bytes alone, and no state changes it."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of {code!r}")

    def __setstate__(self, state: Any) -> None:
        """Take nothing."""


class _Bytes:
    """Stand in for an array of numpy, which believes the shape and the kind in its state."""

    def __init__(self) -> None:
        self._values: NDArray[np.uint8] = np.empty(0, np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """Return the bytes."""
        return self._values

    def __setstate__(self, state: Any) -> None:
        """Take shape and bytes that belong together."""
        _, shape, kind, turned, content = state
        if not isinstance(kind, _ByteKind) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array of other things than bytes")
        self._values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if turned else "C")


def _array(kind: type, shape: tuple[int, ...], code: bytes) -> _Bytes:
    """Stand in for numpy's private rebuilding function: make the empty array that a state then fills."""
    if kind is not _ArrayKind or shape != (0,):
        raise pickle.UnpicklingError(f"an array of {kind} and shape {shape}")
    return _Bytes()


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for `codecs.encode`, by which new pickles of the old protocol store bytes."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy", "ndarray"): _ArrayKind,
    ("numpy", "dtype"): _ByteKind,
    ("_codecs", "encode"): _encode,
}
"""Everything a batch may name: how numpy rebuilds an array, in old and new pickles."""


class _ArrayUnpickler(pickle._Unpickler):
    """Knows the names above alone. The reader of C makes room for as many marks as four bytes can claim."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"a call of {module}.{name}")
        return ALLOWED[module, name]


def load_batch(path: Path) -> dict[str, Any]:
    """Load one pickled batch or `batches.meta`, its keys as text, without running anything it may contain.

    Raises:
        SourceError: The file is missing, no pickle, or names anything but numpy arrays.
    """
    content = io.BytesIO(read_file(path))
    with decoding("a CIFAR10 batch of plain arrays", path):
        value = _ArrayUnpickler(content, encoding="bytes").load()
        if not isinstance(value, dict):
            raise TypeError(f"a {type(value).__name__} in place of a dictionary")
        return {key.decode() if isinstance(key, bytes) else str(key): entry for key, entry in value.items()}


def label_names(root: Path) -> tuple[str, ...]:
    """Read the ten class names of `batches.meta`."""
    path = root / "batches.meta"
    names = load_batch(path).get("label_names")
    if not isinstance(names, list) or not names:
        raise SourceError(f"Expected label_names in {path}, got none.")
    with decoding("names of classes", path):
        return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)


def iter_batches(root: Path, split: str) -> Iterator[tuple[str, NDArray[np.uint8], list[int]]]:
    """Yield `(batch name, pixels [N, 3072] uint8 with the red plane first, labels)`."""
    for name in BATCHES[split]:
        batch = load_batch(root / name)
        labels = batch.get("labels", ())
        with decoding("rows of bytes as `data`, numbers as `labels`", root / name):
            pixels = np.asarray(batch.get("data"), np.uint8)
            labels = [int(label) for label in labels]
        if pixels.shape != (len(labels), 3 * SIDE * SIDE):
            raise SourceError(
                f"Expected {len(labels)} rows of {3 * SIDE * SIDE} bytes, got {pixels.shape} ({root / name})."
            )
        yield name, pixels, labels


def open_cifar10(root: Path, split: str) -> Iterator[Annotated]:
    """Read the class of every picture. The pictures themselves are written by `extract_images`."""
    names = label_names(root)
    for batch, _, labels in iter_batches(root, split):
        for row, label in enumerate(labels):
            if not 0 <= label < len(names):
                raise SourceError(f"Expected a label below {len(names)}, got {label} ({root / batch}, row {row}).")
            classes = (ClassLabel(names[label], "classification", labels=names),)
            key = f"{batch}_{row:05d}"
            yield Annotated(key, f"images/{key}.png", origin=batch, width=SIDE, height=SIDE, classes=classes)


def extract_images(root: Path, split: str) -> Iterator[Path]:
    """Write every picture of a split as `images/<batch>_<row>.png` and yield its path; existing ones are kept."""
    from PIL import Image

    (root / "images").mkdir(exist_ok=True)
    for batch, pixels, _ in iter_batches(root, split):
        for row, planes in enumerate(pixels):
            path = root / "images" / f"{batch}_{row:05d}.png"
            if not path.exists():
                Image.fromarray(planes.reshape(3, SIDE, SIDE).transpose(1, 2, 0)).save(path)
            yield path
