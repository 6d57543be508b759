"""What a report says first: who is ahead, by more than noise or not."""

from types import SimpleNamespace

from scores_made import made_report

from lamm_metrics.report.findings import FIRST, findings_of


def told(arranged, significance=None, against=FIRST):
    return findings_of(arranged, significance or {}, against).ahead


def test_the_only_model_is_named_with_its_scores():
    (sentence,) = told({"a": {"VQA_X": made_report(0.5)}})
    assert sentence == "a has accuracy 0.50 [0.45, 0.55] on VQA X (100 records; more is better)."
    (sentence,) = told({"a": {"VQA_X": made_report(0.5, n=1)}})
    assert "(1 record; more is better)" in sentence


def test_a_leader_is_clear_only_where_intervals_lie_apart():
    arranged = {
        "a": {"X": made_report(0.9), "Y": made_report(0.5), "Z": made_report(3.0, higher=False)},
        "b": {"X": made_report(0.5), "Y": made_report(0.52), "Z": made_report(2.0, higher=False)},
    }
    assert told(arranged) == [
        "a has the best score on 1 of 3 sets (X); clear of all others on X.",
        "b has the best score on 2 of 3 sets (all but X); clear of all others on Z.",
    ]


def test_ties_and_sets_of_one_model_have_no_leader():
    arranged = {"a": {"X": made_report(0.5), "Y": made_report(0.9)}, "b": {"X": made_report(0.5)}}
    assert told(arranged) == ["All models score the same on X."]
    assert told({"a": {"X": made_report(0.5)}, "b": {"Y": made_report(0.5)}}) == [
        "No two models were scored on the same set."
    ]


def test_chance_and_blind_never_lead_and_are_compared_with():
    arranged = {
        "a": {"X": made_report(0.5), "Y": made_report(0.5)},
        "a (blind)": {"X": made_report(0.9), "Y": made_report(0.2)},
        "chance": {"X": made_report(0.95), "Y": made_report(0.3)},
    }
    assert told(arranged)[2:] == [
        "Clear of chance, in sets: a on 1 of 2.",
        "Clear of the same model blind, in sets: a on 1 of 2.",
    ]
    assert not any("best score" in sentence for sentence in told(arranged))


def test_paired_tests_are_corrected_for_their_number_and_say_which_way():
    def test_of(difference, p):
        return SimpleNamespace(difference=difference, p_value=p)

    arranged = {
        name: {"X": made_report(0.5), "Y": made_report(0.5, higher=False), "Z": made_report(0.5)} for name in "abc"
    }
    significance = {
        "X": {"b": test_of(0.2, 0.0004), "c": test_of(0.1, 0.04)},
        "Y": {"b": test_of(0.3, 0.001), "c": test_of(0.0, 1.0)},
        "Z": {"b": test_of(None, None), "c": test_of(0.1, 0.04)},
    }
    assert told(arranged, significance)[1:] == [
        "b against a: better on 1 of 2 sets (X), most by 0.20 on X, p < 0.001; worse on 1 of 2 sets (Y), most by 0.30 "
        "on Y, p = 0.001 (paired tests, p < 0.05 after Holm's correction).",
        "No difference from a beyond noise: c.",  # 0.04 three times is no finding
    ]
    only = {"X": {"a": test_of(-0.5, 0.01)}}
    assert told({"a": {"X": made_report(0.5)}}, only, "the unchanged file")[1:] == [
        "a against the unchanged file: worse on X, most by 0.50 on X, p = 0.010 (paired test, p < 0.05)."
    ]
