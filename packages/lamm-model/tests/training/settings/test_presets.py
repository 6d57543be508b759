"""What a configuration names is looked for before anything is loaded, and all that is missing is listed."""

import sys

import pytest

from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.run.finetune import finetune
from lamm_model.training.run.parts import load_parts
from lamm_model.training.settings.presets import check_names
from lamm_model.training.settings.settings import settings_from_tables

PARTS = {"language_model": "embedded", "image_tower": "owner/tower"}


def test_everything_that_is_missing_is_listed_at_once(tmp_path):
    tables = {
        "model": {"language_model": "./nowhere", "image_tower": "owner/tower"},
        "data": {"records": ["gone.jsonl"], "media_root": "lost", "feature_cache": "none"},
        "evaluation": {"records": ["held.jsonl"], "benchmark": "b.json", "command": ["no-program", "{predictions}"]},
    }
    with pytest.raises(UsageError, match="7 missing") as error:
        finetune(settings_from_tables(tables, "test"), tmp_path / "run")
    named = (
        "./nowhere",
        "gone.jsonl",
        "folder lost",
        "lamm model cache-features",
        "held.jsonl",
        "b.json",
        "no-program",
    )
    assert [name for name in named if name not in str(error.value)] == []
    assert not (tmp_path / "run").exists()


def test_what_is_there_or_may_be_on_a_hub_is_not_missing(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}")
    data = {"records": [str(tmp_path / "a.jsonl")], "media_root": str(tmp_path)}
    judged = {"benchmark": str(tmp_path / "a.jsonl"), "command": [sys.executable, "{predictions}"]}
    check_names(settings_from_tables({"model": PARTS, "data": data, "evaluation": judged}, "test"))
    check_names(settings_from_tables({"model": {"path": str(tmp_path)}, "data": data}, "test"))


def test_a_folder_that_holds_no_model_is_named_by_its_key(tmp_path):
    tables = {"model": {**PARTS, "language_model": str(tmp_path)}, "data": {"records": ["a.jsonl"]}}
    with pytest.raises(LammModelError, match=r"It is what model\.language_model names") as error:
        load_parts(settings_from_tables(tables, "test"))
    assert str(tmp_path) in str(error.value)
