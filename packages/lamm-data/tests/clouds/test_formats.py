"""Every flavour of every format becomes the same cloud; what does not fit its own header is refused, never repaired."""

import itertools
import struct

import numpy as np
import pytest

from lamm_data import SourceError, read_cloud
from lamm_data.clouds.pcd import expand

MAP = np.array((512268, 5403188, 300))
POINTS = np.array([[0.5, 1, -1.5], [2.5, 3, 3.5], [4.5, 5.25, 5.5], [-1, 0, 2]])
BYTES = np.array([[255, 0, 0], [0, 128, 0], [10, 20, 30], [1, 2, 3]])
TYPES = {
    "uchar": ("u1", 1),
    "ushort": ("u2", 257),
    "float": ("f4", 1 / 255),
    "double": ("f8", 1 / 255),
    "int": ("i4", 1),
}


def ply(encoding, number, colour, names, end="\n", extra=False, lists=False):
    """Write a PLY file; `extra` puts rows of lists before the points, `lists` a list into each point."""
    order = ">" if "big" in encoding else "<"
    code, factor = TYPES[colour]
    code_xyz = TYPES[number][0]
    head = ["ply", "comment end_header", f"format {encoding} 1.0", "obj_info none"]
    body = b""
    if extra:
        head += ["element part 2", "property list uchar short of", "comment here", "property float w"]
    head += [f"element vertex {len(POINTS)}"]
    head += [f"property {number} {axis}" for axis in "xyz"]
    head += ["property list uchar int near"] if lists else []
    head += [f"property {colour} {name}" for name in names]
    head += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    rows = [([7], [8.0]), ([7, 7, 7], [8.0])] if extra else []
    if encoding == "ascii":
        lines = [" ".join(map(str, [len(a), *a, *b])) for a, b in rows]
        for k, (p, c) in enumerate(zip(POINTS, BYTES, strict=True)):
            near = [k, *range(k)] if lists else []
            lines.append(" ".join(map(str, [*p, *near, *(c * factor if code[0] == "f" else (c * factor).astype(int))])))
        return end.join([*head, *lines, "3 0 1 2", ""]).encode()
    for a, b in rows:
        body += (
            np.array([len(a)], "u1").tobytes()
            + np.array(a, order + "i2").tobytes()
            + np.array(b, order + "f4").tobytes()
        )
    for k, (p, c) in enumerate(zip(POINTS, BYTES, strict=True)):
        body += p.astype(order + code_xyz).tobytes()
        body += np.array([k], "u1").tobytes() + np.arange(k, dtype=order + "i4").tobytes() if lists else b""
        body += (c * factor).astype(order + code).tobytes()
    return end.join([*head, ""]).encode() + body + b"\x03" + np.arange(3, dtype=order + "i4").tobytes()


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_every_flavour_of_ply_is_one_cloud(tmp_path, encoding, lists, extra):
    names = [("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")]
    ends = ["\n", "\r\n", "\r"]
    for number, colour, trio, end in itertools.product(("float", "double"), TYPES, names, ends):
        path = tmp_path / "a.ply"
        path.write_bytes(ply(encoding, number, colour, trio, end, extra, lists))
        cloud = read_cloud(path)
        np.testing.assert_array_equal(cloud.points, POINTS)
        np.testing.assert_allclose(cloud.colours, BYTES, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((b"vertex 4", b"vertex 3"), "got 5 of 4 lines|bytes instead|of at least"),
        ((b"vertex 4", b"vertex 5"), "of 6 lines|of at least"),
        ((b"vertex 4", b"vertex -4"), "-4 rows"),
        ((b"vertex 4", b"vertex 9999999999999"), "lines|of at least"),
        ((b"property float x", b"property flaot x"), "header that cannot be read"),
        ((b"property float y", b"property float x"), "two columns called x|no columns x, y and z"),
        ((b"property float y", b"property float v"), "no columns x, y and z"),
        ((b"element vertex", b"element corner"), "no points"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
def test_ply_headers_that_lie_are_refused(tmp_path, encoding, change, words):
    content = ply(encoding, "float", "uchar", ("red", "green", "blue")).replace(b"element face 1", b"element face 1")
    if encoding != "ascii" and change[1] == b"vertex 3":
        # Without rows of lists behind them, what is left over is told from the size.
        content = content.replace(b"element face 1\nproperty list uchar int vertex_indices\n", b"")[:-13]
    (tmp_path / "a.ply").write_bytes(content.replace(*change))
    with pytest.raises(SourceError, match=rf"({words}).*a\.ply"):
        read_cloud(tmp_path / "a.ply")


@pytest.mark.parametrize(("word", "column"), [("300", "red"), ("1.5", "red"), ("-1", "red")])
def test_text_that_its_declared_type_cannot_hold_is_refused(tmp_path, word, column):
    content = ply("ascii", "float", "uchar", ("red", "green", "blue"))
    (tmp_path / "a.ply").write_bytes(content.replace(b" 255 0 0", f" {word} 0 0".encode()))
    with pytest.raises(SourceError, match=rf"{word} in the column {column}, which is declared as uint8"):
        read_cloud(tmp_path / "a.ply")


def pcd(fields, data, body, points=4, **changed):
    names, sizes, kinds, counts = zip(*fields, strict=True)
    lines = {"FIELDS": names, "SIZE": sizes, "TYPE": kinds, "COUNT": counts, "WIDTH": [points], "HEIGHT": [1],
             "VIEWPOINT": [0, 0, 0, 1, 0, 0, 0], "POINTS": [points], "DATA": [data]} | changed  # fmt: skip
    head = "# .PCD v0.7\n" + "".join(f"{key} {' '.join(map(str, value))}\n" for key, value in lines.items() if value)
    return head.encode() + body


XYZ = [("x", 4, "F", 1), ("y", 4, "F", 1), ("z", 4, "F", 1)]
PACKED = (BYTES[:, 0] << 16 | BYTES[:, 1] << 8 | BYTES[:, 2]).astype("<u4")


@pytest.mark.parametrize("number", ["<f4", "<f8", "<i2"])
@pytest.mark.parametrize("kind", ["F", "U", "I"])
def test_every_flavour_of_pcd_is_one_cloud(tmp_path, number, kind):
    points = POINTS if number[1] == "f" else np.floor(POINTS)
    size, code = int(number[2]), number[1].upper()
    fields = [("normal", 4, "F", 3), *[(axis, size, code, 1) for axis in "xyz"], ("_", 1, "U", 2), ("rgb", 4, kind, 1)]
    table = np.zeros(4, [("n", "<f4", 3), ("p", number, 3), ("pad", "u1", 2), ("rgb", "<u4")])
    table["p"], table["rgb"] = points, PACKED
    packed = PACKED.view("<f4") if kind == "F" else PACKED
    rows = "".join(
        f"0 0 0 {x!r} {y!r} {z!r} 0 0 {c!r}\n"
        for (x, y, z), c in zip(points.astype(number).tolist(), packed.tolist(), strict=True)
    )
    plain = (
        b"".join(table[name].tobytes() for name in ("n",))
        + points.T.astype(number).tobytes()
        + bytes(8)
        + PACKED.tobytes()
    )
    literal = b"".join(bytes([len(plain[k : k + 32]) - 1]) + plain[k : k + 32] for k in range(0, len(plain), 32))
    compressed = struct.pack("<II", len(literal), len(plain)) + literal
    for data, body in (("ascii", rows.encode()), ("binary", table.tobytes()), ("binary_compressed", compressed)):
        (tmp_path / "a.pcd").write_bytes(pcd(fields, data, body))
        cloud = read_cloud(tmp_path / "a.pcd")
        np.testing.assert_array_equal(cloud.points, points)
        np.testing.assert_array_equal(cloud.colours, BYTES)


def test_lzf_copies_overlap_and_torn_data_are_refused():
    assert expand(b"\x01ab\xe0\x05\x01", 2 + 14) == b"ab" * 8
    for packed, size in ((b"\x01ab\xe0\x05\x01", 17), (b"\x01ab\xe0", 9), (b"\x20\x00", 3), (b"\x05ab", 6)):
        with pytest.raises(ValueError, match="compressed data"):
            expand(packed, size)


def test_compressed_pcd_files_of_open3d_are_read(tmp_path):
    open3d = pytest.importorskip("open3d", reason="open3d writes the file: pip install 'lamm-data[3d]'")
    rng = np.random.default_rng(0)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(np.repeat(rng.normal(size=(500, 3)), 4, 0)))
    cloud.colors = open3d.utility.Vector3dVector(np.full((2000, 3), 0.2))
    open3d.io.write_point_cloud(str(tmp_path / "a.pcd"), cloud, compressed=True)
    assert b"binary_compressed" in (tmp_path / "a.pcd").read_bytes()[:400]
    found = read_cloud(tmp_path / "a.pcd")
    np.testing.assert_allclose(found.points, np.asarray(cloud.points), atol=1e-6)
    assert (found.colours == 51).all()


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"SIZE": [3, 4, 4]}, "type F and size 3"), ({"POINTS": [5]}, "a grid of 4"), ({"COUNT": [0, 1, 1]}, "no numbers"),
     ({"TYPE": ["F", "F"]}, "header that cannot be read"), ({"WIDTH": [9], "POINTS": [9]}, "48 of 108 bytes"),
     ({"WIDTH": [2], "POINTS": [2]}, "48 of 24 bytes"), ({"FIELDS": ["x", "y", "w"]}, "no columns x, y and z"),
     ({"WIDTH": [2**40], "POINTS": [2**40]}, "48 of")],
)  # fmt: skip
def test_pcd_headers_that_lie_are_refused(tmp_path, changed, words):
    (tmp_path / "a.pcd").write_bytes(pcd(XYZ, "binary", POINTS.astype("<f4").tobytes(), **changed))
    with pytest.raises(SourceError, match=rf"{words}.*a\.pcd"):
        read_cloud(tmp_path / "a.pcd")


