"""Overlap of a million pairs of 3D boxes on one core, beside shapely (upright) and scipy (any rotation) a pair.

Run: OMP_NUM_THREADS=1 python benchmarks/metrics/rotated_iou.py
"""

import numpy as np
from measuring import seconds, write_result

from lamm_metrics import corners, paired_iou_axis_aligned, paired_iou_rotated, paired_iou_yaw, rotations

PAIRS = 1_000_000
FULL_PAIRS = 100_000
SHAPELY_PAIRS = 2_000
SCIPY_PAIRS = 300


def boxes(seed: int, n: int) -> np.ndarray:
    """Boxes of 9 numbers, most pairs of which overlap."""
    generator = np.random.default_rng(seed)
    parts = [generator.uniform(-0.7, 0.7, (n, 3)), generator.uniform(0.3, 2, (n, 3)), generator.uniform(-4, 4, (n, 3))]
    return np.concatenate(parts, axis=1)


def with_shapely(first: np.ndarray, second: np.ndarray) -> list[float]:
    import shapely

    def footprint(box: np.ndarray) -> object:
        return shapely.Polygon(corners(box[None, :7])[0, :4, :2])

    result = []
    for a, b in zip(first, second, strict=True):
        height = max(0.0, min(a[2] + a[5] / 2, b[2] + b[5] / 2) - max(a[2] - a[5] / 2, b[2] - b[5] / 2))
        shared = footprint(a).intersection(footprint(b)).area * height
        result.append(shared / (a[3:6].prod() + b[3:6].prod() - shared))
    return result


def with_scipy(first: np.ndarray, second: np.ndarray) -> list[float]:
    from scipy.optimize import linprog
    from scipy.spatial import ConvexHull, HalfspaceIntersection

    def half_spaces(box: np.ndarray) -> np.ndarray:
        axes = rotations(box[None, 6:9])[0]
        normals = np.concatenate([axes.T, -axes.T])
        return np.column_stack([normals, -normals @ box[:3] - np.tile(box[3:6] / 2, 2)])

    result = []
    for a, b in zip(first, second, strict=True):
        planes = np.concatenate([half_spaces(a), half_spaces(b)])
        columns = np.c_[planes[:, :3], np.ones(12)]
        inner = linprog([0, 0, 0, -1], A_ub=columns, b_ub=-planes[:, 3], bounds=[(None, None)] * 4)
        shared = 0.0
        if inner.status == 0 and inner.x[3] > 1e-9:
            shared = ConvexHull(HalfspaceIntersection(planes, inner.x[:3]).intersections, qhull_options="QJ").volume
        result.append(shared / (a[3:6].prod() + b[3:6].prod() - shared))
    return result


def main() -> None:
    first, second = boxes(0, PAIRS), boxes(1, PAIRS)
    cases = {
        "axis-aligned": (paired_iou_axis_aligned, PAIRS),
        "yaw": (paired_iou_yaw, PAIRS),
        "full rotation": (paired_iou_rotated, FULL_PAIRS),
        "shapely, yaw": (with_shapely, SHAPELY_PAIRS),
        "scipy, full rotation": (with_scipy, SCIPY_PAIRS),
    }
    measured = {}
    for name, (work, n) in cases.items():
        took = seconds(lambda work=work, n=n: work(first[:n], second[:n]))
        measured[name] = {"pairs": n, **took, "processor_us_a_pair": round(took["median_processor_s"] / n * 1e6, 4)}
    upright = np.abs(
        paired_iou_yaw(first[:SHAPELY_PAIRS], second[:SHAPELY_PAIRS])
        - with_shapely(first[:SHAPELY_PAIRS], second[:SHAPELY_PAIRS])
    )
    measured["largest difference from shapely"] = float(upright.max())
    write_result("rotated_iou", measured, ["shapely", "scipy"])


if __name__ == "__main__":
    main()
