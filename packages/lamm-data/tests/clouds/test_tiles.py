"""Buildings cut into tiles: every object is found again once, in the frame of the scan, and none twice."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lamm_data import SourceError, UsageError, map_box, map_points
from lamm_data.cli import data
from lamm_data.clouds.folder import CloudSettings
from lamm_data.clouds.frames import box_around
from lamm_data.clouds.merging import merge_tiles, read_tiles
from lamm_data.clouds.tiles import make_grid, tile_folder
from lamm_data.sample.solids import ROOM, furnish, sample_room
from lamm_data.sample.vocabulary import COLOURS, SOLIDS

PITCH = ROOM + 0.2
MAP = np.array((512268.0, 5403188.0, 300.0))


def building(rng):
    """Twelve sample rooms side by side: labels, boxes `[K, 6]` and the cloud `[12 * 4096, 6]`, in metres."""
    labels, boxes, clouds = [], [], []
    for number in range(12):
        shift = np.array((number % 4 * PITCH, number // 4 * PITCH, 0))
        count = int(rng.integers(2, 6))
        kinds = [SOLIDS[int(k)] for k in rng.integers(0, len(SOLIDS), count)]
        solids = furnish(kinds, list(rng.permutation(list(COLOURS))[:count]), rng)
        cloud = sample_room(solids, rng).astype(np.float64)
        clouds.append(cloud + np.r_[shift, 0, 0, 0])
        labels += [solid.kind for solid in solids]
        boxes += [solid.box + np.r_[shift, 0, 0, 0] for solid in solids]
    return labels, np.array(boxes), np.concatenate(clouds)


def turned(angle, scale):
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, :3] *= scale
    matrix[:3, 3] = MAP * scale
    return matrix


def seen_in(tile, cloud, labels, boxes, along):
    """What a model sees of each object in a tile: the box around those of its points that the tile holds."""
    answers = []
    for label, box in zip(labels, boxes, strict=True):
        low, high = box[:3] - box[3:] / 2, box[:3] + box[3:] / 2
        mine = cloud[((cloud >= low - 0.02) & (cloud <= high + 0.02) & (cloud[:, 2:] > 0.03)).all(axis=1)]
        own = map_points(mine, along)
        inside = own[((own >= tile.low - tile.origin) & (own <= tile.high - tile.origin)).all(axis=1)]
        if len(inside) >= max(0.15 * len(own), 12):
            least, most = inside.min(axis=0), inside.max(axis=0)
            answers.append({"label": label, "box": [*(least + most) / 2, *(most - least)]})
    return answers


@pytest.mark.parametrize("suffix", [".npy", ".las", ".ply"])
@pytest.mark.parametrize("scored", [False, True])
def test_every_object_of_a_building_of_twelve_rooms_is_found_once(tmp_path, suffix, scored):
    rng = np.random.default_rng(12)
    labels, boxes, cloud = building(rng)
    frame = turned(0.35 if suffix == ".npy" else 0.0, 1.0)
    scan = np.concatenate([map_points(cloud[:, :3], frame), cloud[:, 3:]], axis=1)
    write_scan(tmp_path / f"hall{suffix}", scan)
    out = tmp_path / "tiles"
    command = ["clouds", str(tmp_path / f"hall{suffix}"), "--output", str(out), "--tile", "5.3", "--workers", "1"]
    # From so few points of so large a floor the directions of walls are not told to 1 cm: a person states them.
    turned_by = ["--directions", f"{np.degrees(0.35)}"] if suffix == ".npy" else []
    made = CliRunner().invoke(data, [*command, "--normalise", "--units", "m", *turned_by])
    assert made.exit_code == 0, made.output
    tiles = read_tiles(out)
    assert len(tiles) >= 12
    rows = []
    for number, (name, tile) in enumerate(tiles.items()):
        values = np.load(out / name)
        assert np.abs(values[:, :2]).max() <= 5.3 / 2 + 2 + 1e-3
        along = np.array(json.loads((out / "clouds.json").read_text())["clouds"][name]["matrix"]) @ frame
        found = seen_in(tile, cloud[:, :3], labels, boxes, along)
        for item in found if scored else ():
            item["score"] = round(float(rng.random()), 3)
        rows.append({"id": str(number), "text": f"{len(found)} solids", "boxes": found})
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = [{"id": str(number), "pcl": f"tiles/{name}", "query": "?"} for number, name in enumerate(tiles)]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    merged = CliRunner().invoke(
        data,
        ["untile", str(tmp_path / "said.jsonl"), "--tiles", str(out), "--benchmark", str(tmp_path / "asked.json"),
         "--output", str(tmp_path / "merged.jsonl")],
    )  # fmt: skip
    assert merged.exit_code == 0, merged.output
    (hall,) = [json.loads(line) for line in (tmp_path / "merged.jsonl").read_text().splitlines()]
    assert hall["pcl"] == f"hall{suffix}"
    assert sum(len(row["boxes"]) for row in rows) > 1.5 * len(boxes)  # most objects stand in several tiles
    assert [answer["text"] for answer in hall["answers"]] == [row["text"] for row in rows]
    assert len(hall["boxes"]) == len(boxes)
    missing = list(range(len(boxes)))
    back = np.linalg.inv(frame)
    for item in hall["boxes"]:
        low, high = box_around(map_box(item["box"], back))
        off = [np.abs(np.r_[low, high] - np.r_[b[:3] - b[3:] / 2, b[:3] + b[3:] / 2]).max() for b in boxes[missing]]
        assert min(off) < 0.1
        at = missing.pop(int(np.argmin(off)))
        assert labels[at] == item["label"]
    assert not missing


def write_scan(path, scan):
    if path.suffix == ".npy":
        np.save(path, scan)
    elif path.suffix == ".las":
        laspy = pytest.importorskip("laspy", reason="laspy writes the scan: pip install 'lamm-data[las]'")
        header = laspy.LasHeader(point_format=2)
        header.offsets, header.scales = np.floor(scan[:, :3].min(axis=0)), [1e-4] * 3
        las = laspy.LasData(header)
        las.x, las.y, las.z = scan[:, :3].T
        las.red, las.green, las.blue = (scan[:, 3:].T * 257).astype(np.uint16)
        las.write(path)
    else:
        names = [("x", ">f8"), ("y", ">f8"), ("z", ">f8"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
        table = np.array([tuple(row) for row in scan], names)
        head = ["ply", "format binary_big_endian 1.0", f"element vertex {len(scan)}"]
        head += [f"property {'double' if kind == '>f8' else 'uchar'} {name}" for name, kind in names]
        path.write_bytes("\n".join([*head, "end_header", ""]).encode() + table.tobytes())


def test_tiles_are_the_same_whatever_the_size_of_pieces(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    scan = np.c_[rng.uniform((0, 0, 0), (11, 5, 2.5), (20_000, 3)), rng.integers(0, 256, (20_000, 3))]
    np.save(tmp_path / "a.npy", scan)
    settings = CloudSettings(points=500, tile=5, overlap=1)
    tile_folder(tmp_path / "a.npy", tmp_path / "one", settings)
    monkeypatch.setattr("lamm_data.clouds.pieces.PIECE", 1_700)
    steps = []
    report = tile_folder(tmp_path / "a.npy", tmp_path / "two", settings, progress=steps.append)
    assert sum(steps) == 13  # twelve pieces, then the scan
    assert report.written == 3
    for name in read_tiles(tmp_path / "one"):
        assert np.load(tmp_path / "one" / name).shape == (500, 6)
        assert np.isin(np.load(tmp_path / "two" / name)[:, 3:], scan[:, 3:]).all()
    assert read_tiles(tmp_path / "one").keys() == read_tiles(tmp_path / "two").keys()
    assert tile_folder(tmp_path / "a.npy", tmp_path / "one", settings).kept == 3
    with pytest.raises(UsageError, match="made with"):
        tile_folder(tmp_path / "a.npy", tmp_path / "one", CloudSettings(tile=6, overlap=1))


@pytest.mark.parametrize("name", ["none.ply", "none.npy", "none.las", "cut.ply"])
def test_scans_that_cannot_be_read_are_listed_and_nothing_is_left_behind(tmp_path, name):
    if name == "cut.ply":
        write_scan(tmp_path / name, np.ones((2000, 6)))
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
    else:
        (tmp_path / name).write_bytes(b"")
    report = tile_folder(tmp_path / name, tmp_path / "out", CloudSettings(tile=5))
    assert (report.written, len(report.faults)) == (0, 1)
    assert name in report.faults[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clouds.json"]


def test_every_point_lies_in_a_tile_and_tiles_overlap_by_what_is_asked():
    rng = np.random.default_rng(0)
    points = rng.uniform((0, 0, 0), (31, 7, 9), (20_000, 3))
    grid = make_grid(points, 8, 2)
    assert [len(starts) for starts in grid.starts] == [5, 1, 2]
    assert all((np.diff(starts) <= 6 + 1e-9).all() for starts in grid.starts)
    times = np.zeros(len(points), int)
    for at, rows in grid.parted(points):
        low, high = grid.bounds(at)
        assert ((points[rows] >= low - 2) & (points[rows] <= high + 2)).all()
        times[rows] += 1
    assert times.min() >= 1


@pytest.fixture
def row_of_tiles(tmp_path):
    """Three tiles of 4 metres in a row, which overlap by one."""
    rng = np.random.default_rng(1)
    np.save(tmp_path / "row.npy", rng.uniform((0, 0, 0), (10, 4, 2), (4000, 3)))
    tile_folder(tmp_path / "row.npy", tmp_path / "out", CloudSettings(tile=4, overlap=1))
    return read_tiles(tmp_path / "out")


def local(tile, low, high):
    low, high = np.array(low, float), np.array(high, float)
    return [*(low + high) / 2 - tile.origin, *(high - low)]


def test_whole_beats_cut_score_beats_size_and_an_object_that_all_tiles_cut_is_put_together(row_of_tiles):
    a, b, _ = row_of_tiles.values()
    one, two, _ = row_of_tiles
    seam = float(a.high[0])
    said = [
        # A long table that both tiles cut; a chair that the first cuts; two stools side by side in one tile.
        (one, {"boxes": [{"label": "table", "box": local(a, (1, 1, 0), (seam, 2, 1))},
                         {"label": "chair", "box": local(a, (3.3, 3, 0), (seam, 3.6, 1)), "score": 0.9},
                         {"label": "stool", "box": local(a, (0.2, 0.2, 0), (0.8, 0.8, 0.5))},
                         {"label": "stool", "box": local(a, (0.4, 0.2, 0), (1.0, 0.8, 0.5))}]}),
        (two, {"boxes": [{"label": "table", "box": local(b, (float(b.low[0]), 1, 0), (6, 2, 1))},
                         {"label": "Chair", "box": local(b, (3.3, 3, 0), (4.3, 3.6, 1)), "score": 0.2}],
               "num": 2}),
    ]  # fmt: skip
    (merged,) = merge_tiles(said, row_of_tiles)
    by_label = {item["label"]: item for item in merged["boxes"]}
    assert [item["label"] for item in merged["boxes"]].count("stool") == 2
    assert by_label["table"]["box"] == pytest.approx([3.5, 1.5, 0.5, 5, 1, 1], abs=1e-6)
    assert by_label["Chair"]["box"] == pytest.approx([3.8, 3.3, 0.5, 1, 0.6, 1], abs=1e-6)
    assert by_label["Chair"]["tiles"] == [one, two]
    assert [answer.get("num") for answer in merged["answers"]] == [None, 2]


def test_answers_about_no_tile_and_boxes_that_are_none_are_named(row_of_tiles, tmp_path):
    name = next(iter(row_of_tiles))
    for box in ([1, 2], [1, 2, 3, 4, 5, float("nan")], "far"):
        with pytest.raises(SourceError, match="6, 7 or 9"):
            list(merge_tiles([(name, {"boxes": [{"label": "a", "box": box}]})], row_of_tiles))
    (tmp_path / "said.jsonl").write_text('{"id": "7", "boxes": []}\n')
    arguments = ["untile", str(tmp_path / "said.jsonl"), "--tiles", str(tmp_path / "out"), "--output", "x.jsonl"]
    result = CliRunner().invoke(data, arguments)
    assert isinstance(result.exception, SourceError)
    assert "line 1" in str(result.exception)
    with pytest.raises(SourceError, match=r"clouds\.json"):
        read_tiles(tmp_path)
    with pytest.raises(UsageError, match="larger than their overlap"):
        CloudSettings(tile=2, overlap=2)
