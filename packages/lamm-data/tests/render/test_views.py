"""Pictures: everything is in them, nearer points cover others, surfaces are closed, walls give way."""

import numpy as np
import pytest

from lamm_data.errors import UsageError
from lamm_data.render.cameras import cameras_around, opened
from lamm_data.render.shading import BACKGROUND
from lamm_data.render.splatting import place, spacing, splat
from lamm_data.render.views import ViewSettings, render_views


def sheet(z, count, side, seed=0):
    flat = np.random.default_rng(seed).uniform(-side / 2, side / 2, (count, 2))
    return np.column_stack([flat, np.full(count, z)]).astype(np.float32)


def room():
    """A room of 4 x 4 x 3 m with a floor, a ceiling, four walls and a post in its middle."""
    rng = np.random.default_rng(1)
    floor, ceiling = sheet(0, 6000, 4), sheet(3, 6000, 4)
    u, v = rng.uniform(-2, 2, 4000), rng.uniform(0, 3, 4000)
    walls = [np.column_stack(c) for c in ((u, 0 * u - 2, v), (u, 0 * u + 2, v), (0 * u - 2, u, v), (0 * u + 2, u, v))]
    post = np.column_stack([rng.normal(0, 0.05, 500), rng.normal(0, 0.05, 500), rng.uniform(0, 1.5, 500)])
    return np.concatenate([floor, ceiling, *walls, post]).astype(np.float32)


@pytest.mark.parametrize("count", range(1, 9))
def test_every_point_is_in_every_picture(count):
    cloud = np.random.default_rng(0).normal(0, 1, (4000, 3)) * (3, 1, 0.5) + (100, -20, 7)
    cameras = cameras_around(cloud, count, 256)
    assert len({camera.name for camera in cameras}) == count
    corners = cloud[(np.abs(cloud - cloud.mean(0)) < (6, 2, 1)).all(1)].astype(np.float32)
    for camera in cameras:
        columns, rows, depth = camera.project(corners)
        assert depth.min() > 0
        assert columns.min() >= 0
        assert rows.min() >= 0
        assert max(columns.max(), rows.max()) < 256


def test_axes_are_not_mirrored():
    camera = cameras_around(sheet(0, 1000, 2), 2, 256)[0]
    columns, rows, _ = camera.project(np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]], np.float32))
    assert columns[1] > columns[0]
    assert abs(rows[1] - rows[0]) < 0.1
    assert rows[2] < rows[0]
    assert abs(columns[2] - columns[0]) < 0.1


@pytest.mark.parametrize("count", [500, 4000, 40_000])
def test_a_surface_is_closed_and_hides_what_lies_below(count):
    above, below = sheet(1, count, 2), sheet(0, count, 2, seed=1)
    cloud = np.concatenate([above, below])
    camera = cameras_around(cloud, 2, 512)[0]
    seen = splat(camera, place(camera, cloud, spacing(cloud), None))
    middle = seen.index[100:412, 100:412]
    assert np.mean(middle < 0) < 0.01
    assert np.mean(middle >= count) < 0.03


def test_the_nearest_point_of_a_pixel_is_the_one_a_loop_over_points_finds():
    cloud = np.random.default_rng(4).uniform(-1, 1, (300, 3)).astype(np.float32)
    camera = cameras_around(cloud, 1, 64)[0]
    seen = splat(camera, place(camera, cloud, np.zeros(300, np.float32), None))
    columns, rows, depth = camera.project(cloud)
    for pixel in np.argwhere(seen.index >= 0):
        near = (np.abs(rows.astype(int) - pixel[0]) <= 1) & (np.abs(columns.astype(int) - pixel[1]) <= 1)
        assert seen.depth[tuple(pixel)] == depth[near].min() == depth[seen.index[tuple(pixel)]]


