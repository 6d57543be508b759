"""Clouds packed for the viewer: 16 bits an axis, 8 bits a colour, in base64."""

import base64
import math
from typing import Any

import numpy as np

LEVELS = 65535
# Points that the viewer still moves smoothly, and what a page may hold of all its clouds together.
MOST_POINTS = 200_000
PAGE_BYTES = 16_000_000
# Characters of a coloured point: six bytes of its place and three of its colour, in base64.
POINT_BYTES = 12
# Points farther out than so many times the extent of all but 1 in 500 would leave the rest no room.
FAR = 20.0
LARGEST = 1e30
# Longest side in pixels of a picture of a page with few, and with so many.
LARGEST_SIDE, SIDE, MANY = 1024, 360, 400


def points_each(clouds: int) -> int:
    """Return how many points each of so many clouds may have, so that a page stays within 16 MB of clouds."""
    return min(MOST_POINTS, PAGE_BYTES // (POINT_BYTES * max(1, clouds)))


def side_each(pictures: int) -> int:
    """Return the longest side in pixels of each of so many pictures, so that few are large and a page stays small."""
    return min(LARGEST_SIDE, max(SIDE, round(SIDE * math.sqrt(MANY / max(1, pictures)))))


def pack_cloud(cloud: "np.ndarray[Any, Any]", most: int = MOST_POINTS, seed: int = 0) -> dict[str, Any]:
    """Pack a cloud for the viewer.

    Args:
        cloud: `[N, 3 or more]`: x, y, z in metres, z up, then red, green, blue where there are six columns: 0 to 255,
            0 to 1 or -1 to 1, told apart by their range. Rows that are not finite are left out, and so are points far
            outside.
        most: Most points that are packed, drawn with the seed.
        seed: Decides which points are drawn, and their order: every beginning is an even sample of the whole.

    Returns:
        `low` and `high` corners in metres, `n` points of `total`, `outside` of them too far away to be shown, `xyz`
        (base64 of uint16 `[n, 3]`, little endian, from low to high) and, where the cloud has colours, `rgb` (base64 of
        uint8 `[n, 3]`). `n` is 0 where no point is finite.
    """
    total, generator = len(cloud), np.random.default_rng(seed)
    order = generator.permutation(total) if total <= most else generator.choice(total, most, replace=False)
    # Read in the file's order: it may be mapped, and far larger than what is packed of it.
    ascending = np.argsort(order)
    values = np.empty((len(order), 6 if cloud.shape[1] >= 6 else 3), np.float64)
    values[ascending] = cloud[order[ascending], : values.shape[1]]
    values = values[np.isfinite(values).all(axis=1)]
    near = _near(values[:, :3])
    outside, values = int(len(near) - near.sum()), values[near]
    packed: dict[str, Any] = {
        "low": [0.0] * 3,
        "high": [0.0] * 3,
        "n": len(values),
        "total": total,
        "outside": outside,
        "xyz": "",
    }
    if not len(values):
        return packed
    low, high = values[:, :3].min(axis=0), values[:, :3].max(axis=0)
    scaled = np.round((values[:, :3] - low) / np.maximum(high - low, np.finfo(np.float64).tiny) * LEVELS).astype("<u2")
    packed |= {"low": low.tolist(), "high": high.tolist(), "xyz": _base64(scaled)}
    return packed | {"rgb": _base64(_colours(values[:, 3:]))} if values.shape[1] == 6 else packed


def _near(places: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Return which points lie around the bulk of a cloud: few far away would shrink the rest to a dot."""
    near: np.ndarray[Any, np.dtype[np.bool_]] = (np.abs(places) <= LARGEST).all(axis=1)
    if near.sum() < 2:
        return near
    low, high = np.percentile(places[near], (0.1, 99.9), axis=0)
    reach = FAR * max(float((high - low).max()), 1e-9)
    if reach == FAR * 1e-9:  # all but a few coincide
        return near
    near &= ((places >= low - reach) & (places <= high + reach)).all(axis=1)
    return near


def _colours(colours: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Return colours as bytes, from 0..1, -1..1 or 0..255, told apart by their range."""
    if colours.min() < 0:
        colours = (colours + 1) / 2
    scale = 255.0 if colours.max() <= 1.0 else 1.0
    return np.clip(np.round(colours * scale), 0, 255).astype(np.uint8)


def _base64(values: "np.ndarray[Any, Any]") -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
