"""Image sets with one answer an image: shapes, textures, faces, counts, words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from PIL import Image

from lamm_data.sample.draw import SIZE, background, draw_shape, draw_word, finish, jitter, texture
from lamm_data.sample.people import draw_face
from lamm_data.sample.plan import Batch, deal
from lamm_data.sample.vocabulary import COLOURS, HAIR, SHAPES, TEXTURES, WORDS
from lamm_data.writing.english import plural

HAIR_COLUMNS = {"black": "Black_Hair", "blond": "Blond_Hair", "brown": "Brown_Hair", "gray": "Gray_Hair"}


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG quickly, or a JPEG with little loss, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, compress_level=1, quality=95)


def write_shapes(batch: Batch) -> Iterator[int]:
    """One large shape an image, stored in a folder named after its class."""
    rng = batch.rng
    kinds, colours = deal(SHAPES, len(batch), rng), deal(tuple(COLOURS), len(batch), rng)
    for number, kind, colour in zip(batch.numbers, kinds, colours, strict=True):
        canvas = background(rng)
        radius = rng.uniform(56, 88)
        centre = rng.uniform(radius + 4, SIZE - radius - 4, 2)
        draw_shape(canvas, kind, tuple(centre), radius, jitter(COLOURS[colour], rng), rng.uniform(-0.3, 0.3))
        save(finish(canvas), batch.root / batch.split / kind / f"{number:06d}.png")
        yield number


def write_textures(batch: Batch) -> Iterator[int]:
    """One texture an image, stored in a folder named after its class."""
    for number, kind in zip(batch.numbers, deal(TEXTURES, len(batch), batch.rng), strict=True):
        save(finish(texture(kind, batch.rng)), batch.root / batch.split / kind / f"{number:06d}.png")
        yield number


def write_faces(batch: Batch) -> Iterator[int]:
    """Faces with CelebA's attribute table and partition file (0 train, 2 benchmark)."""
    rng = batch.rng
    colours, smiles = deal(tuple(HAIR), len(batch), rng), deal((True, False), len(batch), rng)
    columns = [*HAIR_COLUMNS.values(), "Smiling"]
    rows, parts = [], []
    for number, hair, smile in zip(batch.numbers, colours, smiles, strict=True):
        name = f"{number + 1:06d}.png"
        save(finish(draw_face(HAIR[hair], smile, rng)), batch.root / "img_align_celeba" / name)
        signs = [key == hair for key in HAIR_COLUMNS] + [smile]
        rows.append(name + "".join(f" {1 if sign else -1:2d}" for sign in signs))
        parts.append(f"{name} {0 if batch.split == 'train' else 2}")
        yield number
    table = batch.root / "list_attr_celeba.txt"
    old = table.read_text(encoding="utf-8").splitlines()[2:] if table.exists() else []
    table.write_text("\n".join([str(len(old) + len(rows)), " ".join(columns), *old, *rows]) + "\n", encoding="utf-8")
    with (batch.root / "list_eval_partition.txt").open("a", encoding="utf-8") as handle:
        handle.writelines(line + "\n" for line in parts)


def write_counts(batch: Batch) -> Iterator[int]:
    """One to nine copies of one shape, with FSC147's point annotations, class list and split file."""
    rng = batch.rng
    cells = [(x, y) for x in (40, 112, 184) for y in (40, 112, 184)]
    numbers, kinds = deal(range(1, 10), len(batch), rng), deal(SHAPES, len(batch), rng)
    annotations, classes = {}, []
    for number, count, kind in zip(batch.numbers, numbers, kinds, strict=True):
        canvas = background(rng)
        colour, radius = COLOURS[list(COLOURS)[int(rng.integers(len(COLOURS)))]], rng.uniform(21, 27)
        points, boxes = [], []
        for cell in rng.permutation(9)[:count]:
            x, y = (float(v) for v in cells[int(cell)] + rng.uniform(-7, 7, 2))
            box = draw_shape(canvas, kind, (x, y), radius, jitter(colour, rng), rng.uniform(-0.3, 0.3))
            points.append([round(x, 2), round(y, 2)])
            x1, y1, x2, y2 = (round(v, 2) for v in box)
            boxes.append([[x1, y1], [x1, y2], [x2, y2], [x2, y1]])
        name = f"{number + 1}.png"
        save(finish(canvas), batch.root / "images_384_VarV2" / name)
        annotations[name] = {
            "H": SIZE,
            "W": SIZE,
            "box_examples_coordinates": boxes[:3],
            "img_path": f"images_384_VarV2/{name}",
            "points": points,
        }
        classes.append(f"{name}\t{plural(kind)}")
        yield number
    merge_json(batch.root / "annotation_FSC147_384.json", annotations)
    split = "train" if batch.split == "train" else "test"
    merge_json(batch.root / "Train_Test_Val_FSC_147.json", {"val": [], split: list(annotations)})
    with (batch.root / "ImageClasses_FSC147.txt").open("a", encoding="utf-8") as handle:
        handle.writelines(line + "\n" for line in classes)


def merge_json(path: Path, values: Mapping[str, object]) -> None:
    """Add keys to a JSON object file."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**old, **values}), encoding="utf-8")


def write_words(batch: Batch) -> Iterator[int]:
    """One or two words an image, with SVT's XML."""
    rng = batch.rng
    firsts, pairs = deal(WORDS, len(batch), rng), deal((False, False, False, True), len(batch), rng)
    root = ET.Element("tagset")
    for number, first, pair in zip(batch.numbers, firsts, pairs, strict=True):
        words = [first]
        if pair:
            others = [word for word in WORDS if word != first]
            words.append(others[int(rng.integers(len(others)))])
        canvas = background(rng)
        element = ET.SubElement(root, "image")
        name = f"img/{number // 20:02d}_{number % 20:02d}.png"
        ET.SubElement(element, "imageName").text = name
        ET.SubElement(element, "address").text = "synthetic"
        ET.SubElement(element, "lex").text = ",".join(WORDS)
        ET.SubElement(element, "Resolution", {"x": str(SIZE), "y": str(SIZE)})
        rectangles = ET.SubElement(element, "taggedRectangles")
        for word, y in zip(words, (64, 160) if pair else (112,), strict=True):
            centre = (SIZE / 2 + rng.uniform(-8, 8), y + rng.uniform(-14, 14))
            colour = tuple(int(v) for v in rng.integers(10, 90, 3))
            x1, y1, x2, y2 = draw_word(canvas, word, centre, rng.uniform(150, 190), (colour[0], colour[1], colour[2]))
            sides = {"height": y2 - y1, "width": x2 - x1, "x": x1, "y": y1}
            rectangle = ET.SubElement(
                rectangles, "taggedRectangle", {key: str(round(value)) for key, value in sides.items()}
            )
            ET.SubElement(rectangle, "tag").text = word
        save(finish(canvas), batch.root / name)
        yield number
    ET.indent(root)
    name = "train.xml" if batch.split == "train" else "test.xml"
    batch.root.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(batch.root / name, encoding="unicode", xml_declaration=True)
