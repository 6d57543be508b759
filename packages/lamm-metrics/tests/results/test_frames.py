"""Reports as frames of pandas and polars."""

import pytest

from lamm_metrics import LammMetricsError, UsageError, read_predictions, results_frame, score
from lamm_metrics.results import report as module

REFERENCES = [{"id": i, "num": i % 5, "image": f"{i}.png"} for i in range(9)]


@pytest.fixture
def reports():
    answers = [{"id": i, "text": "?" if i == 3 else str(i % 4)} for i in range(9)]
    named = {name: read_predictions(answers, name=name) for name in ("one", "two")}
    return [score("counting", REFERENCES, found, draws=20) for found in named.values()]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_row_a_score(reports, library):
    pytest.importorskip(library)
    frame = reports[0].to_frame(library)
    headline = reports[0].headline
    assert type(frame).__module__.startswith(library)
    assert list(frame["score"]) == [one.name for one in reports[0].scores]
    assert (frame["value"][0], frame["low"][0], frame["high"][0]) == (headline.value, *headline.interval)
    assert (frame["n"][0], frame["unread"][0], frame["model"][0], frame["task"][0]) == (9, 1, "one", "counting")
    both = results_frame(reports, library)
    assert list(both["model"]) == ["one"] * len(frame) + ["two"] * len(frame)
    assert list(both["signature"]) == list(frame["signature"]) * 2


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_row_a_sample(reports, library):
    pytest.importorskip(library)
    frame = reports[0].to_frame(library, samples=True)
    assert list(frame["id"]) == [str(i) for i in range(9)]
    assert list(frame["status"]) == [one.status for one in reports[0].samples]
    assert "nothing of the kind" in frame["detail"][3]


def test_undefined_scores_and_no_reports_make_frames(reports):
    pytest.importorskip("pandas")
    empty = score("counting", [], [])
    assert empty.to_frame()["value"].isna().all()
    assert len(results_frame([])) == 0


def test_without_a_library_what_to_install_is_said(reports, monkeypatch):
    with pytest.raises(UsageError, match="Expected pandas or polars, got 'arrow'"):
        results_frame(reports, "arrow")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(LammMetricsError, match="pip install pandas"):
        results_frame(reports)
    with pytest.raises(LammMetricsError, match=r"Expected polars, got none\. Install it: pip install polars"):
        reports[0].to_frame("polars")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_mapping_names_the_models_of_reports_without_a_name(library):
    pytest.importorskip(library)
    report = score("counting", [{"id": 1, "num": 3}], [{"id": 1, "text": "3"}], draws=10)
    assert set(results_frame({"mine": report, "theirs": report}, library)["model"]) == {"mine", "theirs"}
