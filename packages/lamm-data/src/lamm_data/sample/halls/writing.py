"""Write halls: clouds and boxes as ScanNet's export has them, and the files of six benchmarks about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lamm_data.sample.halls.captions import describe_solids
from lamm_data.sample.halls.hall import draw_hall
from lamm_data.sample.halls.measures import balanced, measured_questions
from lamm_data.sample.halls.open_questions import pose_questions
from lamm_data.sample.halls.presence import SETTINGS, presence_questions
from lamm_data.sample.halls.situations import situated_questions, situation_files
from lamm_data.sample.halls.targets import describe_targets
from lamm_data.sample.plan import Batch, deal
from lamm_data.sample.rooms import list_rooms, save_room
from lamm_data.sample.scenes import write_json
from lamm_data.sample.solids import sample_room
from lamm_data.sample.vocabulary import SOLIDS


def write_halls(batch: Batch) -> Iterator[int]:
    """Write halls in which the number of one kind, one to four, is dealt out."""
    rng, split = batch.rng, "train" if batch.split == "train" else "val"
    counts = deal([(kind, number) for kind in SOLIDS for number in (1, 2, 3, 4)], len(batch), rng)
    present = deal((True, False), len(batch), rng)
    halls, asked, situated, meant, described, measured = [], [], [], [], [], []
    for number, (kind, count), there in zip(batch.numbers, counts, present, strict=True):
        hall = draw_hall(f"hall{number:04d}_00", kind, count, rng)
        # The largest first: it gives up the points that the smallest are short of.
        largest_first = sorted(hall.solids, key=lambda one: -one.size[0] * one.size[2])
        save_room(batch.root, hall.name, hall.solids, sample_room(largest_first, rng, hall.floor))
        _align(batch.root, hall.name)
        halls.append(hall)
        asked += pose_questions(hall, there, rng)
        situated += [(hall.name, posed) for posed in situated_questions(hall, rng)]
        meant += describe_targets(hall, rng)
        described += describe_solids(hall)
        measured += measured_questions(hall, rng)
        yield number
    root = batch.root
    list_rooms(root, split, [hall.name for hall in halls])
    questions, annotations = situation_files(situated, rng)
    write_json(root / f"ScanQA_v1.0_{split}.json", asked)
    write_json(root / f"v1_balanced_questions_{split}_scannetv2.json", {"questions": questions})
    write_json(root / f"v1_balanced_sqa_annotations_{split}_scannetv2.json", {"annotations": annotations})
    write_json(root / f"multi3drefer_{split}.json", meant)
    write_json(root / f"ScanRefer_filtered_{split}.json", described)
    (root / "vsi_bench" / split).mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in balanced(measured, rng))
    (root / "vsi_bench" / split / "test.jsonl").write_text(lines, encoding="utf-8")
    for setting in SETTINGS:
        for template, rows in enumerate(presence_questions(halls, setting, rng), 1):
            write_json(root / "3d_pope" / split / "scannet_scannet200" / f"{setting}_template_{template}.json", rows)


def _align(root: Path, name: str) -> None:
    """Say as ScanNet does that a scan stands along the walls already."""
    folder = root / "scans" / name
    folder.mkdir(parents=True, exist_ok=True)
    turn = " ".join("1.0" if k % 5 == 0 else "0.0" for k in range(16))
    (folder / f"{name}.txt").write_text(f"axisAlignment = {turn}\n", encoding="utf-8")
