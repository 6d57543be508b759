"""Several runs beside chance."""

import csv
import io
import json
from dataclasses import replace

import pytest

from lamm_cli.leaderboard.scores import BenchmarkFilesError
from lamm_cli.leaderboard.table import LATEX, Cell, ComparisonRow, ComparisonTable


def row(mine, theirs, higher=True):
    return ComparisonRow("b", "m", higher, 9, {"tuned": Cell(0.5, mine, 0.0), "blind": Cell(0.5, theirs, 0.0)})


def test_one_run_beats_another_only_when_intervals_are_apart():
    assert row((0.6, 0.8), (0.2, 0.5)).beats("tuned", "blind")
    assert not row((0.4, 0.8), (0.2, 0.5)).beats("tuned", "blind")
    assert row((0.1, 0.2), (0.3, 0.5), higher=False).beats("tuned", "blind")
    assert not row(None, (0.3, 0.5)).beats("tuned", "blind")


def test_the_table_marks_what_beats_blind(tmp_path):
    table = ComparisonTable(("tuned", "blind"), [row((0.6, 0.8), (0.2, 0.5)), row((0.4, 0.8), (0.2, 0.5))])
    lines = table.markdown().splitlines()
    assert "\\*" in lines[2]
    assert "\\*" not in lines[3]
    near = row((0.6, 0.8), (0.2, 0.5))
    of_chance = replace(near, cells={**near.cells, "chance": Cell(0.5, (0.4, 0.7), 0.0)})
    assert "\\*" not in ComparisonTable(("tuned", "blind", "chance"), [of_chance]).markdown()
    table.write(tmp_path)
    assert json.loads((tmp_path / "table.json").read_text())["rows"][0]["beats"] == ["blind"]


def test_missing_files_are_named(tmp_path):
    pytest.importorskip("lamm_metrics")
    from lamm_cli.leaderboard.table import compare_runs

    with pytest.raises(BenchmarkFilesError, match="found none"):
        compare_runs(tmp_path, {"tuned": tmp_path}, tmp_path / "r.html", tmp_path)
    records = [{"id": str(n), "image": f"{n}.png", "query": "?", "num": n, "task": "counting"} for n in range(4)]
    (tmp_path / "Counting_X.json").write_text(json.dumps(records))
    with pytest.raises(BenchmarkFilesError, match="predictions of tuned"):
        compare_runs(tmp_path, {"tuned": tmp_path}, tmp_path / "r.html", tmp_path)


def test_runs_are_scored_and_reported(tmp_path):
    pytest.importorskip("lamm_metrics")
    from lamm_cli.leaderboard.table import compare_runs

    records = [{"id": str(n), "image": f"{n}.png", "query": "?", "num": n % 7, "task": "counting"} for n in range(40)]
    (tmp_path / "Counting_X.json").write_text(json.dumps(records))
    for name, answer in (("tuned", lambda n: n % 7), ("blind", lambda n: 3)):
        (tmp_path / name).mkdir()
        lines = [json.dumps({"id": str(n), "text": str(answer(n))}) for n in range(40)]
        (tmp_path / name / "Counting_X.jsonl").write_text("\n".join(lines))
    runs = {name: tmp_path / name for name in ("tuned", "blind")}
    table = compare_runs(tmp_path, runs, tmp_path / "report.html", tmp_path)
    assert table.runs == ("tuned", "blind", "chance")
    assert table.rows[0].cells["tuned"].value == 0.0
    assert table.rows[0].beats("tuned", "blind")
    assert table.rows[0].beats("tuned", "chance")
    assert "Counting_X" in (tmp_path / "report.html").read_text()
    more = compare_runs(tmp_path, runs, tmp_path / "report.html", tmp_path, ["rmse", "cider_d"])
    assert [one.metric for one in more.rows] == ["mae", "rmse"]


def table():
    cells = {"a_1": Cell(0.5, (0.25, 0.75), 0.0), "chance": Cell(None, None, 1.0)}
    worse = {"a_1": Cell(3.0, None, 0.0), "chance": Cell(2.0, None, 0.0)}
    rows = [ComparisonRow("VQA_X", "accuracy", True, 4, cells), ComparisonRow("Counting_X", "mae", False, 4, worse)]
    return ComparisonTable(("a_1", "chance"), rows)


def test_csv_has_a_line_for_every_benchmark_and_run():
    read = list(csv.DictReader(io.StringIO(table().csv())))
    assert len(read) == 4
    assert (read[0]["value"], read[0]["low"], read[1]["value"]) == ("0.5", "0.25", "")


def test_latex_takes_every_character_for_a_character():
    assert "a & b \\_ ^".translate(LATEX) == r"a \& b \textbackslash{}\_ \textasciicircum{}"
    assert "#$%{}~\n".translate(LATEX) == r"\#\$\%\{\}\textasciitilde{} "


def test_latex_escapes_and_marks_the_best_in_its_direction():
    text = table().latex()
    assert r"a\_1" in text
    assert r"0.50 & --" in text
    assert r"3.00 & \textbf{2.00}" in text
    assert text.count(r"\\") == 3
