"""From a name in a record to a file: what lies below the root, and nothing else, for every reader and writer."""

import json
import struct
import tokenize
import zipfile
import zlib

import pytest
from click.testing import CliRunner
from media_names import NOT_THERE, OUTSIDE, media_root
from PIL import Image

from lamm_data import InstructionRecord, OutsideError, SourceError, Turn, media_file, open_picture, read_cloud
from lamm_data.benchmark.recipes.image_corruption import ImageCorruption, corrupt_images
from lamm_data.benchmark.recipes.in_context import ByPicture
from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.cli import data
from lamm_data.records.annotations import Annotated
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.sources.media import MediaCheck
from lamm_data.sources.readers.fields import image_size


@pytest.fixture
def root(tmp_path):
    return media_root(tmp_path)


@pytest.mark.parametrize("name", ["a/in.png", "./a/in.png", "a//in.png", "link-in.png"])
def test_what_lies_below_the_root_is_found(root, name):
    for folder in (root, str(root)):
        assert media_file(folder, name).samefile(root / "a" / "in.png")


def test_a_root_that_is_a_link_itself_is_followed(root, tmp_path):
    (tmp_path / "linked").symlink_to(root, target_is_directory=True)
    assert media_file(tmp_path / "linked", "link-in.png").samefile(root / "a" / "in.png")


@pytest.mark.parametrize("name", [*OUTSIDE, "{root}/a/in.png"])
def test_what_leads_out_of_the_root_is_refused(root, name):
    with pytest.raises(OutsideError, match="below the media root"):
        media_file(root, name.format(root=root))


@pytest.mark.parametrize("name", NOT_THERE)
def test_what_is_no_file_is_refused_on_one_short_line(root, name):
    with pytest.raises(SourceError, match="got nothing at") as caught:
        media_file(root, name)
    message = str(caught.value)
    assert len(message) < 400
    assert message.isprintable()


def packed(root, tmp_path, name):
    return InstructionRecord([Turn("human", "What?"), Turn("gpt", "A dog.")], image=name, id="1").to_dict()


COMMANDS = {
    "webdataset": "export {records} --to webdataset --output {out} --media-root {root}",
    "parquet": "export {records} --to parquet --embed --output {out} --media-root {root}",
    "check": "check {records} --media-root {root}",
    "obfuscate": "obfuscate {records} --media-root {root} --output {out}",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["/etc/passwd", "../out.png", "link-out.png", "a\0.png", "x" * 300 + ".png"])
def test_commands_pack_and_open_nothing_outside(root, tmp_path, command, name):
    if command == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow writes Parquet: pip install 'lamm-data[parquet]'")
    if command == "obfuscate":
        pytest.importorskip("cv2", reason="OpenCV looks for faces: pip install 'lamm-data[obfuscate]'")
    records = tmp_path / "i.jsonl"
    records.write_text(json.dumps(packed(root, tmp_path, name)) + "\n")
    line = COMMANDS[command].format(records=records, out=tmp_path / "made", root=root)
    result = CliRunner().invoke(data, line.split())
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit) or "Expected" in str(result.exception)
    made = [path for path in (tmp_path / "made").rglob("*") if path.suffix in (".tar", ".parquet", ".png")]
    assert made == []


@pytest.mark.parametrize("name", ["../out.png", "link-out.png", "/etc/passwd"])
def test_annotations_and_recipes_open_nothing_outside(root, name):
    assert image_size(root, name) == (0, 0)
    assert MediaCheck(root).fault(Annotated("1", name)) == "media outside the root"
    record = BenchmarkRecord(query="What?", image=name, id="1")
    job = Job(0, "v", root, root / "changed")
    with pytest.raises(OutsideError):
        corrupt_images([record], ImageCorruption(), job)
    with pytest.raises(OutsideError):
        ByPicture([record], 1, root)
    assert not (root / "changed").exists()


def test_the_notebook_shows_nothing_outside(root, monkeypatch):
    monkeypatch.chdir(root)
    pages = {
        name: InstructionRecord([Turn("human", "?"), Turn("gpt", "!")], image=name)._repr_html_()
        for name in ("a/in.png", *OUTSIDE)
    }
    assert [name for name, page in pages.items() if "data:image" in page] == ["a/in.png"]


FAULTS = [
    *(struct.error("required argument is not an integer"), RuntimeError("Failed to decode image"), MemoryError()),
    *(zipfile.BadZipFile("no zip"), tokenize.TokenError("EOF", (1, 0)), RecursionError(), OverflowError("too large")),
    *(KeyError(3), IndexError(), TypeError("bytes"), AttributeError("None"), ZeroDivisionError(), zlib.error("-3")),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_whatever_a_library_raises_is_one_error_that_names_the_file(root, fault):
    words = r"^Expected a readable picture, got .+in\.png\). Replace the file\.$"
    with pytest.raises(SourceError, match=words), open_picture(root / "a" / "in.png"):
        raise fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("suffix", [".npy", ".ply", ".pcd", ".xyz", ".obj"])
def test_clouds_have_one_error_too(tmp_path, monkeypatch, suffix, fault):
    def fail(*_):
        raise fault

    for name in ("read_array", "whole_header", "read_text", "read_by_library"):
        monkeypatch.setattr(f"lamm_data.clouds.reading.{name}", fail)
    path = tmp_path / f"c{suffix}"
    path.write_bytes(b"0 0 0\n")
    with pytest.raises(SourceError, match=rf"^Expected .+, got .+c\{suffix}\). Replace the file\.$"):
        read_cloud(path)


def test_an_interrupt_and_errors_of_ours_pass_unchanged(root):
    for error in (KeyboardInterrupt(), OutsideError("Expected x, got y.")):
        with pytest.raises(type(error)) as caught, open_picture(root / "a" / "in.png"):
            raise error
        assert caught.value is error


def test_pictures_that_are_programs_bombs_or_nothing_are_refused_before_they_are_decoded(tmp_path):
    contents = {
        "a PostScript program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\nshowpage\n%%EOF\n",
        "of at most 179 megapixels, got 90000 x 90000": b"P6 90000 90000 255\n",
        "an empty file": b"",
        "no known picture format": b"no picture",
    }
    for words, content in contents.items():
        path = tmp_path / "x.png"
        path.write_bytes(content)
        for source in (path, content):
            with pytest.raises(SourceError, match=words), open_picture(source):
                pass
    with pytest.raises(SourceError, match=r"missing\.png"), open_picture(tmp_path / "missing.png"):
        pass


def test_pillows_own_limit_stands_as_before(root):
    before = Image.MAX_IMAGE_PIXELS
    with open_picture(root / "a" / "in.png"):
        assert before == Image.MAX_IMAGE_PIXELS
