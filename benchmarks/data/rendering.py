"""Drawing a cloud of 40,000 points at 512 pixels: LAMM's splatting beside open3d and a loop over points.

One core, processor time, the best of several rounds. The loop is what splatting replaces: it draws a square for each
point and keeps the nearest. open3d projects single pixels to a depth picture: no discs, no shading, and holes between
the points.

    OMP_NUM_THREADS=1 python benchmarks/data/rendering.py [--points 40000 --size 512]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from coco_files import write_result

from lamm_data import ViewSettings, render_views


def room(points: int) -> np.ndarray:
    """A room with a floor, two walls, three boxes: coloured points `[N, 6]`."""
    rng = np.random.default_rng(0)
    solids = [
        ((2.5, 2, -0.02), (5, 4, 0.04), 30),
        ((0, 2, 1.25), (0.04, 4, 2.5), 15),
        ((2.5, 4, 1.25), (5, 0.04, 2.5), 19),
    ]
    solids += [
        ((1, 3, 0.25), (1.9, 0.9, 0.5), 10),
        ((3, 2, 0.4), (0.8, 0.8, 0.8), 10),
        ((4, 1, 0.6), (0.6, 0.6, 1.2), 10),
    ]
    weights = np.array([share for *_, share in solids])
    parts = []
    for (centre, size, _), count in zip(
        solids, np.diff(np.cumsum([0, *weights]) * points // weights.sum()), strict=True
    ):
        areas = np.array([size[1] * size[2], size[0] * size[2], size[0] * size[1]])
        side = rng.choice(3, count, p=areas / areas.sum())
        inside = rng.uniform(-0.5, 0.5, (count, 3))
        inside[np.arange(count), side] = np.where(rng.random(count) < 0.5, -0.5, 0.5)
        parts.append(np.column_stack([inside * size + centre, np.tile(rng.integers(60, 220, 3), (count, 1))]))
    return np.concatenate(parts).astype(np.float32)


def best(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds of processor time of the fastest round: other work on the machine does not count."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return round(min(times) * 1e3, 1)


def loop(cloud: np.ndarray, size: int, radius: int) -> np.ndarray:
    """Draw a square for each point from above, in a Python loop over points with a depth buffer."""
    low, high = cloud[:, :3].min(0), cloud[:, :3].max(0)
    at = ((cloud[:, :2] - low[:2]) / (high - low)[:2].max() * (size - 1)).astype(int)
    picture, depth = np.zeros((size, size, 3), np.uint8), np.full((size, size), np.inf)
    for (x, y), height, colour in zip(at, high[2] - cloud[:, 2], cloud[:, 3:], strict=True):
        rows, columns = slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1)
        near = height < depth[rows, columns]
        depth[rows, columns][near] = height
        picture[rows, columns][near] = colour
    return picture


def open3d_ms(cloud: np.ndarray, size: int, rounds: int) -> float | None:
    """Milliseconds of open3d's projection to a depth and a colour picture; None without open3d."""
    try:
        import open3d
    except ImportError:
        return None
    points = open3d.t.geometry.PointCloud(open3d.core.Tensor(cloud[:, :3]))
    points.point.colors = open3d.core.Tensor(cloud[:, 3:] / np.float32(255))
    inner = open3d.core.Tensor([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1]], dtype=open3d.core.float64)
    outer = np.diag([1.0, -1, -1, 1])
    outer[:3, 3] = outer[:3, :3] @ -np.array([2.5, 2, 9])
    return best(lambda: points.project_to_rgbd_image(size, size, inner, open3d.core.Tensor(outer), 1.0, 20.0), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=40_000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    cloud = room(options.points)
    four = best(lambda: render_views(cloud, settings=ViewSettings(4, options.size)), options.rounds)
    seven = best(lambda: render_views(cloud, settings=ViewSettings(7, options.size)), options.rounds)
    result = {
        "points": options.points,
        "size": options.size,
        "ours_ms_a_view": round((seven - four) / 3, 1),
        "ours_ms_four_views_of_a_cloud": four,
        "loop_over_points_ms": best(lambda: loop(cloud, options.size, 3), 2),
        "open3d_single_pixels_ms": open3d_ms(cloud, options.size, options.rounds),
    }
    write_result("rendering", result, "processor time of the best round on one core; a view is splatted and shaded")


if __name__ == "__main__":
    main()
