"""Which objects a view shows: by the depth buffer, against rays cast at the solids themselves."""

import numpy as np
import pytest

from lamm_data.render.cameras import cameras_around
from lamm_data.render.objects import SEEN, owners
from lamm_data.render.views import ViewSettings, render_views
from lamm_data.sample.vocabulary import SOLIDS

RAYS = 160


def inside(kind, p):
    """Whether points `[..., 3]` are inside a solid that fills the cube from -0.5 to 0.5."""
    x, y, z = np.moveaxis(p, -1, 0)
    around = np.hypot(x, y)
    narrowing = (0.5 - z) / 2
    return {
        "box": np.ones(x.shape, bool),
        "sphere": around**2 + z**2 <= 0.25,
        "cylinder": around <= 0.5,
        "cone": around <= narrowing,
        "pyramid": np.maximum(np.abs(x), np.abs(y)) <= narrowing,
    }[kind]


def first_hit(kind, box, eye, rays):
    """Depth at which each ray enters a solid; infinite for a miss."""
    centre, size = np.array(box[:3]), np.array(box[3:6])
    start, step = (eye - centre) / size, rays / size
    with np.errstate(divide="ignore"):
        one, other = (-0.5 - start) / step, (0.5 - start) / step
    enter, leave = np.minimum(one, other).max(1), np.maximum(one, other).min(1)
    hit = np.full(len(rays), np.inf)
    for ray in np.flatnonzero(enter < leave):
        t = np.linspace(enter[ray], leave[ray], 80)[1:-1]
        within = inside(kind, start + t[:, None] * step[ray])
        if within.any():
            hit[ray] = t[within.argmax()]
    return hit


def cast(camera, kinds, boxes):
    """The share of each solid that a camera sees, by rays."""
    at = (np.arange(RAYS) + 0.5) / RAYS * camera.size - camera.size / 2
    across, down = (part.reshape(-1) / camera.focal for part in np.meshgrid(at, at))
    rays = np.stack([across, down, np.ones_like(across)], 1) @ camera.axes
    depths = np.stack([first_hit(kind, box, camera.eye, rays) for kind, box in zip(kinds, boxes, strict=True)])
    alone = np.isfinite(depths)
    nearest = alone & (depths == depths.min(0))
    return nearest.sum(1) / np.maximum(alone.sum(1), 1)


def test_visibility_equals_ray_casts_on_the_sample_rooms(world):
    same, errors = [], []
    for path in sorted(world.rglob("*_aligned_bbox.npy"))[:24]:
        rows, cloud = np.load(path), np.load(str(path).replace("bbox", "vert"))
        boxes, kinds = [tuple(row[:6]) for row in rows], [SOLIDS[int(row[6]) - 1] for row in rows]
        settings = ViewSettings(count=4, size=512)
        views = render_views(cloud, boxes, settings)
        for camera, view in zip(cameras_around(cloud[:, :3], 4, 512), views, strict=True):
            for number, share in enumerate(cast(camera, kinds, boxes), start=1):
                same.append((share >= SEEN) == (number in view.objects))
                errors.append(abs(share - (view.objects[number].share if number in view.objects else 0.0)))
    assert len(same) > 200
    assert np.mean(same) >= 0.99
    assert np.mean(errors) < 0.1  # discs of a sparse floor stand a little before what is on it


def block(centre, size, count=3000, seed=0):
    """Points on the surface of a box."""
    rng = np.random.default_rng(seed)
    points, side = rng.uniform(-0.5, 0.5, (count, 3)), rng.integers(0, 3, count)
    points[np.arange(count), side] = np.sign(points[np.arange(count), side]) / 2
    return points * size + centre


@pytest.fixture(scope="module")
def hidden_cube():
    """A cube close behind a wide screen, on a floor: to be seen from above and from one side only."""
    floor = block((0, 0, -0.02), (4, 4, 0.02))
    boxes = [(0.0, -0.6, 1.0, 2.4, 0.1, 2.0), (0.0, 0.3, 0.2, 0.4, 0.4, 0.4)]
    parts = [block(box[:3], box[3:]) for box in boxes]
    return np.concatenate([floor, *parts]).astype(np.float32), boxes


def test_an_object_behind_a_screen_is_not_in_sight_from_there(hidden_cube):
    cloud, boxes = hidden_cube
    views = render_views(cloud, boxes, ViewSettings(count=8))
    cameras = cameras_around(cloud, 8, 512)
    behind = [view for view, camera in zip(views, cameras, strict=True) if camera.eye[1] < -3]
    before = [view for view, camera in zip(views, cameras, strict=True) if camera.eye[1] > 3]
    assert behind
    assert before
    assert all(list(view.objects) == [1] for view in behind)
    assert all(view.objects[2].share > 0.9 for view in before)


def test_a_mark_stands_on_its_object(hidden_cube):
    cloud, boxes = hidden_cube
    view = render_views(cloud, boxes, ViewSettings(count=2))[0]
    camera = cameras_around(cloud, 2, 512)[0]
    column, row, _ = camera.project(np.array([[0, 0.3, 0.4]], np.float32))
    assert np.hypot(view.objects[2].at[0] - column[0], view.objects[2].at[1] - row[0]) < 8


def test_a_point_belongs_to_the_smallest_box_that_holds_it_whichever_way_that_is_turned():
    boxes = [(0, 0, 0, 4, 4, 4), (), (1, 0, 0, 2, 0.2, 0.2, np.pi / 2), (0, 0, 0, 3, 0.1, 0.1, 0, -np.pi / 2, 0)]
    points = np.array([[1, 0.9, 0], [0, 0, 1.4], [1.9, 0, 0], [3, 0, 0]], np.float32)
    assert owners(points, boxes).tolist() == [3, 4, 1, 0]


def crowd(seed):
    """A floor with a dozen boxes close together, low ones between tall ones."""
    rng, boxes = np.random.default_rng(seed), []
    for x in (-1.2, -0.4, 0.4, 1.2):
        for y in (-1.0, 0.0, 1.0):
            size = (*rng.uniform(0.3, 0.6, 2), rng.choice([0.25, 1.9]))
            boxes.append((x, y, size[2] / 2, *size))
    parts = [block((0, 0, -0.02), (4, 4, 0.02)), *(block(box[:3], box[3:], seed=seed) for box in boxes)]
    return np.concatenate(parts).astype(np.float32), boxes


def test_visibility_equals_ray_casts_where_objects_hide_each_other():
    same, shares = [], []
    for seed in range(4):
        cloud, boxes = crowd(seed)
        views = render_views(cloud, boxes, ViewSettings(count=4))
        for camera, view in zip(cameras_around(cloud, 4, 512), views, strict=True):
            for number, share in enumerate(cast(camera, ["box"] * len(boxes), boxes), start=1):
                same.append((share >= SEEN) == (number in view.objects))
                shares.append(share)
    assert np.mean(np.array(shares) < SEEN) > 0.05
    assert np.mean(same) >= 0.98
