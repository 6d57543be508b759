"""`lamm data view`: media with boxes, dialogues, tokens from whoever offers them, and what cannot be shown."""

import json
import re
from html import unescape
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


def series_of(page, name):
    """The series of the figure with a medium."""
    text = re.search(rf'<figure data-series="([^"]*)"[^>]*>(?:(?!</figure>).)*{name}</figcaption>', page)[1]
    return json.loads(unescape(text))


def test_pictures_boxes_clouds_and_dialogues(folder):
    page, _ = seen(folder)
    assert page.count("<article") == 3
    (written,) = series_of(page, "photo.png")
    assert (written["name"], written["answer"]) == ("turn 2", "At [0.25, 0.5, 0.75, 1.0].")
    assert written["marks"] == [{"kind": "box", "numbers": [0.25, 0.5, 0.75, 1.0], "label": "turn 2"}]
    assert "a&lt;b" in page
    assert "&lt;b&gt;dog&lt;/b&gt;" in page
    assert page.count('data-cloud="0"') == 1
    assert len(re.findall("data:image/jpeg;base64,", page)) == 1
    assert "http" not in re.sub(r"Content-Security-Policy|http-equiv|http://www.w3.org/2000/svg", "", page)


def test_3d_boxes_lie_where_the_points_are(folder):
    corners = np.array([[x, y, z] for x in (-2, 2) for y in (-2, 2) for z in (-2, 2)], "f4")
    np.save(folder / "room.npy", corners)
    page, _ = seen(folder)
    (cloud,) = json.loads(re.search(r'id="clouds">(.*?)</script>', page)[1])
    assert (cloud["n"], cloud["low"], cloud["high"]) == (8, [-2, -2, -2], [2, 2, 2])
    (written,) = series_of(page, "room.npy")
    assert written["marks"] == [{"kind": "box3d", "numbers": [0, 0, 0, 1, 2, 1], "label": "turn 2"}]


def test_a_cloud_of_many_records_is_embedded_once(folder):
    record = {"pcl": "room.npy", "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]}
    text = "".join(json.dumps({"id": f"r{number}", **record}) + "\n" for number in range(5))
    (folder / "records.jsonl").write_text(text)
    page, _ = seen(folder)
    assert page.count('data-cloud="0"') == 5
    assert page.count('"xyz"') == 1


def test_what_cannot_be_shown_is_counted_and_named(folder):
    _, done = seen(folder, "--json")
    account = json.loads(done.stdout)
    assert (account["shown"], account["read"], len(account["faults"]), len(account["missing"])) == (3, 3, 2, 1)
    assert "gone.png" in account["missing"][0]


def test_a_sample_is_drawn_evenly_by_its_seed(folder):
    record = {"image": "photo.png", "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]}
    text = "".join(json.dumps({"id": f"r{number}", **record}) + "\n" for number in range(40))
    (folder / "records.jsonl").write_text(text)
    chosen = [re.findall(r"<h2>r(\d+)</h2>", seen(folder, "--sample", "5", "--seed", seed)[0]) for seed in "0012"]
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(len(set(ids)) == 5 and ids == sorted(ids, key=int) for ids in chosen)
    assert any(int(ids[-1]) > 20 for ids in chosen)


def test_annotated_boxes_stand_beside_those_of_the_text(folder):
    row = {"id": "a<b", "image": "photo.png", "captions": ["A dog."],
           "instances": [{"category": "dog", "bbox": [0.25, 0.5, 0.5, 1.0]}]}  # fmt: skip
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    page, _ = seen(folder, "--annotations", str(folder / "rows.jsonl"))
    annotated, written = series_of(page, "photo.png")
    assert (annotated["name"], written["name"]) == ("annotation", "turn 2")
    assert annotated["marks"] == [{"kind": "box", "numbers": [0.25, 0.5, 0.5, 1.0], "label": "dog"}]


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
