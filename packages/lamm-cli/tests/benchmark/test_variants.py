"""The table of variants, the judge's rows, and what a run directory remembers, without the other packages."""

import csv
import io
import json

import pytest

from lamm_cli.benchmark.judging import Judged, JudgedRow, judge_captions
from lamm_cli.benchmark.provenance import absolute_paths
from lamm_cli.benchmark.variants import (
    HEAD,
    VariantRow,
    variants_csv,
    variants_markdown,
    variants_written,
    write_variants,
)
from lamm_cli.leaderboard.scores import BenchmarkFile, Scorer
from lamm_cli.leaderboard.table import Cell
from lamm_cli.settings import packaged_settings

PAIRED = VariantRow(
    *("remapping", "digits", "VQA_X+digits", "accuracy", True, "m"),
    base=Cell(0.9, (0.8, 1.0), 0.0),
    score=Cell(0.5, (0.4, 0.6), 0.1),
    difference=-0.4,
    interval=(-0.5, -0.3),
    p_value=0.001,
    same_choice=Cell(0.45, (0.35, 0.55), 0.0),
    kept=Cell(0.38, (0.2, 0.56), 0.0),
    ece=(Cell(0.1, None, 0.0), Cell(None, None, 1.0)),
)
ALONE = VariantRow("hallucination", "random", "POPE_X+random", "accuracy", True, "m", None, Cell(0.5, None, 0.0))


def test_a_row_shows_base_variant_and_difference():
    shown = dict(zip(HEAD, PAIRED.texts(), strict=True))
    assert shown["benchmark"] == "VQA_X"
    assert shown["base"] == "0.90 [0.80, 1.00]"
    assert shown["difference"] == "-0.40 [-0.50, -0.30]"
    assert shown["kept share"] == "0.38 [0.20, 0.56]"
    assert shown["ECE mass"] == "undefined"
    assert dict(zip(HEAD, ALONE.texts(), strict=True))["difference"] == "–"
    assert variants_markdown([PAIRED, ALONE]).count("\n") == 4


def test_csv_has_a_column_a_number():
    first, second = csv.DictReader(io.StringIO(variants_csv([PAIRED, ALONE])))
    assert (first["base"], first["low"], first["ece_width"], first["ece_mass"]) == ("0.9", "-0.5", "0.1", "")
    assert (first["same_choice"], first["kept"], first["kept_low"], first["kept_high"]) == (
        "0.45",
        "0.38",
        "0.2",
        "0.56",
    )
    assert (second["base"], second["difference"], second["score"]) == ("", "", "0.5")


def test_tables_are_written_once(tmp_path):
    assert not variants_written(tmp_path, [PAIRED])
    write_variants(tmp_path, [PAIRED])
    assert not variants_written(tmp_path, [PAIRED])  # a run that was killed before it wrote the page
    (tmp_path / "recipes.html").touch()
    assert variants_written(tmp_path, [PAIRED])
    assert json.loads((tmp_path / "recipes.json").read_text())[0]["interval"] == [-0.5, -0.3]
    assert not variants_written(tmp_path, [PAIRED, ALONE])


def test_nobody_judges_without_an_endpoint(tmp_path):
    assert judge_captions({"endpoint": ""}, [], {}, tmp_path) == Judged()
    said = Judged([JudgedRow("Caption_X", "m", "win_rate", Cell(0.75, (0.5, 1.0), 0.0), 8)])
    assert said.reports("m") == {}
    assert said.csv() == "Caption_X,gpt_win_rate,True,8,m,0.75,0.5,1.0,\n"
    assert Judged().csv() == ""


def test_a_judges_scores_are_rows_of_the_leaderboard():
    pytest.importorskip("lamm_metrics")
    score = {"name": "win_rate/p", "value": 0.75, "interval": [0.5, 1.0], "n": 8, "n_failed": 1, "failure_rate": 0.125}
    score |= {"higher_is_better": True, "signature": "s", "extra": {}}
    said = Judged(scores={"m": {"Caption_X gpt_win_rate": score}})
    assert said.reports("other") == {}
    headline = said.reports("m")["Caption_X gpt_win_rate"].headline
    assert (headline.name, headline.value, headline.interval) == ("gpt_win_rate", 0.75, (0.5, 1.0))


def test_paths_become_absolute_and_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("own.toml", "short.toml"):
        (tmp_path / name).touch()
    for name in ("world", "mine", "remapping"):
        (tmp_path / name).mkdir()
    settings = packaged_settings("benchmark")
    settings["benchmark"] |= {"root": "world", "recipes": ["own.toml", "remapping"]}
    settings |= {"models": {"a": "mine", "b": "mine@http://localhost/v1"}}
    settings["finetune"]["config"] = "short.toml"
    found = absolute_paths(settings)
    assert found["benchmark"]["root"] == str(tmp_path / "world")
    assert found["benchmark"]["recipes"] == [str(tmp_path / "own.toml"), "remapping"]
    assert found["models"] == {"a": str(tmp_path / "mine"), "b": "mine@http://localhost/v1"}
    assert found["finetune"]["config"] == str(tmp_path / "short.toml")
    assert absolute_paths(packaged_settings("benchmark")) == packaged_settings("benchmark")


def test_what_was_found_out_is_remembered_until_the_answers_change(tmp_path):
    pytest.importorskip("lamm_metrics", reason="what is remembered depends on the version of lamm-metrics")
    path, answers = tmp_path / "VQA_X.json", tmp_path / "m" / "VQA_X.jsonl"
    path.write_text('[{"task": "vqa"}]')
    answers.parent.mkdir()
    answers.write_text("one")
    file, scorer, calls = BenchmarkFile.read(path, tmp_path), Scorer(tmp_path / "scores"), []

    def found():
        calls.append(answers.read_text())
        return {"n": len(calls)}

    assert [scorer.beside(answers, file, "x", found)["n"] for _ in range(2)] == [1, 1]
    answers.write_text("two")
    assert scorer.beside(answers, file, "x", found) == {"n": 2}
    assert scorer.beside(answers, file, "x", found, b"more") == {"n": 3}
    assert calls == ["one", "two", "two"]
