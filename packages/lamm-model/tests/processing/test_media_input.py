"""Pictures and clouds of every kind: converted where that is sound, refused with a reason where not."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model import LammImageProcessor, LammPointCloudProcessor
from lamm_model.errors import LammModelError, UsageError
from lamm_model.processing.image_processing_lamm import read_image
from lamm_model.processing.point_cloud_processing import read_point_cloud


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


RGB = Image.fromarray(np.arange(24 * 16 * 3, dtype=np.uint32).reshape(16, 24, 3).astype(np.uint8))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1"])
def test_modes_become_rgb(mode):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    found = read_image(encoded(RGB.convert(mode), kind))
    assert found.mode == "RGB"
    assert found.size == RGB.size


def test_sixteen_bit_grey_keeps_its_range():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    found = np.asarray(read_image(encoded(Image.fromarray(ramp))))
    assert found.min() == 0
    assert found.max() == 255
    assert len(np.unique(found)) == 256


def test_transparent_pixels_are_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert np.asarray(read_image(encoded(clear))).min() == 255


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read_image(encoded(RGB, "JPEG", exif=exif))
    assert found.size == (16, 24)


def bomb(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty file"),
        (b"no picture at all", "got a file of no known picture format"),
        (encoded(RGB)[:-40], "truncated|broken|Truncated"),
        (encoded(RGB, "JPEG")[:-120], "truncated"),
        (bomb(20000, 20000), "at most 100 megapixels, got 20000 x 20000"),
        (bomb(2**31 - 1, 2**31 - 1), "megapixels"),
    ],
)
def test_broken_pictures_are_refused(tmp_path, content, words):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(LammModelError, match=words) as caught:
        read_image(path)
    assert "broken.png" in str(caught.value)


def test_missing_picture_is_named(tmp_path):
    with pytest.raises(LammModelError, match=r"nowhere\.png"):
        read_image(tmp_path / "nowhere.png")


def test_normalisation_and_squash():
    processor = LammImageProcessor(size=8, image_mean=(0.5,) * 3, image_std=(0.25,) * 3)
    white = processor.prepare(Image.new("RGB", (30, 10), "white"))
    assert white.shape == (3, 8, 8)
    torch.testing.assert_close(white, torch.full((3, 8, 8), 2.0))


@pytest.mark.parametrize("size", [(200, 100), (100, 300), (50, 50)])
def test_letterbox_maps_coordinates_there_and_back(size):
    processor = LammImageProcessor(size=64, resize="letterbox")
    points = np.array([[0.0, 0.0], [1.0, 1.0], [0.25, 0.75]])
    mapped = processor.to_input(points, size)
    np.testing.assert_allclose(processor.to_picture(mapped, size), points)
    image = Image.new("RGB", size, "black")
    x, y = int(0.25 * size[0]), int(0.75 * size[1])
    image.paste((255, 0, 0), (x - 8, y - 8, x + 8, y + 8))
    values = processor.prepare(image)[0]
    rows, columns = torch.nonzero(values > values.max() - 0.5, as_tuple=True)
    assert abs(float(columns.float().mean() + 0.5) / 64 - mapped[2, 0]) < 0.03
    assert abs(float(rows.float().mean() + 0.5) / 64 - mapped[2, 1]) < 0.03


def test_unknown_resize_is_refused():
    with pytest.raises(UsageError, match="squash, letterbox"):
        LammImageProcessor(resize="crop")


@pytest.mark.parametrize(
    ("cloud", "words"),
    [
        (np.full((5, 3), np.nan), "got 5 of 5 points with NaN"),
        (np.zeros((0, 3)), "at least one point"),
        (np.zeros((5, 2)), r"shape \[5, 2\]"),
        (np.zeros((5, 4)), r"shape \[5, 4\]"),
        (np.zeros(5), r"shape \[5\]"),
        (np.array([["a", "b", "c"]]), "numbers"),
        (np.array([[{}, {}, {}]]), "Expected numbers"),
    ],
)
def test_wrong_clouds_are_refused(cloud, words):
    with pytest.raises(LammModelError, match=words):
        LammPointCloudProcessor().prepare(cloud)


def test_pickled_cloud_is_never_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    np.save(tmp_path / "hostile.npy", np.array([[Hostile()] * 3], dtype=object), allow_pickle=True)
    with pytest.raises(LammModelError, match=r"hostile\.npy"):
        read_point_cloud(tmp_path / "hostile.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"junk"])
def test_torn_clouds_are_refused(tmp_path, content):
    for suffix in (".npy", ".ply", ".pcd"):
        path = tmp_path / f"torn{suffix}"
        path.write_bytes(content)
        with pytest.raises(LammModelError, match="torn"):
            read_point_cloud(path)


@pytest.mark.parametrize("count", [3, 64, 500])
def test_sampling_is_seeded_by_name_and_keeps_every_point_of_a_small_cloud(count):
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(count, 3)).astype(np.float32)
    processor = LammPointCloudProcessor(num_points=64, use_color=False)
    first = processor.prepare(cloud, "scene_1")
    assert first.shape == (64, 3)
    assert np.array_equal(first, processor.prepare(cloud, "scene_1"))
    assert not np.array_equal(first, processor.prepare(cloud, "scene_2"))
    assert not np.array_equal(first, processor.prepare(cloud, "scene_1", variant=1))
    assert len(np.unique(first, axis=0)) == min(count, 64)


def test_colour_centre_and_scale():
    cloud = np.array([[1, 2, 3, 0, 127.5, 255], [3, 2, 5, 0, 127.5, 255]], dtype=np.float32)
    plain = LammPointCloudProcessor(num_points=2).prepare(cloud)
    np.testing.assert_allclose(np.sort(plain[:, 0]), [1, 3])
    np.testing.assert_allclose(plain[:, 3:], [[-1, 0, 1]] * 2)
    floor = LammPointCloudProcessor(num_points=2, centre="floor").prepare(cloud)
    np.testing.assert_allclose(floor[:, :3].min(axis=0), [-1, 0, 0])
    ball = LammPointCloudProcessor(num_points=2, centre="centroid", scale="unit_sphere").prepare(cloud)
    np.testing.assert_allclose(np.linalg.norm(ball[:, :3], axis=1), [1, 1], rtol=1e-6)
    grey = LammPointCloudProcessor(num_points=2).prepare(cloud[:, :3])
    assert (grey[:, 3:] == 0).all()


def test_a_tower_of_cells_gets_one_point_a_cell_as_published():
    rng = np.random.default_rng(0)
    cloud = np.concatenate(
        [rng.uniform([5, -3, 1], [7, -1, 3], (500, 3)), rng.uniform(0, 255, (500, 3)), np.tile([0, 0, 2.0], (500, 1))],
        axis=1,
    ).astype(np.float32)
    layout = {"use_normal": True, "color_range": "0..1", "centre": "box_floor", "grid_size": 0.25, "stretch": 0.5}
    table = LammPointCloudProcessor(num_points=400, **layout)(cloud)["point_clouds"][0].numpy()
    filled = ~np.isnan(table[:, 0])
    assert table.shape == (400, 9)
    assert filled[: filled.sum()].all()
    placed = cloud[:, :3].astype(np.float64) - [*(cloud[:, :2].min(0) + cloud[:, :2].max(0)) / 2, cloud[:, 2].min()]
    cells = np.floor((placed * 0.5).astype(np.float32).astype(np.float64) / 0.25)
    _, first = np.unique(cells, axis=0, return_index=True)
    np.testing.assert_allclose(table[filled, :3], placed[np.sort(first)] * 0.5, atol=1e-6)
    np.testing.assert_allclose(table[filled, 3:6], cloud[np.sort(first), 3:6] / 255, rtol=1e-6)
    np.testing.assert_allclose(table[filled, 6:], [[0, 0, 1]] * len(first))
    few = LammPointCloudProcessor(num_points=20, **layout)
    assert np.array_equal(few.prepare(cloud, "a"), few.prepare(cloud, "a"))
    assert {tuple(row) for row in few.prepare(cloud, "a")} < {tuple(row) for row in table[filled]}


def test_centres_of_published_transforms():
    cloud = np.array([[0, 0, 1], [4, 2, 3], [1, 2, 3]], dtype=np.float32)
    for centre, wanted in (("box_floor", [-2, -1, 0]), ("box", [-2, -1, 1]), ("corner", [0, 0, 0])):
        placed = LammPointCloudProcessor(num_points=3, use_color=False, centre=centre).prepare(cloud)
        np.testing.assert_allclose(placed.min(axis=0), wanted)


def test_what_a_cloud_lacks_and_a_strange_unit_are_said_once(caplog):
    from lamm_model.processing.point_cloud_processing import _SAID

    _SAID.clear()
    cloud = np.random.default_rng(0).uniform(0, 4, (50, 3)).astype(np.float32)
    settings = {"num_points": 50, "use_normal": True, "color_range": "-1..1", "missing_color": -1.0}
    processor = LammPointCloudProcessor(grid_size=0.02, **settings)
    table = np.stack([processor.prepare(cloud, f"room_{number}") for number in range(2)])
    assert np.nanmax(table[..., 3:6]) == -1
    assert np.nanmax(np.abs(table[..., 6:])) == 0
    LammPointCloudProcessor(num_points=50, use_color=False).prepare(cloud * 1000, "hall")
    assert [record.getMessage() for record in caplog.records] == [
        "room_0 has no colours: -1 in the range -1..1 is put in their place.",
        "room_0 has no normals: zeros are put in their place.",
        "Expected a room, an object or a street, got hall, 3,978 m across if its coordinates are in m. Set "
        "point_cloud_unit (m, cm, mm, ft, in) to what they are in, most likely mm, or write clouds in metres: lamm "
        "data clouds --units mm.",
    ]
    with pytest.raises(LammModelError, match=r"at most 1,311 m.*room, 3,978 m across.*most likely mm"):
        processor.prepare(cloud * 1000, "room")


@pytest.mark.parametrize("use_normal", [False, True])
def test_the_offset_of_map_coordinates_is_said_once(caplog, use_normal):
    from lamm_model.processing.point_cloud_processing import _SAID

    _SAID.clear()
    cloud = np.random.default_rng(0).uniform(0, 4, (50, 3)) + np.array([450_000, 5_400_000, 100])
    processor = LammPointCloudProcessor(num_points=50, use_color=False, use_normal=use_normal)
    placed = [processor.prepare(cloud, f"room_{number}") for number in range(2)]
    assert np.abs(placed[0][:, :2]).max() < 10_000
    messages = [record.getMessage() for record in caplog.records if "normals" not in record.getMessage()]
    assert len(messages) == 1
    assert messages[0].startswith("room_0 has map coordinates: (450,")
    assert "lamm data clouds" in messages[0]


@pytest.mark.parametrize(
    ("name", "count", "columns"),
    [("bunny.pcd", 397, 3), ("kitti_0000000000.pcd", 100, 3), ("test_pcd.pcd", 1771, 3), ("fuze.ply", 502, 6)],
)
def test_other_peoples_files(real_data, name, count, columns):
    assert read_point_cloud(real_data / "pointcloud" / name).shape == (count, columns)


def test_ascii_and_binary_ply_hold_the_same_points(real_data):
    folder = real_data / "pointcloud"
    np.testing.assert_allclose(
        read_point_cloud(folder / "fuze.ply"), read_point_cloud(folder / "fuze_ascii.ply"), atol=1e-4
    )
    with pytest.raises(LammModelError, match=r"ply_empty_header\.ply"):
        read_point_cloud(folder / "ply_empty_header.ply")


def test_binary_pcd_with_packed_colour_and_missing_returns(tmp_path):
    table = np.zeros(3, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
    table["x"], table["rgb"] = [1, np.nan, 3], [0x0A141E, 0, 0xFFFFFF]
    header = (
        "# .PCD v0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
        "WIDTH 3\nHEIGHT 1\nPOINTS 3\nDATA binary\n"
    )
    path = tmp_path / "packed.pcd"
    path.write_bytes(header.encode() + table.tobytes())
    np.testing.assert_array_equal(read_point_cloud(path), [[1, 0, 0, 10, 20, 30], [3, 0, 0, 255, 255, 255]])


@pytest.mark.parametrize(("low", "high", "kind"), [(0, 255, "u1"), (0, 1, "f4"), (0, 65535, "u2"), (-1, 1, "f4")])
def test_colours_of_every_range_enter_as_one(low, high, kind):
    """The rules are lamm-data's, whose tests cover them; what the tower sees must be the same."""
    rng = np.random.default_rng(0)
    xyz, shades = rng.normal(size=(64, 3)), rng.uniform(0, 1, (64, 3))
    shades[:2] = [[0, 0, 0], [1, 1, 1]]
    stored = (shades * (high - low) + low).astype(kind)
    cloud = np.concatenate([xyz.astype("f4"), stored], axis=1)
    seen = LammPointCloudProcessor(num_points=64).prepare(cloud, "a")
    usual = LammPointCloudProcessor(num_points=64).prepare(np.concatenate([xyz, np.rint(shades * 255)], 1), "a")
    np.testing.assert_allclose(seen, usual, atol=2 / 255 * 2)


def test_map_coordinates_are_centred_before_float32_and_points_that_are_not_finite_left_out():
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 4, (64, 3))
    far = np.concatenate([xyz + np.array([500_000, 4_600_000, 0]), [[np.nan, 0, 0], [0, np.inf, 0]]])
    options = {"num_points": 64, "use_color": False, "centre": "centroid"}
    near, shifted = (LammPointCloudProcessor(**options).prepare(cloud, "a") for cloud in (xyz, far))
    np.testing.assert_allclose(np.sort(near, axis=0), np.sort(shifted, axis=0), atol=1e-3)


def test_seven_columns_are_refused_until_they_are_named():
    with pytest.raises(LammModelError, match=r"got shape .*Name its columns with --columns"):
        LammPointCloudProcessor(num_points=8).prepare(np.zeros((9, 7), np.float32), "a")
