"""The page of verification shows its result file, which has a row for each task and each published rule."""

import importlib.util
import json
import sys

import pytest
from documentation_blocks import ROOT

SCRIPT = ROOT / "benchmarks" / "metrics" / "verification.py"


@pytest.fixture(scope="module")
def verification():
    spec = importlib.util.spec_from_file_location("verification", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result(verification):
    return json.loads(verification.RESULT.read_text(encoding="utf-8"))


def test_the_page_is_that_of_the_result(verification, result):
    assert verification.PAGE.read_text(encoding="utf-8") == verification.page(result), (
        "write it again: python benchmarks/metrics/verification.py --page"
    )


def test_every_task_and_every_rule_has_a_row(verification, result):
    rows = result["measured"]["rows"]
    lacking = "add a comparison to benchmarks/metrics/verification_*.py and run `nox -s verification`"
    assert not verification.missing(rows), lacking
    assert "vqa3d under standard" in verification.missing([row for row in rows if row["task"] != "vqa3d"])


def test_what_is_not_equal_says_why(result):
    for row in result["measured"]["rows"]:
        assert row["mark"] == "equal" or row["reason"], row
        assert row["mark"] != "within" or row["difference"] <= row["bound"] <= 1e-6, row


def test_rules_of_published_numbers_exist(verification):
    assert {row[3] for row in verification.PRINTED} <= verification.PUBLISHED.keys()


def test_marks_are_those_of_the_numbers(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from verification_rows import Row

    def mark(ours, theirs, **more):
        return Row("caption", "standard", "x", "y", ours, theirs, **more).to_json()["mark"]

    assert mark([1.0, None], [1.0, None]) == "equal"
    assert mark([1.0], [1.0 + 1e-7], bound=1e-6, reason="float32") == "within"
    assert mark([1.0], [1.0 + 1e-7], bound=1e-6) == "different"
    assert mark([1.0], [1.1], bound=1e-6, reason="float32") == "different"
    assert mark([None], [0.0]) == "different"
    sys.modules.pop("verification_rows", None)
