"""Images in which shapes repeat: boxes and captions as COCO has them, VQAv2's questions, RefCOCO's expressions.

Each split is a download of its own, in which all images are of COCO's training part of 2014, as RefCOCO's are.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from lamm_data.sample.crowd_texts import Shown, describe, pose_questions, refer
from lamm_data.sample.draw import background, draw_shape, finish, jitter
from lamm_data.sample.pictures import save
from lamm_data.sample.plan import NOTE, Batch, deal
from lamm_data.sample.scenes import coco_file, coco_image, coco_object, shape_categories, write_json
from lamm_data.sample.vocabulary import COLOURS, SHAPES

CELL = 74
"""Pixels between neighbours on the grid of three by three that shapes stand on."""
PALETTE = 3


def _draw(counted: str, number: int, rng: np.random.Generator) -> tuple[Image.Image, list[Shown]]:
    """Draw so many shapes of one kind and two to four others, each in a cell of its own."""
    canvas = background(rng)
    others = [kind for kind in SHAPES if kind != counted]
    kinds = [counted] * number + [others[int(k)] for k in rng.integers(0, len(others), int(rng.integers(2, 5)))]
    palette = [tuple(COLOURS)[int(k)] for k in rng.permutation(len(COLOURS))[:PALETTE]]
    shown = []
    for kind, cell in zip(kinds, rng.permutation(9), strict=False):
        colour, radius = palette[int(rng.integers(PALETTE))], float(rng.uniform(22, 30))
        x, y = (38 + CELL * int(step) + float(rng.uniform(-6, 6)) for step in (cell % 3, cell // 3))
        box = draw_shape(canvas, kind, (x, y), radius, jitter(COLOURS[colour], rng), float(rng.uniform(-0.25, 0.25)))
        shown.append(Shown(kind, colour, box))
    return canvas, shown


def write_crowds(batch: Batch) -> Iterator[int]:
    """Write images in which the number of one shape, one to four, is dealt out."""
    rng, root = batch.rng, batch.root / ("train" if batch.split == "train" else "val")
    counts = deal([(kind, number) for kind in SHAPES for number in (1, 2, 3, 4)], len(batch), rng)
    present = deal((True, False), len(batch), rng)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    sentences: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    referred: list[dict[str, Any]] = []
    for image, (kind, count), there in zip(batch.numbers, counts, present, strict=True):
        canvas, shown = _draw(kind, count, rng)
        name = f"COCO_train2014_{image + 1:012d}.jpg"
        save(finish(canvas), root / "train2014" / name)
        images.append(coco_image(image, name))
        first = len(objects) + 1
        objects += [coco_object(first + k, image, one.kind, one.box) for k, one in enumerate(shown)]
        for k, text in enumerate(describe(shown)):
            sentences.append({"id": (image + 1) * 10 + k, "image_id": image + 1, "caption": text})
        for k, (text, answer, answers) in enumerate(pose_questions(shown, kind, there, rng)):
            key = {"image_id": image + 1, "question_id": (image + 1) * 1000 + k}
            asked.append({"question": text, **key})
            answered.append({**key, **_annotation(answer, answers)})
        for k, text in refer(shown):
            sent = {"sent_id": len(referred), "sent": text, "raw": text, "tokens": text.split()}
            ids = {"ref_id": len(referred), "ann_id": first + k, "category_id": objects[first + k - 1]["category_id"]}
            place = {"image_id": image + 1, "file_name": name, "split": "train"}
            referred.append({**ids, **place, "sentences": [sent], "sent_ids": [sent["sent_id"]]})
        yield image
    about = {"info": {"version": "2.0", "description": NOTE}, "data_type": "mscoco", "data_subtype": "train2014"}
    write_json(root / "instances.json", coco_file(images, objects, shape_categories()))
    write_json(root / "annotations" / "captions_train2014.json", coco_file(images, sentences, None))
    write_json(root / "v2_OpenEnded_mscoco_train2014_questions.json", {**about, "questions": asked})
    write_json(root / "v2_mscoco_train2014_annotations.json", {**about, "annotations": answered})
    (root / "refs(unc).p").write_bytes(pickle.dumps(referred, protocol=2))


def _annotation(answer: str, answers: list[str]) -> dict[str, Any]:
    """Return the answers of ten people as VQAv2 has them."""
    kind = "yes/no" if answer in ("yes", "no") else "number" if answer.isdecimal() else "other"
    people = [{"answer": one, "answer_confidence": "yes", "answer_id": k + 1} for k, one in enumerate(answers)]
    return {
        "multiple_choice_answer": answer,
        "answers": people,
        "answer_type": kind,
        "question_type": "none of the above",
    }
