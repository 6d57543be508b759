"""Scripts outside the repository find the reader of clouds where they import it from."""

import numpy as np
import pytest

from lamm_model.errors import LammModelError
from lamm_model.processing.point_cloud_files import read_point_cloud


def test_clouds_are_read_and_other_columns_refused_by_name(tmp_path):
    points = np.arange(21, dtype=np.float32).reshape(3, 7)
    np.save(tmp_path / "three.npy", points[:, :3])
    np.save(tmp_path / "seven.npy", points)
    assert read_point_cloud(tmp_path / "three.npy").tolist() == points[:, :3].tolist()
    with pytest.raises(LammModelError, match=r"seven\.npy"):
        read_point_cloud(tmp_path / "seven.npy")
