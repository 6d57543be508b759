"""The leaderboard: one axis a set, directions by shape, chance and blind as marks, numbers with digits by n."""

import re
from types import SimpleNamespace

import pytest
from scores_made import made_report, made_score

from lamm_metrics.report.entrants import entrants_of
from lamm_metrics.report.forest import Axis, lane
from lamm_metrics.report.leaderboard import best_of, leaderboard
from lamm_metrics.report.shown import ahead, digits, ticks_of


def marks(html, kind):
    return [float(place) for place in re.findall(rf'<svg x="([0-9.]+)%" y="50%" class="at {kind}">', html)]


def test_roles_are_told_by_name():
    found = entrants_of(["a", "a (blind)", "b", "blind", "x (blind)", "chance"])
    assert {name: (one.role, one.of, one.colour) for name, one in found.items()} == {
        "a": ("model", "a", 1),
        "a (blind)": ("blind", "a", 1),
        "b": ("model", "b", 2),
        "blind": ("blind", "a", 1),
        "x (blind)": ("model", "x (blind)", 3),
        "chance": ("chance", "", 0),
    }
    assert entrants_of(["chance"])["chance"].role == "model"


def test_all_models_of_a_set_lie_on_one_axis_however_long_their_names_are():
    arranged = {"a": {"X": made_report(0.2)}, "b" * 80: {"X": made_report(0.6)}, "chance": {"X": made_report(0.1)}}
    html = leaderboard(arranged, {})
    assert marks(html, "seen") == [25.0, 75.0]  # of an axis from 0 to 0.8
    assert html.count('class="chance-line" x1="12.50%"') == 2
    assert html.count("<tr data-model=") == 2


def test_an_error_below_1_is_an_error_and_no_share():
    html = leaderboard({"a": {"X": made_report(0.3, higher=False)}, "b": {"X": made_report(0.35, higher=False)}}, {})
    assert "← less is better" in html
    assert "more is better" not in html
    assert html.count('<path d="M-7 0L5 -7V7Z"/>') == 2  # triangles to the left
    assert ">0.4</text>" in html  # the axis ends where the scores do
    assert ">1</text>" not in html


def test_a_score_far_beyond_the_others_leaves_them_their_place():
    wild, mild = made_score(15728.0, half=4000.0, higher=False), made_score(1.2, half=0.3, higher=False)
    axis = Axis(ticks_of([wild, mild]), higher_is_better=False)
    assert axis.ticks[-1] == 1.5
    assert "M-11 -5" in lane("a", wild, None, None, axis)  # an arrow at the end of the axis
    assert "M-11 -5" not in lane("a", mild, None, None, axis)
    # What is better than all others is never left off.
    assert ticks_of([made_score(0.53), made_score(0.01, half=0.01)])[-1] >= 0.58
    assert ticks_of([made_score(None)]) == [0, 0.25, 0.5, 0.75, 1]


def test_the_best_is_never_chance_and_clear_only_beyond_the_interval():
    scores = {"a": made_score(0.5), "b": made_score(0.7), "c": made_score(0.65)}
    assert best_of(scores) == ({"b"}, "")
    assert best_of({"a": scores["a"], "b": scores["b"]}) == ({"b"}, "b")
    assert best_of({"a": scores["a"], "d": scores["a"]}) == (set(), "")
    html = leaderboard({"a": {"X": made_report(0.5)}, "chance": {"X": made_report(0.9)}}, {})
    assert 'value best"' not in html


@pytest.mark.parametrize(
    ("value", "n", "shown"),
    [(0.12345, 999, "0.12"), (0.12345, 1000, "0.123"), (-0.5, 9, "−0.50"), (-0.001, 9, "0.00"), (123.46, 9, "123.5"),
     (12345.6, 9, "12,346"), (float("nan"), 9, "–"), (float("inf"), 9, "–"), (None, 9, "–")],
)  # fmt: skip
def test_digits_follow_the_number_of_records(value, n, shown):
    assert digits(value, n) == shown


def test_scores_without_an_interval_are_never_ahead():
    assert ahead(made_score(0.9, half=None), made_score(0.1)) == 0
    assert ahead(made_score(0.9), made_score(0.1)) == 1
    assert ahead(made_score(0.9, higher=False), made_score(0.1, higher=False)) == -1


def test_only_what_was_compared_has_a_difference():
    arranged = {"a": {"X": made_report(0.5)}, "a (blind)": {"X": made_report(0.4)}}
    test = SimpleNamespace(difference=-0.1, p_value=0.02)
    html = leaderboard(arranged, {"X": {"a (blind)": test}})
    assert ">Δ</th>" not in html
    assert "<small>[0.35, 0.45]</small> <small>p = 0.020</small></td>" in html
    assert ">Δ</th>" in leaderboard({"b": {"X": made_report(0.5)}, **arranged}, {"X": {"a": test}})
