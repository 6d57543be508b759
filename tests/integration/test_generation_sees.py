"""`lamm data generate --see` with a seeing model behind a socket: a tiny one with random weights, which still sees."""

import json

import numpy as np
import pytest
from PIL import Image
from started_commands import served

from lamm_data import generate, make_settings


@pytest.fixture
def run(endpoint, tmp_path):
    """Run generation over rows and return its summary, the texts of the answers by row, and what was shown."""

    def make(rows, **changes):
        annotations, output = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
        annotations.write_text("".join(json.dumps(row) + "\n" for row in rows))
        values = {
            "annotations": annotations, "output": output, "endpoint": endpoint, "model": "model", "format": "text",
            "temperature": 0, "max_tokens": 48, "concurrency": 1, "reask": False, "see_only": True,
        }  # fmt: skip
        summary = generate(make_settings(values | changes))
        lines = [*output.read_text().splitlines(), *output.with_name("out.rejected.jsonl").read_text().splitlines()]
        texts = {}
        for line in map(json.loads, lines):
            texts[line["id"]] = line["conversations"][1]["value"] if "conversations" in line else line["text"]
        return summary, texts

    return make


def test_answers_depend_on_the_picture_and_are_asked_for_once(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (4, 4, 4, 3), dtype=np.uint8)
    pictures = {"black": np.zeros((1, 1, 3), np.uint8), "white": np.full((1, 1, 3), 255, np.uint8)}
    pictures |= {f"noise {number}": colours for number, colours in enumerate(noise)} | {"same": noise[3]}
    for name, colours in pictures.items():
        Image.fromarray(colours).resize((640, 480), 0).save(tmp_path / f"{name}.png")
    rows = [{"id": name, "image": f"{name}.png"} for name in pictures]
    summary, texts = run(rows, type="detailed_description", see="image")
    assert (summary.counts.rows, summary.counts.failed.total(), summary.counts.unsent) == (7, 0, 0)
    assert summary.traffic.sent == 6  # of the same picture it is asked once
    assert texts["noise 3"] == texts["same"]
    assert len(set(texts.values())) > 1  # the request is the same but for the picture
    assert summary.prompt_tokens > 0
    again, repeated = run(rows, type="detailed_description", see="image")
    assert (again.traffic.sent, repeated) == (0, texts)
    Image.new("RGB", (640, 480), "red").save(tmp_path / "white.png")
    changed, _ = run(rows, type="detailed_description", see="image")
    assert changed.traffic.sent == 1


def test_views_of_rooms_are_put_into_words(run, world, tmp_path):
    clouds = sorted(world.rglob("*_aligned_vert.npy"))[:2]
    boxes = [np.load(str(path).replace("vert", "bbox")) for path in clouds]
    rows = [
        {
            "id": path.stem,
            "pcl": path.name,
            "instances": [{"category": "solid", "bbox": [float(value) for value in row[:6]]} for row in rows],
        }
        for path, rows in zip(clouds, boxes, strict=True)
    ]
    values = {"type": "detailed_description_3d", "see": "views", "views": 2, "media_root": clouds[0].parent}
    summary, texts = run(rows, see_only=False, **values)
    assert (summary.counts.rows, summary.counts.failed.total(), summary.counts.unsent) == (2, 0, 0)
    assert len(texts) == 2
    assert 4 <= summary.traffic.sent <= 6
    assert run(rows, see_only=False, **values)[0].traffic.sent == 0


@pytest.fixture(scope="module")
def demo_endpoint(tmp_path_factory):
    """Address of the model that the demo trains, as it is before training, served on loopback."""
    from lamm_model import build_pair, save_model

    folder = tmp_path_factory.mktemp("embedded")
    model, processor = build_pair("embedded", "embedded", "tiny", use_system=False)
    save_model(model, processor, folder / "model")
    with served(folder / "model", folder / "log") as address:
        yield address


def test_the_demos_model_is_shown_pictures_and_views_and_what_changes_is_asked_anew(
    run, demo_endpoint, world, tmp_path
):
    pictures = sorted((world / "scenes" / "images").glob("*.png"))[:2]
    for number, path in enumerate(pictures):
        (tmp_path / f"{number}.png").write_bytes(path.read_bytes())
    rows = [{"id": str(number), "image": f"{number}.png"} for number in range(2)]
    values = {"endpoint": demo_endpoint, "max_tokens": 16}
    summary, texts = run(rows, type="detailed_description", see="image", **values)
    assert (summary.traffic.sent, summary.counts.failed.total(), sorted(texts)) == (2, 0, ["0", "1"])
    assert all(texts.values())
    assert run(rows, type="detailed_description", see="image", **values)[0].traffic.sent == 0
    Image.open(pictures[1]).rotate(90).save(tmp_path / "1.png")
    assert run(rows, type="detailed_description", see="image", **values)[0].traffic.sent == 1

    room = np.load(next(world.rglob("*_aligned_vert.npy")))
    np.save(tmp_path / "room.npy", room)
    rows = [{"id": "room", "pcl": "room.npy", "captions": ["A room."]}]
    values |= {"type": "detailed_description_3d", "see": "views", "views": 2}
    for path in tmp_path.glob("out.*"):
        path.unlink()
    summary, texts = run(rows, **values)
    assert summary.counts.failed.total() == 0
    assert 2 <= summary.traffic.sent <= 3  # what the views say is told in one more request, where they say anything
    assert run(rows, **values)[0].traffic.sent == 0
    np.save(tmp_path / "room.npy", room[room[:, 2] < np.median(room[:, 2])])  # the upper half is gone
    assert 2 <= run(rows, **values)[0].traffic.sent <= 3
