"""Folders of cloud files: units, axes, seeds, worker processes, damage."""

import json
import pickle
import struct
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.clouds.folder import CloudSettings, convert_folder
from lamm_data.clouds.reading import load_cloud
from lamm_data.errors import LammDataError, SourceError, UsageError

POINTS = np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.fixture
def folder(tmp_path):
    """Clouds that need no open3d."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    np.save(tmp_path / "in" / "a.npy", POINTS)
    np.save(tmp_path / "in" / "deep" / "b.npy", np.concatenate([POINTS, POINTS], 1))
    return tmp_path / "in"


def test_units_and_axes_are_turned_into_metres_and_z_up_and_stated(folder, tmp_path):
    report = convert_folder(folder, tmp_path / "out", CloudSettings(units="mm", up="y"))
    assert (report.written, report.kept, report.faults) == (2, 0, [])
    cloud = np.load(tmp_path / "out" / "a.npy")
    assert cloud.dtype == np.float32
    x, y, z = POINTS.T / 1000
    assert cloud == pytest.approx(np.stack([x, -z, y], 1))
    coloured = np.load(tmp_path / "out" / "deep" / "b.npy")
    assert (coloured[:, 3:] == POINTS).all()
    stated = json.loads((tmp_path / "out" / "clouds.json").read_text())
    assert stated["units"] == "metres"
    assert stated["axes"].startswith("x, y, z; z up")
    assert stated["made_with"] == {"points": 0, "units": "mm", "up": "y", "seed": 0, "colours": True}


def test_a_cloud_is_drawn_by_its_name_whatever_else_is_there(folder, tmp_path):
    settings = CloudSettings(points=8)
    convert_folder(folder, tmp_path / "all", settings)
    (folder / "deep" / "b.npy").unlink()
    convert_folder(folder, tmp_path / "one", settings)
    alone = np.load(tmp_path / "one" / "a.npy")
    assert alone.shape == (8, 3)
    assert (alone == np.load(tmp_path / "all" / "a.npy")).all()
    convert_folder(folder, tmp_path / "other", CloudSettings(points=8, seed=1))
    assert (alone != np.load(tmp_path / "other" / "a.npy")).any()


def test_any_number_of_workers_gives_the_same_bytes(folder, tmp_path):
    for k in range(6):
        np.save(folder / f"c{k}.npy", POINTS + k)
    seen = []
    convert_folder(folder, tmp_path / "one", CloudSettings(points=12))
    report = convert_folder(folder, tmp_path / "two", CloudSettings(points=12), workers=2, progress=seen.append)
    assert report.written == sum(seen) == 8
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in ("one", "two")
    )
    assert {str(key): value for key, value in one.items()} == {str(key): value for key, value in two.items()}
    assert convert_folder(folder, tmp_path / "two", CloudSettings(points=12)).kept == 8
    with pytest.raises(UsageError, match="made with"):
        convert_folder(folder, tmp_path / "two", CloudSettings(points=13))


def test_damaged_files_are_listed_and_the_rest_is_made(folder, tmp_path):
    (folder / "bad.npy").write_bytes(b"no cloud")
    np.save(folder / "nan.npy", np.full((3, 3), np.nan))
    report = convert_folder(folder, tmp_path / "out")
    assert report.written == 2
    assert len(report.faults) == 2
    assert any("bad.npy" in fault for fault in report.faults)
    result = CliRunner().invoke(data, ["clouds", str(folder), "--output", str(tmp_path / "out"), "--workers", "1"])
    assert isinstance(result.exception, SourceError)
    assert "0 clouds written, 2 kept, 2 could not be read." in result.output
    assert "nan.npy" in result.output


def test_misuse_is_named(folder, tmp_path):
    with pytest.raises(UsageError, match="units"):
        CloudSettings(units="inch")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="cloud or mesh files"):
        convert_folder(tmp_path / "empty", tmp_path / "out")


def test_files_that_differ_in_their_suffix_only_become_two_clouds(folder, tmp_path):
    (folder / "a.xyz").write_text("7 8 9\n")
    report = convert_folder(folder, tmp_path / "out")
    assert (report.written, report.faults) == (3, [])
    assert len(np.load(tmp_path / "out" / "a.npy.npy")) == 20
    assert np.load(tmp_path / "out" / "a.xyz.npy").tolist() == [[7, 8, 9]]
    stated = json.loads((tmp_path / "out" / "clouds.json").read_text())
    assert {name: entry["source"] for name, entry in stated["clouds"].items()} == {
        "a.npy.npy": "a.npy",
        "a.xyz.npy": "a.xyz",
        "deep/b.npy": "deep/b.npy",
    }


def test_every_file_is_written_or_listed(folder, tmp_path):
    (folder / "scan.fls").write_bytes(b"FARO")
    (folder / "photo.jpg").write_bytes(b"no mesh beside it")
    (folder / "deep" / "m.obj").write_text("mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (folder / "deep" / "m.mtl").write_text("newmtl a\n")
    (folder / ".DS_Store").write_bytes(b"hidden")
    report = convert_folder(folder, tmp_path / "out")
    assert report.written == 3
    assert report.passed_over == 1
    assert sorted(fault.split("(")[1].split("/")[-1] for fault in report.faults) == [
        "photo.jpg). Move it elsewhere.",
        "scan.fls). Move it elsewhere.",
    ]
    result = CliRunner().invoke(data, ["clouds", str(folder), "--output", str(tmp_path / "out"), "--workers", "1"])
    assert result.exit_code == 1
    assert "0 clouds written, 3 kept, 2 could not be read." in result.output


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("trimesh", "mesh.obj", "meshes"), ("laspy", "a.laz", "las"), ("pye57", "a.e57", "e57")],
)
def test_without_a_library_the_message_says_what_to_install(folder, tmp_path, monkeypatch, module, name, extra):
    (folder / name).write_text("v 0 0 0\n")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LammDataError, match=rf"pip install 'lamm-data\[{extra}\]'"):
        convert_folder(folder, tmp_path / "out")
    assert len(load_cloud(folder / "a.npy")) == 20  # plain arrays need nothing


def test_pickled_clouds_are_never_opened(tmp_path):
    (tmp_path / "scan2inst.pickle").write_bytes(pickle.dumps(np.zeros((3, 3))))
    with pytest.raises(SourceError, match="Pickles are never opened"):
        load_cloud(tmp_path / "scan2inst.pickle")
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    report = convert_folder(tmp_path, tmp_path / "out")
    assert report.written == 0
    other_kind, array = report.faults
    assert "another kind" in other_kind
    assert "scan2inst.pickle" in other_kind
    assert "plain .npy array" in array


def scannet_ply(points, colours):
    """A binary little-endian PLY with the columns of `_vh_clean_2.ply`: x y z red green blue alpha."""
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    head += [f"property float {name}" for name in "xyz"]
    head += [f"property uchar {name}" for name in ("red", "green", "blue", "alpha")]
    head += ["element face 1", "property list uchar int vertex_indices", "end_header", ""]
    rows = b"".join(struct.pack("<3f4B", *p, *c, 255) for p, c in zip(points, colours, strict=True))
    return "\n".join(head).encode() + rows + struct.pack("<B3i", 3, 0, 1, 2)


def test_scannets_binary_meshes_keep_positions_and_colours(tmp_path):
    pytest.importorskip("open3d", reason="open3d reads the meshes: pip install 'lamm-data[3d]'")
    points = [(0, 0, 0), (1.5, 0, -2), (0, 3, 0.25)]
    colours = [(255, 0, 10), (1, 2, 3), (0, 128, 255)]
    (tmp_path / "a.ply").write_bytes(scannet_ply(points, colours))
    cloud = load_cloud(tmp_path / "a.ply")
    assert cloud[:, :3].tolist() == [list(map(float, point)) for point in points]
    assert np.round(cloud[:, 3:]).astype(int).tolist() == [list(colour) for colour in colours]


@pytest.mark.parametrize("name", ["fuze.ply", "fuze_ascii.ply", "bunny.pcd", "kitti_0000000000.pcd", "test_pcd.pcd"])
def test_truncated_clouds_are_refused_where_open3d_reads_on(real_data, tmp_path, name):
    pytest.importorskip("open3d", reason="open3d reads cloud files: pip install 'lamm-data[3d]'")
    whole = (real_data / "pointcloud" / name).read_bytes()
    (tmp_path / name).write_bytes(whole)
    load_cloud(tmp_path / name)
    (tmp_path / name).write_bytes(whole[: len(whole) // 8])
    with pytest.raises(SourceError, match=f"whole {name[-3:].upper()} file, got"):
        load_cloud(tmp_path / name)
    (tmp_path / name).write_bytes(b"no header at all")
    with pytest.raises(SourceError, match="header that cannot be read"):
        load_cloud(tmp_path / name)


def test_real_ply_and_pcd_files_become_clouds_in_worker_processes(real_data, tmp_path):
    pytest.importorskip("open3d", reason="open3d reads cloud files: pip install 'lamm-data[3d]'")
    report = convert_folder(real_data / "pointcloud", tmp_path / "out", CloudSettings(points=500), workers=2)
    assert report.written == 5
    (fault,) = report.faults
    assert "ply_empty_header" in fault
    for name in ("bunny", "fuze", "fuze_ascii", "kitti_0000000000", "test_pcd"):
        assert len(np.load(tmp_path / "out" / f"{name}.npy", allow_pickle=False)) == 500


def test_other_settings_are_taken_where_the_first_made_no_cloud(tmp_path):
    (tmp_path / "scans").mkdir()
    np.save(tmp_path / "scans" / "a.npy", np.zeros((3, 2)))
    assert convert_folder(tmp_path / "scans", tmp_path / "out", CloudSettings(points=4)).faults
    np.save(tmp_path / "scans" / "a.npy", np.zeros((3, 3)))
    assert convert_folder(tmp_path / "scans", tmp_path / "out", CloudSettings(points=2)).written == 1


def test_counts_are_printed_as_json(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    call = ["clouds", str(tmp_path / "a.npy"), "--output", str(tmp_path / "out"), "--json"]
    assert json.loads(CliRunner().invoke(data, call).stdout)["written"] == 1
    lost = CliRunner().invoke(data, ["clouds", str(tmp_path / "b.npy"), "--inspect"])
    assert "got nothing at" in str(lost.exception)