def test_arrays_whose_header_claims_what_the_file_has_not_make_room_for_nothing(tmp_path):
    np.save(tmp_path / "a.npy", POINTS)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(4, 3), }" + b" " * 12, b"(4294967296, 3), }   "))
    with pytest.raises(SourceError, match=r"plain \.npy array.*96 bytes instead of the 103079215104"):
        read_cloud(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(content + content)
    with pytest.raises(SourceError, match="bytes instead of the 96"):
        read_cloud(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(content.replace(b"'shape': (4, 3)", b"'shape': (4, (("))
    with pytest.raises(SourceError, match="header that cannot be read"):
        read_cloud(tmp_path / "a.npy")
    np.savez(tmp_path / "zip", POINTS)
    (tmp_path / "zip.npz").rename(tmp_path / "a.npy")
    with pytest.raises(SourceError, match=r"plain \.npy array"):
        read_cloud(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.asfortranarray(POINTS))
    assert read_cloud(tmp_path / "a.npy").points.tolist() == POINTS.tolist()


@pytest.mark.parametrize(
    ("suffix", "text"),
    [("xyz", "0.5 1 -1.5\n\n2.5 3 3.5\n4.5 5.25 5.5\n-1 0 2"),
     ("txt", "# made\r\n0.5\t1\t-1.5\r\n2.5\t3\t3.5\r\n4.5 5.25 5.5\r\n-1 0 2"),
     ("csv", "x,y,z,i\n0.5,1,-1.5,9\n2.5,3,3.5,9\n4.5,5.25,5.5,9\n-1,0,2,9\n"),
     ("asc", "//X Y Z\n0.5 1 -1.5\n2.5 3 3.5\n4.5 5.25 5.5\n-1 0 2\n"),
     ("xyz", "0.5; 1; -1.5\n2.5; 3; 3.5\n4.5; 5.25; 5.5\n-1; 0; 2\n"),
     ("xyz", "0.5, 1, -1.5\n2.5, 3, 3.5\n4.5, 5.25, 5.5\n-1, 0, 2\n"),
     ("pts", "4\n0.5 1 -1.5 7\n2.5 3 3.5 7\n4.5 5.25 5.5 7\n-1 0 2 7\n")],
)  # fmt: skip
def test_text_is_read_however_its_values_are_parted(tmp_path, suffix, text):
    (tmp_path / f"a.{suffix}").write_text(text, newline="")
    cloud = read_cloud(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert cloud.colours is None


@pytest.mark.parametrize(
    ("text", "words"),
    [("1,5 2 3\n", "could not convert"), ("0,5,1,0,1,5\n", "decimal commas"), ("1 2 3 4\n", "4 columns without names"),
     ("1 2 3\n4 5\n", "2 values instead of 3 in row 2"), ("5\n1 2 3\n", "1 rows instead of the 5"), ("", "no rows"),
     ("Read me first.\n", "could not convert|columns"), ("x y z\n1 2\n", "2 columns instead of the 3")],
)  # fmt: skip
def test_malformed_text_is_refused(tmp_path, text, words):
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(SourceError, match=rf"({words}).*a\.xyz"):
        read_cloud(tmp_path / "a.xyz")


def test_meshes_glb_las_and_e57_are_read_by_their_libraries(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="reads meshes: pip install 'lamm-data[meshes]'")
    box = trimesh.creation.box((1, 2, 3))
    box.visual.vertex_colors = np.tile([[10, 20, 30, 255]], (8, 1))
    scene = trimesh.Scene()
    scene.add_geometry(box, transform=trimesh.transformations.translation_matrix([5, 0, 0]))
    for suffix in ("glb", "obj", "off", "stl"):
        (scene if suffix == "glb" else box).export(tmp_path / f"a.{suffix}")
        cloud = read_cloud(tmp_path / f"a.{suffix}")
        # glTF has y up: what is 2 high there is 2 high here.
        expected = (1, 3, 2) if suffix == "glb" else (1, 2, 3)
        np.testing.assert_allclose(np.ptp(cloud.points, axis=0), expected)
        if suffix in ("glb", "obj"):
            np.testing.assert_allclose(cloud.colours, [[10, 20, 30]] * len(cloud.points), atol=1)
    assert read_cloud(tmp_path / "a.glb").points[:, 0].min() == 4.5
    (tmp_path / "a.glb").write_bytes((tmp_path / "a.glb").read_bytes()[:200])
    with pytest.raises(SourceError, match=r"a\.glb"):
        read_cloud(tmp_path / "a.glb")


@pytest.mark.parametrize("suffix", ["las", "laz"])
def test_las_files_keep_a_centimetre_of_map_coordinates_and_sixteen_bit_colours(tmp_path, suffix):
    laspy = pytest.importorskip("laspy", reason="reads LAS files: pip install 'lamm-data[las]'")
    header = laspy.LasHeader(point_format=2, version="1.2")
    header.scales, header.offsets = [0.001] * 3, [512000, 5403000, 0]
    las = laspy.LasData(header)
    las.x, las.y, las.z = (POINTS + MAP).T
    las.red, las.green, las.blue = (BYTES * 257).T
    las.write(tmp_path / f"a.{suffix}")
    cloud = read_cloud(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(cloud.points, POINTS + MAP, atol=6e-4)
    np.testing.assert_allclose(cloud.table()[:, :3] - POINTS, np.tile((1, 0, 300), (4, 1)), atol=6e-4)
    np.testing.assert_allclose(cloud.colours, BYTES, atol=0.01)
    assert cloud.colour_range == "0..65535"
    content = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content[:107] + struct.pack("<I", 2**31) + content[111:])
    with pytest.raises(SourceError, match="claim to hold 2147483648 points"):
        read_cloud(tmp_path / f"a.{suffix}")
    (tmp_path / f"a.{suffix}").write_bytes(content[:100] + b"\xff" * 4 + content[104:])
    with pytest.raises(SourceError, match="claim to hold 4294967295 records"):
        read_cloud(tmp_path / f"a.{suffix}")


def test_e57_scans_are_joined(tmp_path):
    pye57 = pytest.importorskip("pye57", reason="reads E57 files: pip install 'lamm-data[e57]'")
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    for shift in (0.0, 10.0):
        scan = {f"cartesian{axis}": POINTS[:, k] + shift for k, axis in enumerate("XYZ")}
        scan |= {f"color{name}": BYTES[:, k].astype(np.uint8) for k, name in enumerate(("Red", "Green", "Blue"))}
        file.write_scan_raw(scan)
    file.close()
    cloud = read_cloud(tmp_path / "a.e57")
    np.testing.assert_allclose(cloud.points, np.concatenate([POINTS, POINTS + 10]))
    np.testing.assert_array_equal(cloud.colours, np.concatenate([BYTES, BYTES]))
    (tmp_path / "a.e57").write_bytes(b"ASTM-E57" + bytes(200))
    with pytest.raises(SourceError, match=r"a\.e57"):
        read_cloud(tmp_path / "a.e57")


def test_half_precision_is_read_without_a_warning(tmp_path, recwarn):
    np.save(tmp_path / "a.npy", POINTS.astype(np.float16))
    np.testing.assert_array_equal(read_cloud(tmp_path / "a.npy").points, POINTS)
    assert not recwarn.list
