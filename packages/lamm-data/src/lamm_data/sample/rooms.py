"""The room set: clouds and boxes as VoteNet exports ScanNet, descriptions as ScanRefer, questions as ScanQA."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.sample.plan import NOTE, Batch, deal, options
from lamm_data.sample.solids import Solid, class_id, furnish, sample_room
from lamm_data.sample.vocabulary import COLOURS, SOLIDS


def describe(solid: Solid, solids: list[Solid], form: int) -> str:
    """Single one solid out: no other solid of a room shares its colour."""
    article = "an" if solid.colour[0] in "aeiou" else "a"
    texts = (
        f"this is {article} {solid.colour} {solid.kind} standing on the floor.",
        f"the {solid.kind} that is {solid.colour}. it stands in the room.",
        f"there is {article} {solid.colour} {solid.kind} in the room.",
    )
    largest = solid is solids[0] and len(solids) > 1
    return texts[form % len(texts)] + (" it is the largest solid." if largest else "")


def _questions(scene: str, solids: list[Solid]) -> list[dict[str, Any]]:
    largest, single = solids[0], len(solids) == 1
    posed = [
        (f"Which solid is {'' if single else 'the largest one '}in the room?", largest.kind),
        (f"What colour is the {'' if single else 'largest '}solid in the room?", largest.colour),
    ]
    posed += [] if single else [("How many solids are in the room?", str(len(solids)))]
    return [
        {
            "question_id": f"sample-{scene}-{number}",
            "scene_id": scene,
            "question": text,
            "answers": [answer],
            "object_ids": [largest.id],
            "object_names": [largest.kind],
        }
        for number, (text, answer) in enumerate(posed)
    ]


def _references(scene: str, solids: list[Solid], rng: np.random.Generator) -> list[dict[str, Any]]:
    texts = [describe(solid, solids, int(rng.integers(3))) for solid in solids]
    return [
        {
            "scene_id": scene,
            "object_id": str(solid.id),
            "object_name": solid.kind,
            "ann_id": "0",
            "description": text,
            "token": text.replace(".", " .").split(),
        }
        for solid, text in zip(solids, texts, strict=True)
    ]


def save_room(root: Path, scene: str, solids: Sequence[Solid], cloud: NDArray[np.float32]) -> None:
    """Write the cloud and the boxes of a room."""
    folder = root / "scannet_data"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{scene}_aligned_vert.npy", cloud)
    rows = [(*solid.box, class_id(solid.kind), solid.id) for solid in solids]
    np.save(folder / f"{scene}_aligned_bbox.npy", np.array(sorted(rows, key=lambda row: row[-1])))


def list_rooms(root: Path, split: str, scenes: Sequence[str]) -> None:
    """Write the class table, the list of a split's rooms, and that all of them are drawn."""
    names = [f"{class_id(kind)}\t{kind}\n" for kind in SOLIDS]
    (root / "classes.tsv").write_text("".join(names), encoding="utf-8")
    (root / f"scannetv2_{split}.txt").write_text("".join(scene + "\n" for scene in scenes), encoding="utf-8")
    (root / "README.txt").write_text(NOTE + "\n", encoding="utf-8")


def write_rooms(batch: Batch) -> Iterator[int]:
    """Write rooms: half with one large solid, half with two to five of which one is clearly the largest."""
    rng, split = batch.rng, "train" if batch.split == "train" else "val"
    singles = deal((True, False), len(batch), rng)
    plans = {
        True: iter(deal([(kind, colour) for kind in SOLIDS for colour in COLOURS], sum(singles), rng)),
        False: iter(deal([(kind, colour) for kind in SOLIDS for colour in COLOURS], len(batch) - sum(singles), rng)),
    }
    crowds = iter(deal((2, 3, 4, 5), len(batch) - sum(singles), rng))
    scenes, references, questions = [], [], []
    for number, single in zip(batch.numbers, singles, strict=True):
        kind, colour = next(plans[single])
        count = 1 if single else next(crowds)
        kinds = [kind, *(SOLIDS[int(k)] for k in rng.integers(0, len(SOLIDS), count - 1))]
        solids = furnish(kinds, options(colour, tuple(COLOURS), 0, count, rng), rng)
        scene = f"room{number:04d}_00"
        save_room(batch.root, scene, solids, sample_room(solids, rng))
        scenes.append(scene)
        references.extend(_references(scene, solids, rng))
        questions.extend(_questions(scene, solids))
        yield number
    list_rooms(batch.root, split, scenes)
    (batch.root / f"ScanRefer_filtered_{split}.json").write_text(json.dumps(references), encoding="utf-8")
    (batch.root / f"ScanQA_v1.0_{split}.json").write_text(json.dumps(questions), encoding="utf-8")
