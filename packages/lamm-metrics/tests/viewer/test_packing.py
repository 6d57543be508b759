"""Clouds packed for the viewer: what is in them, what is left out, and how large a page of them is."""

import base64
import json

import numpy as np
import pytest
from scenes import furnished_room

from lamm_metrics import pack_cloud, points_each
from lamm_metrics.viewer.packing import PAGE_BYTES


def unpacked(packed):
    low, high = np.array(packed["low"]), np.array(packed["high"])
    return np.frombuffer(base64.b64decode(packed["xyz"]), "<u2").reshape(-1, 3) / 65535 * (high - low) + low


def test_a_room_of_200_000_points_is_packed_whole_in_its_bytes():
    cloud, _ = furnished_room(200_000)
    packed = pack_cloud(cloud)
    assert (packed["n"], packed["total"], packed["outside"]) == (200_000, 200_000, 0)
    assert len(json.dumps(packed)) < 2_450_000
    places = unpacked(packed)
    found, asked = (np.sort(np.round(values[:, 0], 3)) for values in (places, cloud))
    assert np.abs(found - asked).max() < 2e-3
    # Every beginning is an even sample: the first hundredth has the mean of the whole.
    assert np.abs(places[:2000].mean(axis=0) - cloud[:, :3].mean(axis=0)).max() < 0.15
    assert pack_cloud(cloud) == packed


@pytest.mark.parametrize("clouds", [0, 1, 6, 7, 48, 1000])
def test_all_clouds_of_a_page_share_its_bytes(clouds):
    each = points_each(clouds)
    assert 0 < each <= 200_000
    assert clouds * each * 12 <= PAGE_BYTES
    assert each == 200_000 or clouds > 6


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_colours_are_told_apart_by_their_range(scale):
    cloud = np.c_[np.random.default_rng(0).uniform(0, 1, (50, 3)), np.tile([0.0, 0.5, 1.0], (50, 1)) * scale]
    colours = np.frombuffer(base64.b64decode(pack_cloud(cloud)["rgb"]), np.uint8).reshape(-1, 3)
    assert np.abs(colours.astype(int) - (0, 128, 255)).max() <= 1


ROOM = np.random.default_rng(0).uniform(-2, 2, (5000, 3))


@pytest.mark.parametrize(
    ("cloud", "n", "outside"),
    [
        (np.zeros((0, 3)), 0, 0),
        (np.full((4, 3), np.nan), 0, 0),
        (np.array([[1.0, 2.0, 3.0]]), 1, 0),
        (np.ones((7, 6)), 7, 0),
        (np.r_[ROOM, [[np.nan, 0, 0], [0, np.inf, 0]]], 5000, 0),
        (np.r_[ROOM, [[1e308, 0, 0], [0, 0, -4e5]]], 5000, 2),
        (ROOM * (1e9, 1, 1), 5000, 0),
        (np.r_[ROOM, [[5.0, 5.0, 5.0]]], 5001, 0),
    ],
)  # fmt: skip
def test_hostile_clouds_are_packed_without_what_cannot_be_shown(cloud, n, outside):
    packed = json.loads(json.dumps(pack_cloud(cloud), allow_nan=False))
    assert (packed["n"], packed["outside"], packed["total"]) == (n, outside, len(cloud))
    assert len(base64.b64decode(packed["xyz"])) == 6 * n
    if outside:
        assert np.abs([packed["low"], packed["high"]]).max() <= 2
