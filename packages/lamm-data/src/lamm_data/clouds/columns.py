"""Columns of a cloud file: which are coordinates, which are colours, the range that colours are in, and their extents.

Points that are not finite and offsets too large for float32 are found by the extents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.errors import SourceError, UsageError

COLOUR_NAMES = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("rf", "gf", "bf"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
)
PACKED_NAMES = ("rgb", "rgba")
COLOUR_RANGES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "0..65535": (0.0, 65535.0), "-1..1": (-1.0, 1.0)}
"""Lowest and highest colour by the name of a range."""
BY_NAME = "Name its columns with --columns x,y,z,... of `lamm data clouds`, or read_cloud(columns=...)."
BY_RANGE = "State their range with --colours of `lamm data clouds`, or read_cloud(colours=...)."
_SLACK = 1e-3
"""Share of a range by which rounding may leave it."""
_BLOCK = 128
_NEAR = 8192.0
_BITS_4, _BITS_255, _BITS_NEAR = (int(np.float32(value).view(np.uint32)) for value in (4, 255, -_NEAR))
_LARGEST = float(np.finfo(np.float32).max)


def chosen_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names, as written, of x, y, z and of the colours (three, one that packs them, or none).

    Raises:
        ValueError: There is no x, y or z, or one name occurs twice.
    """
    by_lower: dict[str, str] = {}
    for name in names:
        if by_lower.setdefault(name.strip().lower(), name) != name:
            raise ValueError(f"two columns called {name.lower()}")
    if not {"x", "y", "z"} <= by_lower.keys():
        raise ValueError(f"no columns x, y and z, but {', '.join(names) or 'none'}")
    colours = next((trio for trio in COLOUR_NAMES if set(trio) <= by_lower.keys()), ())
    packed = next(([name] for name in PACKED_NAMES if name in by_lower), [])
    return [by_lower[name] for name in "xyz"], [by_lower[name] for name in colours or packed]


def assemble(columns: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], bool]:
    """Put named columns together.

    Args:
        columns: `[N]` (or `[N, k]`) numbers by name, in the type that the file declares.

    Returns:
        `[N, 3]` or, with colours as the file has them, `[N, 6]`; and whether colours are stored as whole numbers.

    Raises:
        ValueError: Coordinates are missing, or packed colours are not of four bytes.
    """
    places, colours = chosen_names(list(columns))
    parts = [np.asarray(columns[name]).reshape(len(columns[places[0]]), -1) for name in places]
    if any(part.shape[1] != 1 for part in parts):
        raise ValueError("more than one number in x, y or z of a point")
    shades = [columns[name] for name in colours]
    if len(shades) == 1:
        shades = unpack_colours(shades[0])
    shades = [shade.reshape(len(parts[0])) for shade in shades]
    wide = np.result_type(np.float32, *(part.dtype for part in parts))
    values = np.empty((len(parts[0]), 3 + len(shades)), wide)
    for column, part in enumerate([*parts, *shades]):
        values[:, column] = part.reshape(-1)
    return values, bool(shades) and all(shade.dtype.kind in "iu" for shade in shades)


def unpack_colours(packed: NDArray[Any]) -> list[NDArray[Any]]:
    """Return red, green and blue of colours packed as 0xRRGGBB in four bytes, or stored as three numbers.

    Raises:
        ValueError: They are of another size.
    """
    packed = packed.reshape(len(packed), -1)
    if packed.shape[1] in (3, 4):
        return [packed[:, column] for column in range(3)]
    if packed.shape[1] != 1 or packed.dtype.itemsize != 4:
        raise ValueError(f"packed colours of {packed.dtype.itemsize} bytes instead of 4")
    bits = np.ascontiguousarray(packed.reshape(-1).astype(packed.dtype.newbyteorder("="))).view(np.uint32)
    return [((bits >> shift) & 255).astype(np.uint8) for shift in (16, 8, 0)]


def assemble_unnamed(values: NDArray[Any], columns: Sequence[str]) -> tuple[NDArray[Any], bool]:
    """Take the columns of a table without names by the names that the user states, or by their number: 3 or 6.

    Raises:
        ValueError: The table has another number of columns than there are names.
    """
    if not columns or values.ndim != 2:
        return values, values.dtype.kind in "iub"
    if values.shape[1] != len(columns):
        raise ValueError(f"{values.shape[1]} columns instead of the {len(columns)} stated, {', '.join(columns)}")
    return assemble({name: values[:, k] for k, name in enumerate(columns)})


def colour_range(colours: NDArray[Any], low: float, high: float, whole: bool) -> str:
    """Tell in which range colours are.

    Args:
        colours: `[N, 3]` finite numbers.
        low: The lowest of them.
        high: The highest of them.
        whole: They are stored as whole numbers.

    Returns:
        A key of `COLOUR_RANGES`.

    Raises:
        ValueError: No range fits, or more than one does; the message says why.
    """
    span = f"colours from {low:.4g} to {high:.4g}"
    if low < -_SLACK * (255 if high > 4 else 1):
        if low >= -1 - _SLACK and high <= 1 + _SLACK and not whole:
            if bool((np.abs(np.linalg.norm(colours, axis=1) - 1) < 0.02).all()):
                raise ValueError(f"{span} of length 1 in every row, which are normals rather than colours")
            if low < -0.05:
                return "-1..1"
        raise ValueError(f"{span}, which is neither 0..255, 0..1, 0..65535 nor clearly -1..1")
    if high <= 1 + _SLACK:
        return "0..255" if whole or high <= 0 else "0..1"
    if high <= 255 + 255 * _SLACK:
        if high <= 4 and not whole and bool((colours != np.rint(colours)).any()):
            raise ValueError(f"{span}, which may be 0..1 that is too bright or 0..255 that is nearly black")
        return "0..255"
    if 4096 <= high <= 65535 + 65535 * _SLACK:
        return "0..65535"
    raise ValueError(f"{span}, which is neither 0..255, 0..1, -1..1 nor clearly 0..65535")


