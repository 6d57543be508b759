"""`lamm data view`: media with boxes, dialogues, tokens from whoever offers them, and what cannot be shown."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.errors import UsageError
from lamm_data.view.command import view
from lamm_data.view.token_masks import open_token_masks


def words(model):
    """Tokens of a stand-in for a model: its questions' words are seen, its answers' are learnt."""
    return lambda record: (
        [("[image]", "medium")]
        + [
            (f"{word} ", "learnt" if turn.role == "gpt" else "seen")
            for turn in record.conversations
            for word in turn.text.split()
        ]
    )


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (640, 480), "navy").save(tmp_path / "photo.png")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "room.npy", np.c_[rng.uniform(-2, 2, (500, 3)), rng.uniform(0, 255, (500, 3))].astype("f4"))
    records = [
        {"id": "a<b", "image": "photo.png", "task_type": "detection", "meta": {"licence": "CC0-1.0"}, "conversations": [
            {"from": "human", "value": "Where is the <b>dog</b>?"},
            {"from": "gpt", "value": "At [0.25, 0.5, 0.75, 1.0]."}]},
        {"id": "room", "pcl": "room.npy", "task_type": "detection3d", "conversations": [
            {"from": "human", "value": "Where is it?"}, {"from": "gpt", "value": "[0, 0, 0, 1, 2, 1]"}]},
        {"id": "gone", "image": "gone.png", "conversations": [
            {"from": "human", "value": "What?"}, {"from": "gpt", "value": "A cat."}]},
    ]  # fmt: skip
    lines = [json.dumps(record) for record in records] + ['{"id": "none"}']
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def seen(folder, *options):
    output = folder / "page.html"
    done = CliRunner().invoke(
        view, [str(folder / "records.jsonl"), "--output", str(output), *options], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return output.read_text(), done


def test_pictures_boxes_clouds_and_dialogues(folder):
    page, _ = seen(folder)
    assert page.count("<article") == 3
    assert '<polygon class="written" points="80.0,120.0 240.0,120.0 240.0,240.0 80.0,240.0"/>' in page
    assert "a&lt;b" in page
    assert "&lt;b&gt;dog&lt;/b&gt;" in page
    assert page.count('aria-label="room.npy from ') == 2
    assert len(re.findall("data:image/jpeg;base64,", page)) == 3
    assert "http" not in re.sub(r"Content-Security-Policy|http-equiv", "", page)


def test_3d_boxes_lie_where_the_points_are(folder):
    corners = np.array([[x, y, z] for x in (-2, 2) for y in (-2, 2) for z in (-2, 2)], "f4")
    np.save(folder / "room.npy", corners)
    page, _ = seen(folder)
    above, front = re.findall(r'aria-label="room.npy from .*?points="(.*?)"', page)
    # 310 pixels show four metres, five are left at each edge; a box of 1 x 2 x 1 m stands in the middle.
    assert above == "121.2,237.5 198.8,237.5 198.8,82.5 121.2,82.5"
    assert front == "121.2,198.8 198.8,198.8 198.8,121.2 121.2,121.2"


def test_what_cannot_be_shown_is_counted_and_named(folder):
    _, done = seen(folder, "--json")
    account = json.loads(done.stdout)
    assert (account["shown"], account["read"], len(account["faults"]), len(account["missing"])) == (3, 3, 2, 1)
    assert "gone.png" in account["missing"][0]


def test_a_sample_is_drawn_evenly_by_its_seed(folder):
    record = {"image": "photo.png", "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]}
    text = "".join(json.dumps({"id": f"r{number}", **record}) + "\n" for number in range(40))
    (folder / "records.jsonl").write_text(text)
    chosen = [re.findall(r"<h2>r(\d+)</h2>", seen(folder, "--limit", "5", "--seed", seed)[0]) for seed in "0012"]
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(len(set(ids)) == 5 and ids == sorted(ids, key=int) for ids in chosen)
    assert any(int(ids[-1]) > 20 for ids in chosen)


def test_annotated_boxes_stand_beside_those_of_the_text(folder):
    row = {"id": "a<b", "image": "photo.png", "captions": ["A dog."],
           "instances": [{"category": "dog", "bbox": [0.25, 0.5, 0.5, 1.0]}]}  # fmt: skip
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    page, _ = seen(folder, "--annotations", str(folder / "rows.jsonl"))
    assert '<polygon class="annotated" points="80.0,120.0 160.0,120.0 160.0,240.0 80.0,240.0"/>' in page


def test_tokens_come_from_the_package_that_offers_them(folder, monkeypatch):
    entry = SimpleNamespace(name="words", value="words", load=lambda: words)
    monkeypatch.setattr("lamm_data.view.token_masks.entry_points", lambda group: [entry])
    page, done = seen(folder, "--model", "m", "--json")
    assert '<span class="learnt">cat.·</span>' in page
    assert '<span class="seen">Where·</span>' in page
    assert json.loads(done.stdout)["tokens"]["medium"] == 3
    assert "are learnt" in page


def test_without_such_a_package_the_option_says_what_to_install(monkeypatch):
    monkeypatch.setattr("lamm_data.view.token_masks.entry_points", lambda group: [])
    with pytest.raises(UsageError, match="pip install lamm-model"):
        open_token_masks("m")
