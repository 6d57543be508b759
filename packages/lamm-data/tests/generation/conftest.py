"""Settings and rows of generation runs; the scripted server that they ask is in the `conftest.py` above."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lamm_data.generation.settings import make_settings

BOXES = [[-1, -1, 0.3, 0.6, 0.6, 0.6], [1, 1, 0.3, 0.6, 0.6, 0.6]]


@pytest.fixture
def settings(tmp_path):
    """`settings(url, rows=10, **changes)` writes annotation rows and gives the settings of a run over them."""

    def make(url: str, rows: int = 10, **changes):
        annotations = tmp_path / "rows.jsonl"
        if not annotations.exists():
            annotations.write_text("".join(json.dumps(annotation(number)) + "\n" for number in range(rows)))
        values = {
            "type": "daily_dialogue",
            "annotations": annotations,
            "endpoint": url,
            "model": "m",
            "output": tmp_path / "out.jsonl",
            "format": "json_schema",
        }
        return make_settings(values | changes)

    return make


def annotation(number: int) -> dict:
    box = {"category": "cup", "bbox": [0.1, 0.2, 0.3, 0.4]}
    return {"id": f"{number:06d}", "image": f"{number:06d}.jpg", "captions": [f"Cup {number}."], "instances": [box]}


@pytest.fixture
def room_run(settings, tmp_path):
    """Settings of a run over two rooms of two cubes each, seen in three views."""

    def make(url, **changes):
        rng = np.random.default_rng(0)
        rows = []
        for name, second in (("one", "stool"), ("two", "bench")):
            if not (tmp_path / f"{name}.npy").exists():
                floor = np.column_stack([rng.uniform(-2, 2, (2000, 2)), np.zeros(2000)])
                cubes = [rng.uniform(-0.3, 0.3, (1500, 3)) + box[:3] for box in BOXES]
                np.save(tmp_path / f"{name}.npy", np.concatenate([floor, *cubes]).astype(np.float32))
            objects = [{"category": "crate", "bbox": BOXES[0]}, {"category": second, "bbox": BOXES[1]}]
            rows.append({"id": name, "pcl": f"{name}.npy", "instances": objects})
        (tmp_path / "rooms.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        values = {
            "annotations": tmp_path / "rooms.jsonl",
            "type": "detailed_description_3d",
            "see": "views",
            "views": 3,
        }
        return settings(url, **values | changes)

    return make


@pytest.fixture
def tell(reply):
    """Answer as a model that sees: about a view object by object, else with a description."""

    def answer(body: dict):
        text = body["messages"][-1]["content"]
        if isinstance(text, str):
            return reply(json.dumps({"description": "A red square lies on a blue ground. It is large."}))
        numbers = [line.split()[1].rstrip(":") for line in text[-1]["text"].splitlines() if line.startswith("Object ")]
        said = [f"Object {number}: It is of colour {number}." for number in numbers]
        return reply(json.dumps({"statements": [*said, "The floor is bare."]}))

    return answer