def to_bytes_range(colours: NDArray[Any], name: str) -> NDArray[Any]:
    """Map colours of the range of that name to 0..255, `[N, 3]`."""
    low, high = COLOUR_RANGES[name]
    scaled = (colours.astype(np.float64) - low) * (255.0 / (high - low))
    return np.asarray(np.clip(scaled, 0, 255))


def check_range_name(name: str) -> None:
    """Refuse what is neither `auto`, `none` nor a range.

    Raises:
        UsageError: It is another word.
    """
    if name not in ("auto", "none", *COLOUR_RANGES):
        raise UsageError(f"Expected colours to be auto, none or one of {', '.join(COLOUR_RANGES)}, got {name!r}.")


def check_stated_range(low: float, high: float, name: str) -> None:
    """Refuse colours that leave the range that the user states.

    Raises:
        ValueError: They do.
    """
    least, most = COLOUR_RANGES[name]
    slack = (most - least) * _SLACK
    if low < least - slack or high > most + slack:
        raise ValueError(f"colours from {low:.4g} to {high:.4g}, which leave the stated range {name}")


def refuse_shape(values: NDArray[Any], name: object) -> None:
    """Refuse an array that is not `[N, 3]` or `[N, 6]` of numbers.

    Raises:
        SourceError: It is not.
    """
    if values.dtype.kind not in "iufb":
        raise SourceError(f"Expected numbers in a point cloud, got {values.dtype} ({name}). Save it as float32.")
    if values.ndim != 2 or values.shape[1] not in (3, 6):
        named = f" {BY_NAME}" if values.ndim == 2 and values.shape[1] > 3 else ""
        raise SourceError(
            f"Expected a point cloud [N, 3] or [N, 6], got shape {list(values.shape)} ({name}). "
            f"Columns are x, y, z in metres, then red, green, blue in 0..255.{named}"
        )
    if not len(values):
        raise SourceError(f"Expected at least one point, got none ({name}). Replace the file.")


def column_extents(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and the highest value of each column of `[N, C]`, `[C]` each; NaN where there is one."""
    columns = values.shape[1]
    whole = len(values) // _BLOCK * _BLOCK
    if not whole or not values.flags.c_contiguous:
        return values.min(axis=0), values.max(axis=0)
    # Rows side by side: numpy then works along wide rows, sixty times as fast as along three or six numbers.
    wide, rest = values[:whole].reshape(-1, _BLOCK * columns), values[whole:]
    low, high = wide.min(axis=0).reshape(_BLOCK, columns), wide.max(axis=0).reshape(_BLOCK, columns)
    return np.concatenate([low, rest]).min(axis=0), np.concatenate([high, rest]).max(axis=0)


def are_usual(values: NDArray[Any]) -> bool:
    """Tell by few passes whether float32 values need no closer look, as most clouds do not.

    They do not where all are finite, coordinates are below 8192 and colours lie in 0..255 and well above 1. False says
    nothing.

    Args:
        values: `[N, 3]` or `[N, 6]`.
    """
    whole = len(values) // _BLOCK * _BLOCK
    if values.dtype != np.float32 or not values.flags.c_contiguous or not whole:
        return False
    if values.shape[1] == 3:
        return bool(values.min() > -_NEAR and values.max() < _NEAR)
    # As whole numbers, floats below zero are larger than all others, and the larger the further below.
    bits = values.view(np.uint32)
    highest = bits[:whole].reshape(-1, _BLOCK * 6).max(axis=0).reshape(_BLOCK, 6)
    if whole < len(values):
        highest = np.maximum(highest, bits[-_BLOCK:])
    shade = highest[:, 3:].max()
    return bool(_BITS_4 < shade <= _BITS_255 and highest.max() < _BITS_NEAR and values.max() < _NEAR)


def are_finite(low: NDArray[Any], high: NDArray[Any]) -> bool:
    """Tell whether columns of such extents hold nothing but numbers that float32 can hold."""
    low, high = low.astype(np.float64), high.astype(np.float64)
    return bool((low >= -_LARGEST).all() and (high <= _LARGEST).all())


def finite_rows(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of `[N, C]` hold nothing but numbers that float32 can hold, `[N]`."""
    with np.errstate(invalid="ignore"):
        return np.asarray((np.abs(values) <= _LARGEST).all(axis=1))


def map_offset(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
    """Return what to subtract of x, y and z so that float32 keeps their detail, in whole units of the file.

    An axis has an offset where float32 would round it to more than 1/1024 of a unit and to more than a 2**18th of
    the cloud's extent: in metres, from 16 km on for a room. Map coordinates do, a room in a frame of its own does not.

    Args:
        low: Lowest x, y, z.
        high: Highest x, y, z.

    Returns:
        `[3]`; zeros where nothing needs to be subtracted.
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    step = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32)).astype(np.float64)
    needed = step > max(2.0**-10, float((high - low).max()) * 2.0**-18)
    return np.where(needed, np.floor(low), 0.0)
