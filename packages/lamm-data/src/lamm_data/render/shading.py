"""Colours of a picture: the cloud's own, or its heights; darker behind edges and on faces turned from the light.

Only sums, products, quotients and square roots: these are the same to the last bit on every processor, and so are the
pictures, whose hashes are part of requests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.render.cameras import Camera, bounds
from lamm_data.render.splatting import Splat

BACKGROUND = (238, 240, 243)
_HEIGHTS = ((68, 78, 134), (52, 120, 150), (50, 158, 140), (120, 192, 100), (230, 205, 80), (226, 130, 74))
"""Colours from the lowest to the highest point of a cloud without colours of its own."""
_LIGHT = np.array((-0.45, -0.65, -0.62), np.float32)
"""Towards the light, in the camera's axes: from the upper left, behind the camera."""
_FLAT, _DEEP = np.float32(0.004), np.float32(0.04)
"""Steps of depth, as shares of both depths together, that begin to darken what is beside them and that do so fully."""


def point_colours(cloud: NDArray[Any]) -> NDArray[np.uint8]:
    """Return `[N, 4]` red, green, blue, 255: the cloud's own colours, or colours of the points' heights."""
    if cloud.shape[1] == 6:
        colours = np.clip(cloud[:, 3:], 0, 255)
    else:
        low, high = bounds(cloud)
        share = np.clip((cloud[:, 2] - low[2]) / max(high[2] - low[2], 1e-9), 0, 1) * (len(_HEIGHTS) - 1)
        steps = np.arange(len(_HEIGHTS))
        colours = np.stack([np.interp(share, steps, [shade[k] for shade in _HEIGHTS]) for k in range(3)], axis=1)
    return np.concatenate([colours, np.full((len(cloud), 1), 255)], axis=1).astype(np.uint8)


def shade(seen: Splat, camera: Camera, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour a picture.

    Args:
        seen: What the camera sees.
        camera: The camera.
        colours: `[N, 4]` of the points.

    Returns:
        `[H, W, 3]`.
    """
    packed = np.append(colours.view(np.uint32).reshape(-1), np.uint32(0))  # the last one is the background
    picture = packed[seen.index].view(np.uint8).reshape(*seen.index.shape, 4)[..., :3]
    hit = seen.index >= 0
    if not hit.any():
        return np.full(picture.shape, BACKGROUND, np.uint8)
    depth = np.where(hit, seen.depth, seen.depth[hit].max() * np.float32(1.02))
    light = _facing(depth, camera) * _beside_edges(depth)
    result: NDArray[np.uint8] = np.multiply(picture, light[..., None], dtype=np.float32).astype(np.uint8)
    result[~hit] = BACKGROUND
    return result


def _smooth(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return sums over `2 * reach + 1` rows, then as many columns, edges repeated."""
    for _ in (0, 1):
        padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
        total = padded[: len(values)].copy()
        for step in range(1, 2 * reach + 1):
            total += padded[step : step + len(values)]
        values = np.ascontiguousarray(total.T)
    return values / np.float32((2 * reach + 1) ** 2)


def _facing(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Return how bright faces are, from the slopes of the smoothed depth, found at half the size."""
    half = depth[: camera.size // 2 * 2 : 2, : camera.size // 2 * 2 : 2]
    reach = max(camera.size // 340, 1)
    even = _smooth(_smooth(half, reach), reach)
    step = even * np.float32(4 / camera.focal)  # two pixels of the half size, at that depth
    across, down = np.zeros_like(even), np.zeros_like(even)
    across[:, 1:-1] = (even[:, 2:] - even[:, :-2]) / step[:, 1:-1]
    down[1:-1] = (even[2:] - even[:-2]) / step[1:-1]
    # A surface z(x, y) has the normal (dz/dx, dz/dy, -1), towards the camera.
    light = _LIGHT / np.linalg.norm(_LIGHT)
    lit = (across * light[0] + down * light[1] - light[2]) / np.sqrt(across * across + down * down + 1)
    bright = np.float32(0.64) + np.float32(0.36) * np.maximum(lit, 0)
    rows, columns = (np.minimum(np.arange(side) // 2, bright.shape[0] - 1) for side in depth.shape)
    spread: NDArray[np.float32] = bright[rows][:, columns]
    return spread


def _beside_edges(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much light is left beside what stands nearer to the camera (eye-dome lighting)."""
    hidden = np.zeros_like(depth)
    reach = max(len(depth) // 256, 1)
    for flipped in (False, True):
        view, target = (depth.T, hidden.T) if flipped else (depth, hidden)
        step = (view[reach:] - view[:-reach]) / (view[reach:] + view[:-reach])
        target[reach:] += np.minimum(np.maximum(step - _FLAT, 0), _DEEP)
        target[:-reach] += np.minimum(np.maximum(-step - _FLAT, 0), _DEEP)
    left: NDArray[np.float32] = np.float32(1) / (1 + hidden * (16 + hidden * 128))
    return left
