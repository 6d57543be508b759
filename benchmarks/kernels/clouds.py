"""The clouds that are measured: a furnished room, scanned from inside, as in indoor benchmarks. Synthetic, seeded."""

import numpy as np


def room(points: int, seed: int = 0) -> np.ndarray:
    """Points on the floor, walls, ceiling and boxes of a room of 6 x 5 x 2.7 m, with 1 cm of noise.

    Returns:
        float32 `[points, 3]`, metres, z up.
    """
    rng = np.random.default_rng(seed)
    low, high = [np.zeros(3)], [np.array([6.0, 5.0, 2.7])]
    for _ in range(8):
        size = rng.uniform(0.4, 1.6, 3) * [1, 1, 0.6]
        corner = rng.uniform(0, 1, 3) * (high[0] - size) * [1, 1, 0]
        low.append(corner)
        high.append(corner + size)
    lows, highs = np.stack(low), np.stack(high)
    sizes = highs - lows
    areas = np.stack([sizes[:, [1, 2]].prod(1), sizes[:, [0, 2]].prod(1), sizes[:, [0, 1]].prod(1)], 1).repeat(2, 1)
    face = rng.choice(areas.size, points, p=(areas / areas.sum()).ravel())
    box, side = face // 6, face % 6
    cloud = lows[box] + rng.random((points, 3)) * sizes[box]
    rows = np.arange(points)
    cloud[rows, side // 2] = np.where(side % 2, highs[box, side // 2], lows[box, side // 2])
    return (cloud + rng.normal(0, 0.01, cloud.shape)).astype(np.float32)
