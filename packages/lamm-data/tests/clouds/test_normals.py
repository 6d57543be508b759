"""Normals are read beside the points that they belong to."""

import numpy as np
import pytest

from lamm_data import SourceError, read_cloud, read_cloud_with_normals


def test_normals_of_arrays_and_ply_files(tmp_path):
    rng = np.random.default_rng(0)
    table = np.concatenate([rng.normal(size=(5, 3)), rng.integers(5, 255, (5, 3)), rng.normal(size=(5, 3))], axis=1)
    table[2, 7] = np.nan
    table[3, 6:] = 0
    np.save(tmp_path / "a.npy", table)
    names = ["x", "y", "z", "red", "green", "blue", "nx", "ny", "nz"]
    kinds = ["uchar" if name in names[3:6] else "double" for name in names]
    head = ["ply", "format ascii 1.0", "element vertex 5"]
    head += [f"property {kind} {name}" for kind, name in zip(kinds, names, strict=True)]
    rows = [
        " ".join(str(int(value)) if 3 <= at < 6 else repr(float(value)) for at, value in enumerate(row))
        for row in table
    ]
    (tmp_path / "b.ply").write_text("\n".join([*head, "end_header", *rows]) + "\n")
    for source in (table, tmp_path / "a.npy", tmp_path / "b.ply"):
        cloud, normals = read_cloud_with_normals(source)
        assert cloud.dropped == 1
        np.testing.assert_allclose(cloud.values, table[[0, 1, 3, 4], :6], rtol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), [1, 1, 0, 1], rtol=1e-6)
        np.testing.assert_allclose(normals[0], table[0, 6:] / np.linalg.norm(table[0, 6:]), rtol=1e-6)
    assert len(read_cloud(tmp_path / "b.ply").points) == 5


def test_clouds_without_normals_are_read_as_ever():
    cloud, normals = read_cloud_with_normals(np.ones((3, 6)) * 30)
    assert (len(cloud.points), normals) == (3, None)
    with pytest.raises(SourceError, match="finite coordinates and normals"):
        read_cloud_with_normals(np.full((3, 9), np.nan))
