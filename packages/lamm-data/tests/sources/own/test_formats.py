"""One small set of the sample world, written in every label format, converts to the same records."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

MINE = {"dataset": "Mine", "licence": "CC-BY-4.0", "style": "short"}


def write_roboflow(own, root, known):
    """Write COCO beside the pictures, as Roboflow does, without sizes and with a category of no objects."""
    own.write_coco(root, known, "images/_annotations.coco.json")
    path = root / "images" / "_annotations.coco.json"
    value = json.loads(path.read_text())
    for image in value["images"]:
        del image["width"], image["height"]
    for entry in value["annotations"]:
        del entry["iscrowd"], entry["area"]
    value["categories"].insert(0, {"id": 0, "name": "things", "supercategory": "none"})
    path.write_text(json.dumps(value))


def with_labelformat(write):
    """Write by the package labelformat, which has writers of several tools' formats."""

    def written(own, root, known):
        labelformat = pytest.importorskip("labelformat", reason="pip install labelformat")
        assert labelformat
        from labelformat.formats.coco import COCOObjectDetectionInput

        own.write_coco(root.parent / "from", known, "coco.json")
        write(root, COCOObjectDetectionInput(root.parent / "from" / "coco.json"))

    return written


def write_coco(root, labels):
    from labelformat.formats.coco import COCOObjectDetectionOutput

    COCOObjectDetectionOutput(root / "labels.json").save(labels)


def write_yolo(root, labels):
    from labelformat.formats.yolov8 import YOLOv8ObjectDetectionOutput

    YOLOv8ObjectDetectionOutput(root / "data.yaml", "train").save(labels)


def write_voc(root, labels):
    from labelformat.formats.pascalvoc import PascalVOCObjectDetectionOutput

    PascalVOCObjectDetectionOutput(root / "Annotations").save(labels)


def write_cvat(root, labels):
    from labelformat.formats.cvat import CVATObjectDetectionOutput

    CVATObjectDetectionOutput(root).save(labels)


def with_datumaro(name):
    """Write by the package datumaro, of CVAT's makers, whose exports are what its users download."""

    def written(own, root, known):
        datumaro = pytest.importorskip("datumaro", reason="pip install datumaro")
        names = own.names_of(known)
        items = []
        for picture in known:
            boxes = [
                datumaro.Bbox(x1, y1, x2 - x1, y2 - y1, label=names.index(label), id=number, group=number)
                for number, (label, (x1, y1, x2, y2)) in enumerate(picture.boxes, 1)
            ]
            classes = [datumaro.Label(names.index(picture.boxes[0][0]))]
            medium = datumaro.Image.from_file(path=str(root / "images" / picture.name))
            annotations = classes if name.startswith("imagenet") else boxes
            items.append(
                datumaro.DatasetItem(Path(picture.name).stem, subset="train", media=medium, annotations=annotations)
            )
        datumaro.Dataset.from_iterable(items, categories=names).export(str(root / "export"), name, save_media=True)
        shutil.rmtree(root / "images")

    return written


def regions(picture):
    width, height = picture.size
    for number, (label, (x1, y1, x2, y2)) in enumerate(picture.boxes):
        value = {"x": 100 * x1 / width, "y": 100 * y1 / height, "width": 100 * (x2 - x1) / width,
                 "height": 100 * (y2 - y1) / height, "rotation": 0, "rectanglelabels": [label]}  # fmt: skip
        yield {"id": f"r{number}", "type": "rectanglelabels", "value": value}
        for names, points in picture.joints[number : number + 1]:
            for name, (x, y, _) in zip(names, points, strict=True):
                value = {"x": 100 * x / width, "y": 100 * y / height, "width": 0.5, "keypointlabels": [name]}
                yield {"id": name, "type": "keypointlabels", "parentID": f"r{number}", "value": value}


def write_label_studio(own, root, known):
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0a1b2c3d-{picture.name}"},
            "annotations": [{"was_cancelled": True, "result": []}, {"result": list(regions(picture))}],
        }
        for number, picture in enumerate(known)
    ]
    (root / "project-1.json").write_text(json.dumps(tasks))


