"""What lies in a folder is found and named; names and terms are asked for; what is wrong is named by file and row."""

import json
import shutil

import pytest
from PIL import Image

from lamm_data.benchmark.run import build_benchmark
from lamm_data.errors import SourceError, UsageError
from lamm_data.export.licences import licence_of
from lamm_data.records.instruction import read_records
from lamm_data.sources.own.folder import Folder
from lamm_data.sources.own.formats import choose_format
from lamm_data.sources.own.source import own_source
from lamm_data.templates.run import ConvertSettings, convert_source


def test_what_lies_there_is_found_and_named(own, world, tmp_path):
    known = own.pictures(world, tmp_path, "boxes")
    with pytest.raises(UsageError, match=r"COCO JSON.*got 6 images and no other files"):
        choose_format(Folder(tmp_path))
    own.write_coco(tmp_path, known)
    (tmp_path / "README.txt").write_text("not labels")
    (tmp_path / "notes.json").write_text('{"categories": [], "info": {}}')
    found = own_source(tmp_path, dataset="Mine").found
    assert found == "Found COCO JSON (coco): 1 annotation files or folders, 6 images; no splits; boxes."
    own.write_labelme(tmp_path, known)
    with pytest.raises(UsageError, match=r"one format in .*coco \(COCO JSON: .*labelme \(LabelMe JSON: 6 files"):
        own_source(tmp_path, dataset="Mine")
    assert own_source(tmp_path, dataset="Mine", layout="labelme").found.startswith("Found LabelMe")
    with pytest.raises(UsageError, match=r"got 'yola'\. Did you mean yolo\?"):
        own_source(tmp_path, dataset="Mine", layout="yola")
    with pytest.raises(UsageError, match="Expected files of YOLO"):
        own_source(tmp_path, dataset="Mine", layout="yolo")


def test_an_exam_without_a_split_says_how_to_make_one(own, world, tmp_path):
    own.write_coco(tmp_path, own.pictures(world, tmp_path, "boxes"))
    with pytest.raises(UsageError, match=r"got images with all\. .*into a folder `val`"):
        build_benchmark("images", tmp_path, tmp_path / "exam", dataset="Mine")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", ["yolo", "csv"])
def test_texts_with_a_byte_order_mark_are_read(tmp_path, kind, encoding):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "images" / "a.png")
    files = {
        "yolo": {"labels/a.txt": "0 0.5 0.5 0.2 0.2\r\n", "data.yaml": "names: [cat]\n"},
        "csv": {"boxes.csv": "filename;xmin;ymin;xmax;ymax;class\r\na.png;40;32;60;48;cat\r\n"},
    }[kind]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        marked = "\ufeff" * (encoding == "utf-16-be") + text
        (tmp_path / name).write_bytes(marked.encode("utf-8" if name.endswith(".yaml") else encoding))
    (item,) = own_source(tmp_path, dataset="Mine").open(tmp_path, "all", "detection")
    assert [(box.label, tuple(map(round, box.xyxy))) for box in item.boxes] == [("cat", (40, 32, 60, 48))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": None}, "Expected annotations to be objects in a list, got None"),
        ({"categories": [{"id": 1, "name": None}]}, "Expected categories to have a `name` that is a text, got"),
    ],
)
def test_sections_of_coco_that_are_none_are_named(tmp_path, change, message):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    entries = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(entries | change))
    with pytest.raises(SourceError, match=message):
        list(own_source(tmp_path, dataset="Mine", layout="coco").open(tmp_path, "all", "detection"))


def test_names_and_terms_are_asked_for_and_never_assumed(own, world, tmp_path):
    (tmp_path / "set").mkdir()
    own.write_coco(tmp_path / "set", own.pictures(world, tmp_path / "set", "boxes"))
    with pytest.raises(UsageError, match="--dataset NAME"):
        own_source(tmp_path / "set", dataset=" ")
    assert {record[2:4] for record in own.converted(tmp_path / "set", licence="")} == {("Mine", "not stated")}
    with pytest.raises(UsageError, match="--source images only"):
        convert_source("sample", world, tmp_path / "o.jsonl", ConvertSettings(dataset="Mine"))
    path = tmp_path / "set" / "annotations" / "instances_default.json"
    value = json.loads(path.read_text())
    value["licenses"] = [{"id": 0, "name": "CC BY 4.0"}]
    path.write_text(json.dumps(value))
    assert {record[3] for record in own.converted(tmp_path / "set", licence="")} == {"CC BY 4.0"}
    assert {record[3] for record in own.converted(tmp_path / "set")} == {"CC-BY-4.0"}


