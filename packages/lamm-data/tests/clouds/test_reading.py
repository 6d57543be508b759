"""One reader of clouds: files that other readers misread are read or refused by name."""

import numpy as np
import pytest

from lamm_data import SourceError, read_cloud

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
