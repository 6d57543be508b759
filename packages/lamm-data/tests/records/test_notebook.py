"""What a notebook shows of records: what is said, and the picture where it lies below the current folder."""

import pytest
from PIL import Image

from lamm_data import BenchmarkRecord, InstructionRecord

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Image.new("RGB", (900, 300), "red").save(folder / "cup.jpg")
    Image.new("RGB", (9, 9), "red").save(tmp_path / "outside.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def dialogue(**media):
    turns = [{"from": "human", "value": f"<image>\nWhat is it? {EVIL}"}, {"from": "gpt", "value": "A cup."}]
    return InstructionRecord.from_dict({"id": "7", "conversations": turns, **media})


def test_a_dialogue_stands_beside_its_picture(here):
    shown = dialogue(image="cup.jpg")._repr_html_()
    assert 'src="data:image/png;base64,' in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert shown.index("What is it?") < shown.index("A cup.")


@pytest.mark.parametrize("path", ["../outside.png", "broken.png", "absent.png"])
def test_no_picture_is_read_from_elsewhere_or_where_there_is_none(here, path):
    shown = dialogue(image=path)._repr_html_()
    assert "<img" not in shown
    assert path in shown


def test_absolute_paths_and_clouds_show_their_names(here):
    assert "<img" not in dialogue(image=str(here / "cup.jpg"))._repr_html_()
    assert "rooms/1.npy" in dialogue(pcl="rooms/1.npy")._repr_html_()


def test_a_question_stands_with_its_truth(here):
    record = BenchmarkRecord(id="1", query="How many?", image="cup.jpg", num=3, task="counting", system="Count.")
    shown = record._repr_html_()
    for text in ("How many?", "Count.", "num", "3", "<img"):
        assert text in shown
