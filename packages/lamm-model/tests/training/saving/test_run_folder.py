"""A run's folder says what the run is, and refuses another."""

import json

import pytest
import torch

from lamm_model.errors import UsageError
from lamm_model.training.saving.run_folder import RUN, begin, claim, describe_data, read_complete, threads_of
from lamm_model.training.settings.settings import settings_from_tables

TABLES = {"model": {"path": "m"}, "data": {"records": ["a.jsonl"]}}


@pytest.fixture
def made(tmp_path):
    records, medium = tmp_path / "a.jsonl", tmp_path / "a.png"
    records.write_text("{}")
    medium.write_bytes(b"12345")
    data = describe_data([str(records)], [str(medium)])
    run = tmp_path / "run"
    run.mkdir()
    begin(settings_from_tables(TABLES, "test"), run, data)
    (run / "checkpoint-1").mkdir()
    return run, records, medium


def test_the_folder_holds_config_versions_data_and_seed(made):
    run, records, _ = made
    about = json.loads((run / RUN).read_text())
    assert about["settings"]["model"]["path"] == "m"
    assert about["versions"]["torch"]
    assert about["seed"] == 0
    assert about["threads"] == threads_of(run) == torch.get_num_threads()
    (run / "none").mkdir()
    assert threads_of(run / "none") is None
    assert about["data"]["media"] == 1
    assert len(about["data"]["records"][str(records)]) == 64


def test_changed_data_are_named(made):
    run, records, medium = made
    settings = settings_from_tables(TABLES, "test")
    begin(settings, run, describe_data([str(records)], [str(medium)]))
    records.write_text("{ }")
    medium.write_bytes(b"123456")
    with pytest.raises(UsageError, match=r"other data:\n.*a\.jsonl has changed since\n.*sizes differ"):
        begin(settings, run, describe_data([str(records)], [str(medium)]))


def test_every_difference_is_listed_but_those_that_change_no_number(made):
    run, _, _ = made
    other = {**TABLES, "training": {"seed": 3, "learning_rate": 1.0, "workers": 4, "log_every": 1}}
    with pytest.raises(UsageError) as error:
        claim(settings_from_tables(other, "test"), run)
    text = str(error.value)
    assert "training.seed: 0 there, 3 here" in text
    assert "training.learning_rate: 0.0005 there, 1.0 here" in text
    assert "workers" not in text
    claim(settings_from_tables({**TABLES, "training": {"workers": 4}}, "test"), run)


def test_a_torn_record_of_a_run_is_named(made):
    run, _, _ = made
    (run / RUN).write_text("{")
    with pytest.raises(UsageError, match=r"run\.json"):
        claim(settings_from_tables(TABLES, "test"), run)


def test_a_run_that_left_nothing_gives_way_to_another(made):
    run, records, medium = made
    (run / "checkpoint-1").rmdir()
    records.write_text("{ }")
    other = settings_from_tables({**TABLES, "training": {"seed": 3}}, "test")
    claim(other, run)
    begin(other, run, describe_data([str(records)], [str(medium)]))
    assert json.loads((run / RUN).read_text())["seed"] == 3


def test_a_model_without_the_record_of_its_run_is_not_taken_for_a_run(tmp_path):
    with pytest.raises(UsageError, match=r"no finetune\.json\. Choose another --output"):
        read_complete(tmp_path, "finetune.json")
    (tmp_path / "finetune.json").write_text("{")
    with pytest.raises(UsageError, match=r"finetune\.json, found Expecting"):
        read_complete(tmp_path, "finetune.json")