def test_walls_and_ceiling_before_the_camera_give_way_and_others_stay():
    cloud = room()
    for camera in cameras_around(cloud, 5, 128):
        shown = opened(cloud, camera)
        hidden = cloud[~shown]
        assert (hidden[:, 2] > 2.8).sum() >= 6000  # the ceiling
        assert shown[cloud[:, 2] == 0].mean() > 0.9  # the floor
        back = camera.eye[:2] / max(np.abs(camera.eye[:2]).max(), 1e-6)
        far = (cloud[:, :2] @ -back > 1.95) & (np.abs(cloud[:, 2] - 1.2) < 1)
        assert camera.name == "from above" or shown[far].mean() > 0.9


def test_a_post_in_a_closed_room_is_seen_unless_walls_are_wanted():
    post = [(0, 0, 0.75, 0.3, 0.3, 1.5)]
    assert all(1 in view.objects for view in render_views(room(), post, ViewSettings(count=4)))
    assert not any(1 in view.objects for view in render_views(room(), post, ViewSettings(count=4, walls=True)))


@pytest.mark.parametrize("boxes", [[], [(0, 0, 0, 5, 5, 5)]])
def test_what_stands_alone_keeps_its_sides(boxes):
    """It fills a side of its own cloud as a wall does, but is an object of it, or smaller than a room."""
    rng = np.random.default_rng(0)
    points, side = rng.uniform(-0.5, 0.5, (6000, 3)), rng.integers(0, 3, 6000)
    points[np.arange(6000), side] = np.sign(points[np.arange(6000), side]) / 2
    cloud = (points * (5 if boxes else 1)).astype(np.float32)
    with_walls = render_views(cloud, boxes, ViewSettings(count=4, walls=True))
    for view, whole in zip(render_views(cloud, boxes, ViewSettings(count=4)), with_walls, strict=True):
        assert np.array_equal(view.picture, whole.picture)


def test_pictures_have_the_clouds_colours_or_those_of_height_and_are_the_same_each_time():
    flat = sheet(0, 4000, 2)
    red = np.column_stack([flat, np.tile((200, 10, 10), (4000, 1))])
    picture = np.asarray(render_views(red, settings=ViewSettings(count=2))[0].picture)
    assert picture.shape == (512, 512, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[0, 0]) == BACKGROUND
    middle = picture[200:300, 200:300].reshape(-1, 3).mean(0)
    assert middle[0] > 100
    assert middle[1] < 20
    plain = [np.asarray(view.picture) for view in render_views(flat, settings=ViewSettings(count=3))]
    again = [np.asarray(view.picture) for view in render_views(flat, settings=ViewSettings(count=3))]
    assert all(np.array_equal(one, other) for one, other in zip(plain, again, strict=True))


@pytest.mark.parametrize("cloud", [[[1, 2, 3]], [[0, 0, 0]] * 5, [[0, 0, 0], [0, 0, 1]]])
def test_clouds_of_hardly_any_points_are_drawn(cloud):
    views = render_views(np.array(cloud, np.float32), settings=ViewSettings(count=2, size=64))
    assert all((np.asarray(view.picture) != BACKGROUND).any() for view in views)


@pytest.mark.parametrize("values", [{"count": 0}, {"count": 9}, {"size": 10}])
def test_views_are_one_to_eight_of_a_sensible_size(values):
    with pytest.raises(UsageError, match="1 to 8 views"):
        ViewSettings(**values)


def test_a_cloud_in_map_coordinates_gives_the_picture_of_the_same_cloud_at_the_origin():
    cloud, box = room().astype(np.float64), (0, 0, 0.75, 0.3, 0.3, 1.5)
    offset = np.array((448_000.0, 5_411_000.0, 300.0))
    here = render_views(cloud, [box], ViewSettings(count=2))
    there = render_views(cloud + offset, [(*(offset + box[:3]), *box[3:])], ViewSettings(count=2))
    for one, other in zip(here, there, strict=True):
        assert np.mean(np.asarray(one.picture) != np.asarray(other.picture)) < 0.01
        assert one.objects.keys() == other.objects.keys() == {1}