def write_label_studio_min(own, root, known):
    tasks = [
        {"id": number, "image": f"/data/local-files/?d=images/{picture.name}",
         "label": [{**region["value"], "original_width": picture.size[0]} for region in regions(picture)]}
        for number, picture in enumerate(known)
    ]  # fmt: skip
    (root / "project-1-min.json").write_text(json.dumps(tasks))


def write_open_images(own, root, known):
    names = own.names_of(known)
    own.write_rows(root / "class-descriptions-boxable.csv", [(f"/m/0{k}", name) for k, name in enumerate(names)])
    rows = [("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsGroupOf")]
    for picture in known:
        width, height = picture.size
        for label, (x1, y1, x2, y2) in picture.boxes:
            edges = (x1 / width, x2 / width, y1 / height, y2 / height)
            rows.append((Path(picture.name).stem, "xclick", f"/m/0{names.index(label)}", 1, *edges, 0))
    own.write_rows(root / "oidv6-train-annotations-bbox.csv", rows)


def write_boxes_csv(own, root, known):
    rows = [("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")]
    rows += [(picture.name, *picture.size, label, *box) for picture in known for label, box in picture.boxes]
    own.write_rows(root / "images" / "_annotations.csv", rows)


BOXES = {
    "instances_default.json": lambda own, root, known: own.write_coco(root, known),
    "_annotations.coco.json": write_roboflow,
    "labels.json": with_labelformat(write_coco),
    "yolo": with_labelformat(write_yolo),
    "voc": with_labelformat(write_voc),
    "cvat": with_labelformat(write_cvat),
    "labelme": lambda own, root, known: own.write_labelme(root, known),
    "label_studio": write_label_studio,
    "label_studio min": write_label_studio_min,
    "open_images": write_open_images,
    "csv": write_boxes_csv,
}


def expected_boxes(known):
    texts = []
    for picture in sorted(known, key=lambda one: one.name):
        width, height = picture.size
        texts.append("; ".join(
            f"{label} {[round(x1 / width, 2), round(y1 / height, 2), round(x2 / width, 2), round(y2 / height, 2)]}"
            for label, (x1, y1, x2, y2) in picture.boxes
        ))  # fmt: skip
    return texts


@pytest.mark.parametrize("name", BOXES)
def test_boxes_of_every_format_make_the_same_records(own, world, tmp_path, name):
    reference, root = tmp_path / "reference" / "set", tmp_path / "own" / "set"
    for folder, write in ((reference, BOXES["instances_default.json"]), (root, BOXES[name])):
        folder.mkdir(parents=True)
        known = own.pictures(world, folder, "boxes")
        write(own, folder, known)
    records = own.converted(root)
    assert [texts[-1] for *_, texts in records] == expected_boxes(known)
    assert records == own.converted(reference)
    assert {record[2:4] for record in records} == {("Mine", "CC-BY-4.0")}


@pytest.mark.parametrize("name", ["coco_instances", "cvat", "open_images", "voc", "yolo"])
def test_exports_of_datumaro_make_the_same_records(own, world, tmp_path, name):
    reference, root = tmp_path / "reference" / "set", tmp_path / "own" / "set"
    for folder, write in ((reference, BOXES["instances_default.json"]), (root, with_datumaro(name))):
        folder.mkdir(parents=True)
        known = own.pictures(world, folder, "boxes")
        write(own, folder, known)
    # The images lie elsewhere, and the question is drawn by the path.
    found, wanted = (
        [(Path(image).name, *terms, texts[-1]) for _, image, *terms, texts in own.converted(folder)]
        for folder in (root, reference)
    )
    assert found == wanted
    assert all((root / image).is_file() for _, image, *_ in own.converted(root))


@pytest.mark.parametrize("name", ["imagenet", "imagenet_with_subset_dirs"])
def test_folders_of_classes_that_datumaro_writes_say_the_classes(own, world, tmp_path, name):
    root = tmp_path / "own" / "set"
    root.mkdir(parents=True)
    known = own.pictures(world, root, "boxes")
    with_datumaro(name)(own, root, known)
    found = {Path(image).name: texts[-1] for _, image, _, _, texts in own.converted(root)}
    assert found == {picture.name: picture.boxes[0][0] for picture in known}


