"""False alarms on what people wrote: questions, captions, descriptions and lessons of real data sets."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lamm_data.generation.input_rows import RowIndex, read_rows
from lamm_data.generation.rows import Row
from lamm_data.quality.checks.grounding import Grounding
from lamm_data.quality.checks.record import PreparedRecord
from lamm_data.quality.checks.text import check_text
from lamm_data.records.instruction import InstructionRecord, Turn

DATA = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).parents[5] / "shared/data"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the real files of LAMM_TEST_DATA")


def load(name):
    return json.loads((DATA / name).read_text())


def prepared(text, identifier="1"):
    turns = [Turn("human", "What?"), Turn("gpt", text)]
    return PreparedRecord(InstructionRecord(turns, id=identifier, image="1.jpg", task_type="description"))


def coco_rows():
    return [row for row in read_rows(DATA / "coco/caps_boxes_coco2014_val_80.jsonl") if isinstance(row, Row)]


def written_texts():
    yield from (caption for row in coco_rows() for caption in row.captions)
    yield from (item["description"] for item in load("scanrefer/ScanRefer_filtered_sampled50.json"))
    yield from (f"{item['question']} {item['answers'][0]}" for item in load("scanqa/ScanQA_v1.0_val.json"))
    problems = load("scienceqa/problems_120.json")
    for item in problems.values():
        yield " ".join(str(item.get(key) or "") for key in ("question", "hint", "lecture", "solution"))


def test_texts_of_people_are_not_accused(record_property):
    texts = [text for text in written_texts() if text.strip()]
    accused = [(text, found) for text in texts if (found := list(check_text(prepared(text))))]
    record_property("accused, texts", f"{len(accused)}, {len(texts)}")
    assert len(texts) > 5000
    assert len(accused) <= 0.001 * len(texts), accused


CONTRADICTS = "Two giraffes and another animal are on green grass."
"""Neither a box nor another caption of that picture knows of a giraffe."""


def test_a_caption_agrees_with_the_boxes_and_the_other_captions(record_property):
    """Each caption is judged without itself: what is left are captions that contradict the annotation."""
    accused, count = [], 0
    rows = coco_rows()
    for at in range(5):
        others = [replace(row, captions=row.captions[:at] + row.captions[at + 1 :]) for row in rows]
        grounding = Grounding(RowIndex(others))
        for row in rows:
            if at < len(row.captions):
                count += 1
                found = list(grounding.check(prepared(row.captions[at], row.id)))
                accused += [(row.captions[at], found)] if found else []
    record_property("accused, captions", f"{len(accused)}, {count}")
    assert count == 400
    assert CONTRADICTS in [text for text, _ in accused]
    assert len(accused) - 1 <= 0.02 * count, accused
