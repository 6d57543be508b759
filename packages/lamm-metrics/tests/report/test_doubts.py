"""What a report says of answers that could not be read, and of scores that look wrong."""

from scores_made import made_report, made_samples

from lamm_metrics.report.findings import FIRST, findings_of


def found(arranged):
    return findings_of(arranged, {}, FIRST)


def doubts(arranged):
    return found(arranged).doubts


def test_unread_answers_are_told_by_model_the_worst_first():
    arranged = {
        "a": {"X": made_report(0.5, failed=1), "Y": made_report(0.5)},
        "b": {"X": made_report(0.5, failed=30, extra={"failures_right": 0.8}), "Y": made_report(0.5)},
        "chance": {"X": made_report(0.5, failed=9), "Y": made_report(0.5)},
    }
    assert found(arranged).unread == [
        "b: 30 of 200 answers (15.0%), most on X (30%). Were these right, accuracy there would be 0.80, not 0.50.",
        "a: 1 of 200 answers (0.5%), most on X (1%).",
    ]
    assert any(one.startswith("A fifth or more of the answers unread") and "b on" in one for one in doubts(arranged))
    assert found({"a": {"X": made_report(0.5)}}).unread == []


def test_of_many_models_the_worst_are_told_one_by_one():
    arranged = {f"m{k}": {"X": made_report(0.5, failed=k)} for k in range(1, 7)}
    told = found(arranged).unread
    assert [one[:2] for one in told[:3]] == ["m6", "m5", "m4"]
    assert told[3] == "m3, m2, m1: 3.0% or less."


def test_one_answer_to_everything_is_seen_unless_it_is_the_truth():
    same = made_report(0.5, samples=made_samples([("yes", "yes"), ("yes", "no")] * 4))
    assert "a answers “yes” to all 8 readable questions of X." in doubts({"a": {"X": same}})
    right = made_report(0.5, samples=made_samples([("yes", "yes")] * 8))
    mixed = made_report(0.5, samples=made_samples([("yes", "yes"), ("no", "no")] * 4))
    few = made_report(0.5, samples=made_samples([("yes", "yes"), ("yes", "no")] * 2))
    assert not any("answers “yes”" in one for one in doubts({"a": {"X": right, "Y": mixed, "Z": few}}))


def test_chance_and_blindness_are_compared_by_direction():
    arranged = {
        "a": {"X": made_report(0.2), "Y": made_report(2.0, higher=False), "Z": made_report(0.5)},
        "a (blind)": {"X": made_report(0.05), "Y": made_report(2.0, higher=False), "Z": made_report(0.6)},
        "chance": {"X": made_report(0.5), "Y": made_report(1.0, higher=False), "Z": made_report(0.5)},
    }
    assert doubts(arranged) == [
        "Worse than chance: a on 2 of 3 sets (all but Z).",
        "Not to be told from chance: a on 1 of 3 sets (Z).",
        "No better with the picture or cloud than without: a on 2 of 3 sets (all but X).",
    ]


def test_scores_that_do_not_compare_are_told():
    arranged = {
        "a": {"X": made_report(0.5, n=100), "Y": made_report(0.5)},
        "b": {"X": made_report(0.5, n=90, signature="accuracy|failed:skip|ci:none|v:1")},
    }
    assert doubts(arranged) == [
        "Not scored: b on 1 of 2 sets (Y).",
        "Not all were scored on the same number of records on 1 of 2 sets (X): these scores do not compare.",
        "On X not all were scored alike: failed differ.",
    ]


def test_few_records_undefined_scores_and_notes_are_told():
    told = doubts(
        {"a": {"X": made_report(None, n=3, note="all 3 answers are empty")}, "b": {"X": made_report(0.5, n=3)}}
    )
    assert told == [
        "No score, as it is undefined: a on X.",
        "Fewer than 20 records on X: read the intervals, not the scores.",
        "a on X: all 3 answers are empty.",
    ]
    assert doubts({"a": {"X": made_report(float("nan"))}})[0].startswith("No score")
