"""One reader of clouds: files that other readers misread are read or refused by name."""

import numpy as np
import pytest

from lamm_data import SourceError, UsageError, read_cloud

PLY = "ply\n{head}element vertex 2\nproperty float x\nproperty float y\nproperty float z\nend_header\n{rows}"


@pytest.mark.parametrize("head", ["format ascii 1.0\n", "comment made by hand\nformat ascii 1.0\nelement plane 1\n"
                                  "property int a\n"])  # fmt: skip
def test_comments_and_other_rows_before_the_points_are_passed_over(tmp_path, head):
    path = tmp_path / "a.ply"
    path.write_text(PLY.format(head=head, rows="7\n" * ("plane" in head) + "1 2 3\n\n4 5 6\n"))
    cloud = read_cloud(path)
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud.colours is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [("1 2 3\n4 5\n", "2 values instead of 3 in row 2"), ("1 2 3 4\n4 5 6\n", "4 values instead of 3 in row 1"),
     ("1,5 2 3\n4 5 6\n", "readable points, got could not convert"), ("1 2 3\n", "got 1 of 2 lines")],
)  # fmt: skip
def test_malformed_rows_are_refused(tmp_path, rows, words):
    path = tmp_path / "rows.ply"
    path.write_text(PLY.format(head="format ascii 1.0\n", rows=rows))
    with pytest.raises(SourceError, match=rf"{words}.*rows\.ply"):
        read_cloud(path)