def test_splits_are_told_by_folders_and_the_training_split_is_read(own, world, tmp_path):
    known = own.pictures(world, tmp_path, "boxes")
    for split, part in (("train", known[:4]), ("valid", known[4:5]), ("test", known[5:])):
        own.write_coco(tmp_path / "set", part, f"{split}/_annotations.coco.json")
        for picture in part:
            shutil.copy(tmp_path / "images" / picture.name, tmp_path / "set" / split)
    source = own_source(tmp_path / "set", dataset="Mine")
    assert (source.splits, source.train, source.benchmark_split) == (("all", "train", "val", "test"), "train", "test")
    images = [record[1] for record in own.converted(tmp_path / "set", split="")]
    assert images == [f"train/{picture.name}" for picture in known[:4]]
    assert len(own.converted(tmp_path / "set", split="val")) == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"classes.txt": "cat\n", "a.txt": "0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.2 0.2\n"}, "class of 1 .* got 1 .*line 2"),
        ({"classes.txt": "cat\n", "a.txt": "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2\n"}, "5 numbers .* got 4 .*line 2"),
        ({"classes.txt": "cat\n", "a.txt": "0 0.5 0.5 0.2 0.2\n0 0.5 x 0.2 0.2"}, "a number, got 'x' .*line 2"),
        ({"a.txt": "0 0.5 0.5 0.2 0.2"}, "names of classes in data.yaml or classes.txt"),
        ({"data.yaml": "names:\n  0: cat\n  0: dog\n", "a.txt": "0 0.5 0.5 0.2 0.2"}, "'0' twice"),
        ({"data.yaml": "names: [cat", "a.txt": "0 0.5 0.5 0.2 0.2"}, "Expected YAML"),
        ({"labels.csv": "image,label\na.png,cat\na.png\n"}, "2 cells .* got 1 .*line 3"),
        ({"labels.csv": "image,label,x1,y1,x2,y2\na.png,cat,1,2,3,inf\n"}, "a number, got 'inf' .*line 2"),
        ({"boxes.csv": "ImageID,LabelName\na,/m/01\n"}, "name of /m/01 .*line 2"),
        ({"a.json": '{"shapes": [{"label": "cat"}], "imagePath": "a.png"}'}, "a shape with points.*shape 1"),
        ({"a.xml": "<annotations><image name='a.png' width='8' height='8'><box label='x' xtl='1'/></image>"
                   "</annotations>"}, "a number, got 'None' .*image a.png"),
        ({"a.json": '{"shapes": [{"label": "cat", "points": [[1]]}], "imagePath": "a.png"}'}, "ValueError .*shape 1"),
        ({"c.json": '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}], '
                    '"annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, "x", 4]}]}'},
         r"TypeError .*c\.json, annotation 5"),
        ({"e.json": '[{"data": {"text": "x"}, "annotations": []}]'}, "names an image"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_row(tmp_path, files, words):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=words):
        own_source(tmp_path, dataset="Mine")


def test_outlines_turned_boxes_and_shapes_without_a_box_are_accounted_for(tmp_path):
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "a.txt").write_text("0 0.1 0.2 0.3 0.2 0.3 0.6\n0 0.5 0.5 0.1 0.2")
    (item,) = own_source(tmp_path, dataset="Mine").items["all"]
    assert [box.xyxy for box in item.boxes] == [(10, 10, 30, 30), (45, 20, 55, 30)]
    assert item.account == {"noted: box taken around an outline": 1}
    for name in ("a.txt", "classes.txt"):
        (tmp_path / name).unlink()
    (tmp_path / "a.xml").write_text(
        '<annotations><image name="a.png" width="100" height="50"><box label="cat" xtl="40" ytl="20" xbr="60" ybr="30" '
        'rotation="90"/><points label="x" points="1,2"/><tag label="farm"/></image></annotations>'
    )
    (item,) = own_source(tmp_path, dataset="Mine").items["all"]
    assert item.boxes[0].xyxy == pytest.approx((45, 15, 55, 35))
    assert item.account == {"noted: box taken around a turned one": 1, "left out: points (no box)": 1}
    assert item.classes[0].name == "farm"


