"""From a name in a record to a file: what lies below the root, and nothing else, for every reader and writer."""

import json
import os

import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data import InstructionRecord, OutsideError, SourceError, Turn, media_file
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
    """A media root with a picture inside, one beside it, and links to both."""
    folder = tmp_path / "root"
    (folder / "a").mkdir(parents=True)
    for path in (folder / "a" / "in.png", tmp_path / "out.png"):
        Image.new("RGB", (8, 6)).save(path)
    (folder / "link-in.png").symlink_to(folder / "a" / "in.png")
    (folder / "link-out.png").symlink_to(tmp_path / "out.png")
    (folder / "folder-out").symlink_to(tmp_path, target_is_directory=True)
    (folder / "circle").symlink_to(folder / "circle")
    os.mkfifo(folder / "pipe.png")
    return folder


OUTSIDE = [
    "/etc/passwd",
    "../out.png",
    "a/../../out.png",
    "a/../a/in.png",
    "link-out.png",
    "folder-out/out.png",
    "//etc/passwd",
]
NOT_THERE = [
    *("b.png", "a", "", ".", "a\0.png", "circle", "pipe.png", "a/in.png/b", "\udcff.png"),
    "x" * 300 + ".png",
    "y/" * 5000 + "z.png",
]


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
    "webdataset": "export {records} --format webdataset --output {out} --media-root {root}",
    "parquet": "export {records} --format parquet --embed --output {out} --media-root {root}",
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
