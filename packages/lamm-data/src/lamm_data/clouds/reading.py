"""Point clouds from mesh and cloud files to plain `.npy`: metres, z up, colours 0..255."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.clouds.headers import check_complete
from lamm_data.errors import LammDataError, SourceError
from lamm_data.files.whole import atomic_bytes

Cloud = NDArray[np.float32]
SUFFIXES = (".npy", ".ply", ".pcd", ".xyz")


def _open3d() -> Any:
    try:
        import open3d
    except ImportError as error:
        raise LammDataError(
            f"Expected open3d for reading PLY, PCD and OBJ files, got {error}. Install it: pip install 'lamm-data[3d]'."
        ) from error
    return open3d


def load_cloud(path: str | Path) -> Cloud:
    """Load a cloud.

    Args:
        path: `.npy`, `.ply` (ascii or binary), `.pcd`, `.xyz`; of a mesh, the vertices in file order.

    Returns:
        `[N, 3]` float32 in the file's units (metres in all of our sources), or `[N, 6]` with colours 0..255.

    Raises:
        SourceError: The file is missing, damaged, empty or holds values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(
            f"Expected a cloud file ({', '.join(SUFFIXES)}), got {path}. Pickles are never opened: opening "
            "one can run anything. Save the array with numpy.save."
        )
    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise SourceError(f"Expected a plain .npy array, got something else ({path}): {error}") from error
    else:
        values = read_points(path)
    return check_cloud(values, path)


def check_cloud(values: NDArray[Any], path: str | Path) -> Cloud:
    """Return an array as a cloud after checking its shape and values.

    Raises:
        SourceError: It is empty, of another shape, or holds values that are not finite.
    """
    if values.ndim != 2 or values.shape[1] not in (3, 6) or not len(values) or not np.isfinite(values).all():
        raise SourceError(f"Expected finite points of shape [N, 3] or [N, 6], got {list(values.shape)} ({path}).")
    return np.ascontiguousarray(values, dtype=np.float32)


def read_points(path: Path) -> NDArray[Any]:
    """Read a cloud file through open3d, without its many warnings: `check_cloud` says what is wrong in one line."""
    open3d = _open3d()
    check_complete(path)
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        cloud = open3d.io.read_point_cloud(str(path))
    values: NDArray[Any] = np.asarray(cloud.points)
    return np.concatenate([values, np.asarray(cloud.colors) * 255], 1) if cloud.has_colors() else values


def sample_mesh(path: str | Path, count: int, seed: int) -> Cloud:
    """Sample points evenly on a mesh's surface.

    Args:
        path: `.obj`, `.ply`, `.off` or `.stl`.
        count: Number of points.
        seed: Seed of the sampling.

    Returns:
        `[count, 3]` float32.
    """
    open3d = _open3d()
    if not Path(path).is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.")
    check_complete(Path(path))
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        mesh = open3d.io.read_triangle_mesh(str(path))
    triangles = np.asarray(mesh.vertices)[np.asarray(mesh.triangles)]
    if not len(triangles):
        raise SourceError(f"Expected a mesh with triangles, got none ({path}).")
    edges = triangles[:, 1:] - triangles[:, :1]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    if not areas.sum() > 0:
        raise SourceError(f"Expected a mesh with a surface, got zero area ({path}).")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(triangles), count, p=areas / areas.sum())
    u, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    return check_cloud((triangles[chosen] * weights[..., None]).sum(1), path)


def resample(cloud: Cloud, count: int, seed: int) -> Cloud:
    """Draw `count` points without repeats, or with repeats only for those that are missing.

    Args:
        cloud: `[N, C]`.
        count: Number of points wanted.
        seed: Seed; derive it from the cloud's id so that a cloud is always drawn the same way.
    """
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(cloud))[:count]
    if count > len(kept):
        kept = np.concatenate([kept, rng.integers(0, len(cloud), count - len(kept))])
    return cloud[kept]


def seed_of(name: str, seed: int = 0) -> int:
    """Derive a seed from a cloud's id, so that it is always drawn the same way, whatever was drawn before it."""
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def save_cloud(path: str | Path, cloud: NDArray[Any]) -> None:
    """Write an array as `.npy`, beside its name first."""
    with atomic_bytes(path) as handle:
        np.save(handle, cloud, allow_pickle=False)
