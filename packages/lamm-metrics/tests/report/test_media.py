"""Clouds that a report embeds."""

import base64

import numpy as np
import pytest

from lamm_metrics.report.media import cloud_for_page


def test_a_cloud_is_packed_within_half_a_step(tmp_path):
    cloud = np.random.default_rng(0).uniform(-3, 5, (9000, 6)).astype(np.float32)
    cloud[:, 3:] = np.random.default_rng(1).uniform(0, 1, (9000, 3))
    np.save(tmp_path / "room.npy", cloud)
    packed = cloud_for_page(tmp_path / "room.npy", 100)
    low, high = np.array(packed["low"]), np.array(packed["high"])
    xyz = np.frombuffer(base64.b64decode(packed["xyz"]), "<u2").reshape(-1, 3) / 65535 * (high - low) + low
    nearest = np.linalg.norm(cloud[None, :, :3] - xyz[:, None], axis=2).min(axis=1)
    assert (packed["n"], len(xyz)) == (100, 100)
    assert nearest.max() < 8 / 65535
    assert len(base64.b64decode(packed["rgb"])) == 300
    assert cloud_for_page(tmp_path / "room.npy", 100) == packed


@pytest.mark.parametrize("bad", [b"", b"not numpy", np.array([{"a": 1}], dtype=object)])
def test_what_is_no_cloud_is_left_out(tmp_path, bad):
    path = tmp_path / "x.npy"
    if isinstance(bad, bytes):
        path.write_bytes(bad)
    else:
        np.save(path, bad, allow_pickle=True)
    assert cloud_for_page(path) is None