def write_yolo_pose(own, root, known):
    (root / "labels").mkdir()
    joints = known[0].joints[0][0]
    settings = {"path": ".", "train": "images", "names": own.names_of(known), "kpt_shape": [len(joints), 3],
                "kpt_names": {0: list(joints)}}  # fmt: skip
    (root / "data.yaml").write_text(yaml.safe_dump(settings))
    for picture in known:
        width, height = picture.size
        rows = []
        for (_, (x1, y1, x2, y2)), (_, points) in zip(picture.boxes, picture.joints, strict=True):
            box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
            flat = [value for x, y, flag in points for value in (x / width, y / height, flag)]
            rows.append(" ".join(map(str, (0, *box, *flat))))
        (root / "labels" / f"{Path(picture.name).stem}.txt").write_text("\n".join(rows))


def write_cvat_skeletons(own, root, known):
    top = ET.Element("annotations")
    for picture in known:
        image = ET.SubElement(top, "image", name=picture.name, width=str(picture.size[0]), height=str(picture.size[1]))
        for (label, box), (names, points) in zip(picture.boxes, picture.joints, strict=True):
            edges = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(str, box), strict=True))
            ET.SubElement(image, "box", label=label, **edges)
            skeleton = ET.SubElement(image, "skeleton", label=label)
            for name, (x, y, flag) in zip(names, points, strict=True):
                marks = {"outside": str(int(flag == 0)), "occluded": str(int(flag == 1)), "points": f"{x},{y}"}
                ET.SubElement(skeleton, "points", label=name, **marks)
    ET.ElementTree(top).write(root / "annotations.xml", encoding="utf-8", xml_declaration=True)


JOINTS = {
    "yolo": write_yolo_pose,
    "cvat": write_cvat_skeletons,
    "labelme": lambda own, root, known: own.write_labelme(root, known),
    "label_studio": write_label_studio,
}


@pytest.mark.parametrize("name", JOINTS)
def test_joints_of_every_format_make_the_same_records(own, world, tmp_path, name):
    reference, root = tmp_path / "reference" / "set", tmp_path / "own" / "set"
    for folder, write in ((reference, BOXES["instances_default.json"]), (root, JOINTS[name])):
        folder.mkdir(parents=True)
        write(own, folder, own.pictures(world, folder, "joints"))
    records = own.converted(root, tasks=("keypoint_detection",))
    assert len(records) == 16
    assert records == own.converted(reference, tasks=("keypoint_detection",))


def test_captions_of_coco_and_of_tables_make_the_same_records(own, world, tmp_path):
    coco, table = tmp_path / "coco" / "set", tmp_path / "csv" / "set"
    for folder in (coco, table):
        folder.mkdir(parents=True)
        known = own.pictures(world, folder, "boxes")
    images = [{"id": k, "file_name": picture.name} for k, picture in enumerate(known)]
    texts = [{"image_id": k, "caption": text} for k, picture in enumerate(known) for text in picture.captions]
    entries = [entry | {"id": number} for number, entry in enumerate(texts)]
    (coco / "captions.json").write_text(json.dumps({"images": images, "annotations": entries}))
    rows = [("image", "caption"), *((f"images/{one.name}", text) for one in known for text in one.captions)]
    own.write_rows(table / "captions.csv", rows)
    records = own.converted(table)
    assert len(records) == 6
    assert records == own.converted(coco)


def test_classes_come_from_folders_tables_and_choices(own, world, tmp_path):
    (tmp_path / "own").mkdir()
    root = Path(shutil.copytree(world / "shapes" / "train", tmp_path / "own" / "set"))
    records = own.converted(root)
    media = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert [(image, texts[-1]) for _, image, _, _, texts in records] == [(name, Path(name).parts[0]) for name in media]
    own.write_rows(root / "labels.csv", [("path", "label"), *((name, Path(name).parts[0]) for name in media)])
    assert own.converted(root) == records
    (root / "labels.csv").unlink()
    tasks = [{"data": {"image": f"s3://mine/{name}"}, "annotations": [
        {"result": [{"type": "choices", "value": {"choices": [Path(name).parts[0]]}}]}]} for name in media]  # fmt: skip
    (root / "export.json").write_text(json.dumps(tasks))
    assert own.converted(root) == records
