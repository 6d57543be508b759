"""Readers of media in lamm-model and lamm-metrics, asked for what is not below the media root: none opens a file."""

import json
import re

import pytest
from media_names import NOT_THERE, OUTSIDE, media_root

from lamm_metrics import score, write_report
from lamm_metrics.report.media import file_below
from lamm_model.errors import LammModelError
from lamm_model.prediction.queries import read_queries
from lamm_model.training.rows.records import load_training_data
from lamm_model.training.settings.tables import DataSettings


@pytest.fixture
def root(tmp_path):
    return media_root(tmp_path)


def benchmark(root, name, key="image"):
    file = root.parent / "VQA_x.json"
    file.write_text(json.dumps([{"id": "1", "query": "What?", key: name, "task": "VQA"}]))
    return file


@pytest.mark.parametrize("key", ["image", "pcl"])
@pytest.mark.parametrize("name", [*OUTSIDE, *NOT_THERE])
def test_prediction_refuses_the_record_by_its_id(root, name, key):
    with pytest.raises(LammModelError, match="below the media root") as caught:
        read_queries(benchmark(root, name, key), root)
    message = str(caught.value)
    assert "id '1'" in message
    assert len(message) < 600
    assert "\0" not in message
    assert message.encode()


@pytest.mark.parametrize("name", ["a/in.png", "link-in.png", "./a/in.png"])
def test_what_lies_below_is_asked_about_and_shown_under_its_own_name(root, name):
    (query,) = read_queries(benchmark(root, name), root).queries
    assert query.media == (("image", root / name),)
    assert file_below(root, name) == root / name


# Records that name no medium, or half a character, break their contract before a medium is looked for.
@pytest.mark.parametrize("name", [*OUTSIDE, *(name for name in NOT_THERE if name not in ("", "\udcff.png"))])
def test_training_names_the_medium_and_its_record(root, name, monkeypatch):
    class Processor:
        """Never asked for anything: media are looked for first."""

    monkeypatch.setattr("lamm_model.training.rows.records.encode", lambda *_: None)
    monkeypatch.setattr("lamm_model.training.rows.records.fault_of", lambda *_: "")
    record = {"id": "7", "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]}
    file = root.parent / "records.json"
    file.write_text(json.dumps([{**record, "image": name}]))
    with pytest.raises(LammModelError, match="below the media root, found 1 missing") as caught:
        load_training_data(DataSettings(records=(str(file),), media_root=str(root)), Processor())
    assert ("outside the media root" in str(caught.value)) == (name in OUTSIDE)
    assert "records.json:7" in str(caught.value)


@pytest.mark.parametrize("name", [*OUTSIDE, "a", "a\0.png", "circle", "pipe.png"])
def test_the_report_knows_no_such_file(root, name):
    assert file_below(root, name) is None


@pytest.mark.parametrize("name", [*OUTSIDE, *NOT_THERE])
def test_a_page_of_the_report_shows_no_file_but_what_lies_below(root, name):
    references = [{"id": "1", "label": "cat", "image": name}, {"id": "2", "label": "cat", "image": "a/in.png"}]
    answers = [{"id": "1", "text": "a cat"}, {"id": "2", "text": "a cat"}]
    report = score("classification", references, answers, draws=20)
    page = write_report(root.parent / "page.html", [report], root).read_text("utf-8")
    media = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))["media"]
    shown = [entry["picture"] for entry in media]
    assert sum(picture.startswith("data:image/png") for picture in shown) == 1  # of the second record
    if name in OUTSIDE:
        assert len(shown) == 1  # not even a link to the first record's
    assert all(not picture.startswith(("/", "..")) for picture in shown)