def test_images_of_one_name_are_told_apart_or_refused(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / place / "a.png")
    (tmp_path / "t.csv").write_text("image,label\nC:\\data\\two\\a.png,cat\n")
    assert own_source(tmp_path, dataset="Mine").items["all"][0].media == "two/a.png"
    (tmp_path / "t.csv").write_text("image,label\na.png,cat\n")
    with pytest.raises(SourceError, match=r"one image called 'a.png', got one/a.png, two/a.png"):
        own_source(tmp_path, dataset="Mine")


def test_the_stated_licence_alone_decides_about_commercial_use(own, world, tmp_path):
    (tmp_path / "set").mkdir()
    own.write_coco(tmp_path / "set", own.pictures(world, tmp_path / "set", "boxes"))
    for licence, allowed in (("CC-BY-4.0", True), ("", False), ("CC-BY-NC-4.0", False)):
        own.converted(tmp_path / "set", licence=licence)
        rows = {(row.source, row.commercial) for row in map(licence_of, read_records(tmp_path / "out.jsonl"))}
        assert rows == {("Mine", allowed)}


def test_sizes_are_those_of_the_picture_as_it_is_shown(tmp_path):
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.new("RGB", (64, 32)).save(tmp_path / "a.jpg", exif=tag)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 1 0.5")
    (tmp_path / "classes.txt").write_text("cat")
    (item,) = own_source(tmp_path, dataset="Mine").items["all"]
    assert (item.width, item.height, item.boxes[0].xyxy) == (32, 64, (0, 16, 32, 48))


def test_a_folder_without_anything_about_its_images_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "a.png")
    with pytest.raises(UsageError, match="got 1 images and no other files"):
        own_source(tmp_path, dataset="Mine")  # one folder is no choice between classes
    (tmp_path / "data.yaml").write_text("names: [cat]")
    with pytest.raises(SourceError, match=r"got 1 images and nothing about them .*data\.yaml"):
        own_source(tmp_path, dataset="Mine")


def test_data_yaml_tells_the_splits(tmp_path):
    for place in ("pictures/a", "pictures/b", "pictures/c"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / place / "x.png")
        (tmp_path / place / "x.txt").write_text("\ufeff0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("names: {0: cat}\ntrain: [pictures/a, ../pictures/b]\nval: pictures/c\n")
    items = own_source(tmp_path, dataset="Mine").items
    assert [item.media for item in items["train"]] == ["pictures/a/x.png", "pictures/b/x.png"]
    assert [item.media for item in items["val"]] == ["pictures/c/x.png"]


def test_a_corner_that_is_not_finite_is_left_out_by_name(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    image = '"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}]'
    box = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, Infinity, 5], "iscrowd": 0}'
    (tmp_path / "c.json").write_text(f'{{{image}, "annotations": [{box}]}}')
    counts = convert_source("images", tmp_path, tmp_path / "o.jsonl", ConvertSettings(dataset="Mine"))
    assert counts["detection: left out: box that is not finite"] == 1


@pytest.mark.parametrize("row", ["0 nan 0.5 0.2 0.2", "0 0,5 0.5 0.2 0.2", "0 0.5 0.5 0.2"])
def test_a_bad_first_row_of_yolo_is_named_too(tmp_path, row):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "a.txt").write_text(row)
    with pytest.raises(SourceError, match=r"Expected .* number.*a\.txt, line 1"):
        own_source(tmp_path, dataset="Mine")


def test_labels_of_a_missing_image_are_counted_and_their_image_is_named(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    (tmp_path / "data.yaml").write_text("names: [cat]")
    for name in ("a", "gone"):
        (tmp_path / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2")
    (tmp_path / "labels" / "notes.txt").write_text("two pictures")
    assert [item.media for item in own_source(tmp_path, dataset="Mine").items["all"]] == ["images/a.png", "labels/gone"]
    (tmp_path / "data.yaml").unlink()
    for name in ("a", "gone"):
        (tmp_path / "labels" / f"{name}.txt").unlink()
    (tmp_path / "labels" / "g.json").write_text('{"shapes": [], "flags": {"cat": true}, "imagePath": "gone.jpg"}')
    assert [item.media for item in own_source(tmp_path, dataset="Mine").items["all"]] == ["gone.jpg"]


def test_names_are_compared_as_letters_whichever_system_or_address_wrote_them(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "Stra\u00dfe u\u0308.png")
    (tmp_path / "t.csv").write_text("image,label\nStra\u00dfe \u00fc.png,cat\nStra%C3%9Fe%20%C3%BC.png,cat\n")
    assert [item.media for item in own_source(tmp_path, dataset="Mine").items["all"]] == ["Stra\u00dfe u\u0308.png"]
