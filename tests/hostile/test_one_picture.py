"""One picture, one answer: every reader of every package turns it the same way, and refuses a damaged one by name."""

import base64
import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from lamm_data import SourceError, open_picture, shown_size, upright
from lamm_data.benchmark.recipes.image_corruption import ImageCorruption, corrupt_images
from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.generation.seeing import picture_jpeg
from lamm_data.records.annotations import Annotated
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.notebook import _picture
from lamm_data.sources.media import decode_fault
from lamm_data.sources.readers.fields import image_size
from lamm_data.view.media import picture_png
from lamm_metrics.report.media import cloud_for_page, picture_for_page
from lamm_model.errors import LammModelError
from lamm_model.processing.image_processing_lamm import picture_size, read_image

WIDE, TALL = (64, 32), (32, 64)
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF"}


def lit_at_the_left(path, orientation):
    """Write a wide picture, bright where its file's left is, with an EXIF orientation."""
    values = np.zeros((WIDE[1], WIDE[0], 3), np.uint8)
    values[:, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(path, FORMATS[path.suffix[1:]], exif=exif)
    return path


def damaged(name, content):
    """A picture whose tags or pixels no library can read."""
    if name == "tags":  # a text where a number belongs, beside the orientation
        tags = struct.pack(">4sIHHHIIHHIHHI", b"MM\0*", 8, 2, 0x100, 2, 6, 38, 0x112, 3, 1, 6, 0, 0) + b"hello\0"
        body = b"Exif\0\0" + tags
        return content[:20] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[20:]
    return content[: len(content) // 2]


def sizes(path):
    """Width and height by every reader."""
    record, job = BenchmarkRecord(query="What?", image=path.name, id="1"), Job(0, "v", path.parent, path.parent / "m")
    (changed,) = corrupt_images([record], ImageCorruption(), job)
    pages = {"report": picture_for_page(path), "notebook": _picture(path.name).split('"')[1]}
    images = {name: Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for name, uri in pages.items()}
    images |= {"view": Image.open(io.BytesIO(picture_png(path)))}
    images |= {"generation": Image.open(io.BytesIO(picture_jpeg(path, 64)))}
    images |= {"training": read_image(path), "corrupted": Image.open(path.parent / "m" / changed.image)}
    with open_picture(path) as image:
        header, turned = shown_size(image), upright(image)
        after = shown_size(image)
    found = {name: image.size for name, image in images.items() if name != "notebook"}
    found |= {"boxes": picture_size(path), "sources": image_size(path.parent, path.name)}
    found |= {"header": header, "decoded": after, "upright": turned.size}
    return found


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_reader_turns_it_the_same_way(tmp_path, monkeypatch, orientation, suffix):
    monkeypatch.chdir(tmp_path)
    path = lit_at_the_left(tmp_path / f"a.{suffix}", orientation)
    found = sizes(path)
    size = WIDE if orientation < 5 else TALL
    assert found == dict.fromkeys(found, size)
    side = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}[orientation]
    for image in (read_image(path), Image.open(io.BytesIO(picture_png(path)))):
        grey = np.asarray(image.convert("L"), np.float64)
        edges = {"left": grey[:, :8], "right": grey[:, -8:], "top": grey[:8], "bottom": grey[-8:]}
        assert max(edges, key=lambda edge: edges[edge].mean()) == side
    whole = Annotated("1", path.name, width=size[0], height=size[1])
    assert decode_fault(tmp_path, whole) == ""
    assert decode_fault(tmp_path, Annotated("1", path.name, width=size[1], height=size[0])).startswith("size:")


def test_odd_tags_turn_pixels_and_sizes_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.jpg"
    Image.new("RGB", WIDE).save(path)
    path.write_bytes(damaged("tags", path.read_bytes()))
    found = sizes(path)
    assert found == dict.fromkeys(found, TALL)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_torn_picture_is_refused_by_name_or_left_out(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    path = lit_at_the_left(tmp_path / f"a.{suffix}", 6)
    path.write_bytes(damaged("pixels", path.read_bytes()))
    for reader, error in ((read_image, LammModelError), (picture_png, SourceError)):
        with pytest.raises(error, match=rf"readable picture.*a\.{suffix}"):
            reader(path)
    assert picture_for_page(path) is None
    assert _picture(path.name) == ""
    assert decode_fault(tmp_path, Annotated("1", path.name)).startswith("damaged: ")


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(40), b"\x93NUMPY\x01\x00\xff\xff", b"", b"\x80\x04K\x01."])
def test_the_report_passes_over_what_is_no_cloud(tmp_path, content):
    (tmp_path / "c.npy").write_bytes(content)
    assert cloud_for_page(tmp_path / "c.npy") is None


def test_the_report_makes_no_room_for_what_a_header_claims(tmp_path):
    head = json.dumps({"descr": "<f8", "fortran_order": False, "shape": [1 << 33, 3]}).replace("false", "False")
    head = head.replace("[", "(").replace("]", ")").ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
    (tmp_path / "c.npy").write_bytes(content)
    assert cloud_for_page(tmp_path / "c.npy") is None