def test_missing_returns_of_a_pcd_file_are_left_out_and_packed_colours_unpacked(tmp_path):
    table = np.zeros(3, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
    table["x"], table["rgb"] = [1, np.nan, 3], [0x0A141E, 0, 0xFFFFFF]
    head = (
        "# .PCD v0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
        "WIDTH 3\nHEIGHT 1\nPOINTS 3\nDATA binary\n"
    )
    (tmp_path / "a.pcd").write_bytes(head.encode() + table.tobytes())
    cloud = read_cloud(tmp_path / "a.pcd")
    assert cloud.points.tolist() == [[1, 0, 0], [3, 0, 0]]
    assert cloud.colours.tolist() == [[10, 20, 30], [255, 255, 255]]
    assert cloud.table().dtype == np.float32
    (tmp_path / "a.pcd").write_bytes(head.replace("DATA binary", "DATA runes").encode() + table.tobytes())
    with pytest.raises(SourceError, match="data of kind runes"):
        read_cloud(tmp_path / "a.pcd")


@pytest.mark.parametrize(
    ("cloud", "words"),
    [(np.full((5, 3), np.nan), "5 of 5 points with NaN"), (np.zeros((0, 3)), "at least one point"),
     (np.zeros((5, 4)), r"shape \[5, 4\]"), (np.zeros((5, 9)), r"shape \[5, 9\]"), (np.zeros(5), r"shape \[5\]"),
     (np.array([["a", "b", "c"]]), "numbers")],
)  # fmt: skip
def test_wrong_arrays_are_refused_by_name(cloud, words):
    with pytest.raises(SourceError, match=f"{words}.*scan 7"):
        read_cloud(cloud, "scan 7")


def test_arrays_keep_their_precision():
    far = np.array([[5403188.99, 1, 2], [5403189.21, 1, 2]])
    assert read_cloud(far).points.tolist() == far.tolist()


FIRST = np.array([[0.5, 1, 1.5], [2.5, 3, 3.5], [4.5, 5, 5.5]])
SHADES = np.array([[1, 0, 0], [0, 128 / 255, 0], [10 / 255, 20 / 255, 30 / 255]])


@pytest.mark.parametrize(
    ("shades", "name"),
    [(SHADES * 255, "0..255"), (SHADES, "0..1"), (SHADES * 2 - 1, "-1..1"), (SHADES * 65535, "0..65535"),
     (np.zeros((3, 3)), "0..255"), (np.eye(3), "0..1")],
)  # fmt: skip
def test_the_range_of_colours_is_recognised(shades, name):
    cloud = read_cloud(np.concatenate([FIRST, shades], 1))
    assert cloud.colour_range == name
    expected = shades if name == "0..255" else SHADES * 255 if name != "0..1" else shades * 255
    np.testing.assert_allclose(cloud.colours, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("shades", "words"),
    [(SHADES * 3, "too bright or 0..255 that is nearly black"), (SHADES * 1023, "clearly 0..65535"),
     (SHADES * 1e6, "clearly 0..65535"), (-SHADES * 255, "neither 0..255"), (SHADES - 0.02, "nor clearly -1..1"),
     ([[0, 0, -1], [0, -1, 0], [0.6, 0, 0.8]], "normals")],
)  # fmt: skip
def test_colours_of_no_clear_range_are_refused_and_can_be_stated(shades, words):
    table = np.concatenate([FIRST, np.array(shades, dtype=float)], 1)
    with pytest.raises(SourceError, match=rf"colours from .*{words}.*scan 7.*--colours"):
        read_cloud(table, "scan 7")
    assert read_cloud(table, colours="none").colours is None


def test_a_stated_range_holds_or_the_colours_are_refused():
    dark = np.concatenate([FIRST, SHADES * 3], 1)
    assert read_cloud(dark, colours="0..255").colours.max() == 3
    with pytest.raises(SourceError, match=r"leave the stated range 0\.\.1"):
        read_cloud(dark, colours="0..1")
    with pytest.raises(UsageError, match=r"auto, none or one of"):
        read_cloud(dark, colours="8 bit")


def test_seven_columns_are_taken_by_declared_names_only(tmp_path):
    table = np.concatenate([FIRST, np.full((3, 1), 0.1), SHADES * 255], 1)
    np.save(tmp_path / "a.npy", table)
    with pytest.raises(SourceError, match=r"shape \[3, 7\].*--columns"):
        read_cloud(tmp_path / "a.npy")
    names = ["x", "y", "z", "intensity", "red", "green", "blue"]
    cloud = read_cloud(tmp_path / "a.npy", columns=names)
    np.testing.assert_allclose(cloud.values, np.concatenate([FIRST, SHADES * 255], 1))
    with pytest.raises(SourceError, match="7 columns instead of the 6 stated"):
        read_cloud(tmp_path / "a.npy", columns=names[:6])
    np.save(tmp_path / "b.npy", np.array([tuple(row) for row in table], [(name, "f8") for name in names]))
    np.testing.assert_allclose(read_cloud(tmp_path / "b.npy").values, cloud.values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("column", [0, 5])
def test_points_that_are_not_finite_are_left_out_and_counted_in_every_format(tmp_path, bad, column):
    table = np.concatenate([FIRST, SHADES * 255], 1)
    table[1, column] = bad
    rows = "\n".join(" ".join(map(repr, row)) for row in table.tolist())
    np.save(tmp_path / "a.npy", table)
    (tmp_path / "a.xyz").write_text(rows)
    head = "".join(f"property double {name}\n" for name in ("x", "y", "z", "red", "green", "blue"))
    (tmp_path / "a.ply").write_text(f"ply\nformat ascii 1.0\nelement vertex 3\n{head}end_header\n{rows}\n")
    for suffix in ("npy", "xyz", "ply"):
        cloud = read_cloud(tmp_path / f"a.{suffix}")
        assert cloud.dropped == 1
        np.testing.assert_allclose(cloud.values, table[[0, 2]])


@pytest.mark.parametrize("shift", [(512268, 5403188, 308), (-512268, 0, 0), (0, 0, 5e9), (20000, 0, 0)])
def test_map_coordinates_keep_a_millimetre_through_float32(shift):
    cloud = read_cloud(FIRST + np.array(shift) + 1 / 512)
    table = cloud.table().astype(np.float64)
    np.testing.assert_allclose(np.diff(table, axis=0), np.diff(FIRST, axis=0), atol=1e-3)
    np.testing.assert_allclose(table + cloud.offset, cloud.points, atol=1e-3)
    assert cloud.offset.any()


def test_clouds_in_a_frame_of_their_own_are_not_shifted():
    for scale in (1, 1000, 1e-3):
        cloud = read_cloud((FIRST + np.array((100, 50, 10))) * scale)
        assert not cloud.offset.any()
        np.testing.assert_array_equal(cloud.table(), ((FIRST + np.array((100, 50, 10))) * scale).astype(np.float32))


def test_the_quick_look_at_usual_clouds_agrees_with_the_thorough_one():
    rng = np.random.default_rng(0)
    plain = np.concatenate([rng.normal(size=(500, 3)) * 3, rng.uniform(0, 255, (500, 3))], 1).astype(np.float32)
    for row, column, value in ((1, 0, np.nan), (1, 0, -np.inf), (499, 2, np.inf), (3, 5, np.nan), (3, 5, 255.1),
                               (499, 4, -0.1), (0, 1, 70000.0), (0, 1, -70000.0), (0, 0, 0.0)):  # fmt: skip
        table = plain.copy()
        table[row, column] = value
        quick, thorough = (read_cloud(values) for values in (table, np.asfortranarray(table)))
        np.testing.assert_array_equal(quick.values, thorough.values)
        assert (quick.dropped, quick.colour_range) == (thorough.dropped, thorough.colour_range)
        np.testing.assert_array_equal(quick.offset, thorough.offset)
