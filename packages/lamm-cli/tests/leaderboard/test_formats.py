"""Tables for spreadsheets and papers."""

import csv
import io

from lamm_cli.leaderboard.formats import as_csv, as_latex
from lamm_cli.leaderboard.table import Cell, ComparisonRow, ComparisonTable


def table():
    cells = {"a_1": Cell(0.5, (0.25, 0.75), 0.0), "chance": Cell(None, None, 1.0)}
    worse = {"a_1": Cell(3.0, None, 0.0), "chance": Cell(2.0, None, 0.0)}
    rows = [ComparisonRow("VQA_X", "accuracy", True, 4, cells), ComparisonRow("Counting_X", "mae", False, 4, worse)]
    return ComparisonTable(("a_1", "chance"), rows)


def test_csv_has_a_line_for_every_benchmark_and_run():
    read = list(csv.DictReader(io.StringIO(as_csv(table()))))
    assert len(read) == 4
    assert (read[0]["value"], read[0]["low"], read[1]["value"]) == ("0.5", "0.25", "")


def test_latex_escapes_and_marks_the_best_in_its_direction():
    text = as_latex(table())
    assert r"a\_1" in text
    assert r"0.50 & --" in text
    assert r"3.00 & \textbf{2.00}" in text
    assert text.count(r"\\") == 3
