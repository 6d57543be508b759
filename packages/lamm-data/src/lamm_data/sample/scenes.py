"""Image sets with COCO annotations: scenes of one to four shapes (boxes, captions, questions) and stick figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamm_data.records.benchmark import LSP_JOINTS
from lamm_data.sample.draw import SIZE, background, draw_shape, finish, jitter
from lamm_data.sample.people import LIMBS, draw_figure, pose
from lamm_data.sample.pictures import save
from lamm_data.sample.plan import NOTE, Batch, deal, options
from lamm_data.sample.vocabulary import COLOURS, POSITIONS, SHAPES

LICENCES = [{"id": 1, "name": "CC0-1.0 (synthetic)", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}]
QUESTION_KINDS = ("colour", "shape", "position", "count")


@dataclass(frozen=True, slots=True)
class DrawnShape:
    """One drawn shape: its class, colour name, quadrant and box (pixels)."""

    shape: str
    colour: str
    position: str
    box: tuple[float, float, float, float]

    @property
    def phrase(self) -> str:
        """The shape with its article, such as "an orange star"."""
        return f"{'an' if self.colour[0] in 'aeiou' else 'a'} {self.colour} {self.shape}"


def coco_file(images: list[dict[str, Any]], annotations: list[dict[str, Any]], categories: Any) -> dict[str, Any]:
    """Return a file of COCO's layout that says it is drawn."""
    info = {"description": NOTE, "version": "1.0", "contributor": "lamm data sample"}
    out = {"info": info, "licenses": LICENCES, "images": images, "annotations": annotations}
    return out | ({"categories": categories} if categories else {})


def coco_image(number: int, name: str) -> dict[str, Any]:
    """Return the entry of an image in a COCO file."""
    return {"id": number + 1, "file_name": name, "width": SIZE, "height": SIZE, "license": 1}


def coco_object(number: int, image: int, kind: str, box: Sequence[float]) -> dict[str, Any]:
    """Return the entry of an object in a COCO file, its box `(x1, y1, x2, y2)` in pixels."""
    x1, y1, x2, y2 = (round(value, 2) for value in box)
    return {
        "id": number,
        "image_id": image + 1,
        "category_id": SHAPES.index(kind) + 1,
        "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
        "area": round((x2 - x1) * (y2 - y1), 2),
        "iscrowd": 0,
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
    }


def shape_categories() -> list[dict[str, Any]]:
    """Return the shapes as COCO's categories."""
    return [{"id": k + 1, "name": name, "supercategory": "shape"} for k, name in enumerate(SHAPES)]


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _draw_scene(
    count: int, kinds: list[str], colours: list[str], rng: np.random.Generator
) -> tuple[Any, list[DrawnShape]]:
    canvas = background(rng)
    quadrants = sorted(int(k) for k in rng.permutation(4)[:count])
    drawn = []
    for quadrant, kind, colour in zip(quadrants, kinds, colours, strict=True):
        radius = rng.uniform(34, 46)
        slack = 54 - radius
        x, y = (56 + 112 * step + rng.uniform(-slack, slack) for step in (quadrant % 2, quadrant // 2))
        box = draw_shape(canvas, kind, (x, y), radius, jitter(COLOURS[colour], rng), rng.uniform(-0.25, 0.25))
        drawn.append(DrawnShape(kind, colour, POSITIONS[quadrant], box))
    return canvas, drawn


def captions(drawn: list[DrawnShape]) -> list[str]:
    """Write five captions of a scene, shapes in reading order."""
    joined = _listed([shown.phrase for shown in drawn])
    placed = _listed([f"{shown.phrase} in the {shown.position}" for shown in drawn])
    return [joined, f"{joined} on a light background", f"a drawing of {joined}", placed, f"the picture shows {joined}"]


def _listed(phrases: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(phrases[:-1]), phrases[-1])))


