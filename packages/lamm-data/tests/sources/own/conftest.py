"""The small set of the sample world that label formats are written with, and how it is converted."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from lamm_data.records.instruction import read_records
from lamm_data.sources.readers.coco import read_captions, read_instances, read_keypoints
from lamm_data.templates.run import ConvertSettings, convert_source

MINE = {"dataset": "Mine", "licence": "CC-BY-4.0", "style": "short"}


@dataclass
class Picture:
    """What is known of one picture of the set; boxes are whole pixels, as VOC writes them."""

    name: str
    size: tuple[int, int]
    boxes: list
    joints: list
    captions: list


def pictures(world, root, kind):
    """Copy the pictures of a kind of annotation to `images` and return what is known of them."""
    (root / "images").mkdir()
    base = world / ("figures" if kind == "joints" else "scenes")
    if kind == "joints":
        items = list(read_keypoints(base / "annotations" / "person_keypoints_train.json", "images"))[:4]
    else:
        items = list(read_instances(base / "annotations" / "instances_train.json", "images"))[:6]
    texts = {} if kind == "joints" else {
        item.id: item.captions for item in read_captions(base / "annotations" / "captions_train.json")
    }  # fmt: skip
    out = []
    for item in items:
        shutil.copy(base / item.media, root / "images")
        boxes = [(box.label, tuple(round(value) for value in box.xyxy)) for box in item.boxes]
        joints = [(person.names, person.points) for person in item.keypoints]
        name = Path(item.media).name
        out.append(Picture(name, (item.width, item.height), boxes, joints, list(texts.get(item.id, ()))))
    return out


def names_of(known):
    return sorted({label for picture in known for label, _ in picture.boxes})


def write_coco(root, known, file="annotations/instances_default.json"):
    """Write what CVAT calls `instances_default.json`."""
    names, annotations = names_of(known), []
    for number, picture in enumerate(known):
        for (label, (x1, y1, x2, y2)), (joint_names, points) in zip(
            picture.boxes, picture.joints or [((), ())] * len(picture.boxes), strict=True
        ):
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": names.index(label) + 1,
                     "bbox": [x1, y1, x2 - x1, y2 - y1], "area": 1, "iscrowd": 0, "segmentation": []}  # fmt: skip
            flat = [value for point in points for value in point]
            annotations.append(entry | ({"keypoints": flat, "num_keypoints": len(joint_names)} if flat else {}))
    joints = list(known[0].joints[0][0]) if known[0].joints else []
    value = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "description": "", "url": "", "version": "", "year": ""},
        "categories": [{"id": k, "name": name, "supercategory": "", "keypoints": joints}
                       for k, name in enumerate(names, 1)],
        "images": [{"id": k, "file_name": picture.name, "width": picture.size[0], "height": picture.size[1],
                    "license": 0} for k, picture in enumerate(known)],
        "annotations": annotations,
    }  # fmt: skip
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps(value))


def write_labelme(root, known):
    for picture in known:
        shapes = []
        for number, (label, (x1, y1, x2, y2)) in enumerate(picture.boxes):
            shapes.append({"label": label, "points": [[x2, y2], [x1, y1]], "shape_type": "rectangle", "group_id": None})
            for names, points in picture.joints[number : number + 1]:
                shapes += [{"label": name, "points": [[x, y]], "shape_type": "point", "group_id": number}
                           for name, (x, y, _) in zip(names, points, strict=True)]  # fmt: skip
        value = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"..\\images\\{picture.name}",
                 "imageData": None, "imageHeight": picture.size[1], "imageWidth": picture.size[0]}  # fmt: skip
        path = root / "labels" / f"{Path(picture.name).stem}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value))


def write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)


def converted(root, **settings):
    convert_source("images", root, root.parent / "out.jsonl", ConvertSettings(**(MINE | {"split": "all"} | settings)))
    return [
        (
            record.id,
            record.image,
            record.src_image,
            record.meta["licence"],
            [turn.text for turn in record.conversations],
        )
        for record in read_records(root.parent / "out.jsonl")
    ]


@pytest.fixture
def own():
    """What tests of own images share: the set's pictures, two writers of labels, a writer of tables, a conversion."""
    return SimpleNamespace(
        pictures=pictures,
        names_of=names_of,
        write_coco=write_coco,
        write_labelme=write_labelme,
        write_rows=write_rows,
        converted=converted,
    )