def _questions(drawn: list[DrawnShape], asked: int, indices: list[int], rng: np.random.Generator) -> dict[str, Any]:
    """Ask one question of each kind in AI2D's layout; the right option's place is dealt from outside."""
    shown = drawn[asked]
    posed = (
        (f"What colour is the {shown.shape}?", shown.colour, tuple(COLOURS)),
        (f"Which shape is {shown.colour}?", shown.shape, SHAPES),
        (f"Where is the {shown.shape}?", shown.position, POSITIONS),
        ("How many shapes are in the image?", str(len(drawn)), ("1", "2", "3", "4")),
    )
    out = {}
    for (text, right, pool), index in zip(posed, indices, strict=True):
        texts = options(right, pool, index, 4, rng)
        out[text] = {"abcLabel": False, "answerTexts": texts, "correctAnswer": index}
    return out


def write_scenes(batch: Batch) -> Iterator[int]:
    """Scenes with COCO instances and captions, and AI2D questions, over the same images."""
    rng, split = batch.rng, "train" if batch.split == "train" else "val"
    counts = deal((1, 2, 3, 4), len(batch), rng)
    leads = deal([(shape, colour) for shape in SHAPES for colour in COLOURS], len(batch), rng)
    indices = [deal(range(4), len(batch), rng) for _ in QUESTION_KINDS]
    images: list[dict[str, Any]] = []
    instances: list[dict[str, Any]] = []
    sentences: list[dict[str, Any]] = []
    for at, (number, count, (shape, colour)) in enumerate(zip(batch.numbers, counts, leads, strict=True)):
        asked = int(rng.integers(count))
        kinds = options(shape, SHAPES, asked, count, rng)
        canvas, drawn = _draw_scene(count, kinds, options(colour, tuple(COLOURS), asked, count, rng), rng)
        name = f"{number + 1:012d}.png"
        save(finish(canvas), batch.root / "images" / name)
        images.append(coco_image(number, name))
        for shown in drawn:
            instances.append(coco_object(len(instances) + 1, number, shown.shape, shown.box))
        for k, text in enumerate(captions(drawn)):
            sentences.append({"id": (number + 1) * 10 + k, "image_id": number + 1, "caption": text})
        asked_now = _questions(drawn, asked, [column[at] for column in indices], rng)
        for k, entry in enumerate(asked_now.values()):
            entry["questionId"] = f"{name}-{k}"
        write_json(batch.root / "questions" / f"{name}.json", {"imageName": name, "questions": asked_now})
        yield number
    folder = batch.root / "annotations"
    write_json(folder / f"instances_{split}.json", coco_file(images, instances, shape_categories()))
    write_json(folder / f"captions_{split}.json", coco_file(images, sentences, None))
    if split == "val":
        lines = "".join(image["file_name"].removesuffix(".png") + "\n" for image in images)
        (batch.root / "ai2d_test_ids.csv").write_text(lines, encoding="utf-8")


def write_figures(batch: Batch) -> Iterator[int]:
    """Stick figures with COCO keypoint annotations under the LSP's fourteen joint names."""
    rng, split = batch.rng, "train" if batch.split == "train" else "val"
    images, annotations = [], []
    for number in batch.numbers:
        joints = pose(rng)
        name = f"{number + 1:012d}.png"
        save(finish(draw_figure(joints, rng)), batch.root / "images" / name)
        images.append(coco_image(number, name))
        low, high = joints.min(0) - 4, joints.max(0) + 4
        annotations.append(
            {
                "id": number + 1,
                "image_id": number + 1,
                "category_id": 1,
                "bbox": [round(float(v), 2) for v in (*low, *(high - low))],
                "area": round(float(np.prod(high - low)), 2),
                "iscrowd": 0,
                "num_keypoints": len(joints),
                "keypoints": [v for x, y in joints for v in (round(float(x), 2), round(float(y), 2), 2)],
            }
        )
        yield number
    person = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(LSP_JOINTS),
        "skeleton": [[a + 1, b + 1] for a, b in LIMBS],
    }
    write_json(batch.root / "annotations" / f"person_keypoints_{split}.json", coco_file(images, annotations, [person]))
