"""Judges of known bias, over a real socket through the real SDK: what they are comes out of the report."""

import json

import pytest

from lamm_metrics.gpt import judge_answers


def test_always_first_gives_half_and_a_bias_of_one(server, kit, tmp_path):
    references, answers = kit.captions(30, "good {}", "bad {} and long")
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    for rate in found.scores[:2]:
        assert rate.value == 0.5
        assert rate.interval[0] < 0.5 < rate.interval[1]
        assert "|ci:wilson95|" in rate.signature  # all alike: a bootstrap would have no width
    assert found.score("position_bias").value == 1.0
    assert found.score("order_consistency").value == 0.0
    assert found.score("length_bias").value == 0.0
    assert len(server.bodies) == 60


def test_always_second_has_the_opposite_bias(server, kit, tmp_path):
    server.behaviour = lambda body: kit.verdict(1)
    references, answers = kit.captions(10, "good {}", "bad {}")
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    assert found.score("position_bias").value == -1.0
    assert found.scores[0].value == 0.5


def test_longest_wins_shows_as_length_bias(server, kit, tmp_path):
    server.behaviour = kit.longest_wins
    references, answers = kit.captions(30, "good {}", "bad {} and long")
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    assert found.score("length_bias").value == 1.0
    assert found.score("length_bias").extra["longer_preferred"] == 1.0
    assert found.score("position_bias").value == 0.0
    assert found.scores[0].value == 0.0
    assert found.scores[0].interval[1] > 0


def test_known_win_rate_lies_inside_the_interval(server, kit, tmp_path):
    # Both orders are judged independently: the expected outcome is p² + 2p(1-p)/2 = p.
    server.behaviour = kit.truth_plus_noise(0.7)
    references, answers = kit.captions(150, "good {}", "poor {}")
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    rate = found.scores[0]
    assert rate.interval[0] < 0.7 < rate.interval[1]
    assert rate.interval[1] - rate.interval[0] < 0.2
    assert "|ci:bootstrap95|" in rate.signature
    low, high = found.score("position_bias").interval
    assert low < 0 < high


@pytest.mark.parametrize("mode", ["pairwise", "absolute"])
def test_garbage_is_never_a_score(server, kit, tmp_path, mode):
    nonsense = ['{"verdict": "C"}', "A", "1 2", '{"verdict": 1}', "", "[]", '{"verdict": "A"} or {"verdict": "B"}']
    good = {"pairwise": kit.verdict, "absolute": lambda pick: kit.grades(7 - pick)}[mode]

    def judge(body):
        answers = kit.shown_answers(body)
        draw = kit.coin("garbage", *answers)
        if draw < 0.2:
            return nonsense[int(draw * 35) % 7]
        return good(next(iter(i for i, answer in enumerate(answers) if "good" in answer), 1))

    server.behaviour = judge
    references, answers = kit.captions(60, "good {}", "poor {}")
    found = judge_answers(references, answers, kit.settings(server, mode=mode), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "transcripts.jsonl").read_text().splitlines()]
    garbage = [line for line in lines if line["unscored"]]
    assert 10 <= len(garbage) <= 40
    assert all(not line["values"] and len(line["replies"]) == 2 for line in garbage)
    assert sum(found.reports[0].unscored.values()) == len(garbage)
    assert set(found.reports[0].unscored) <= {"no_json", "wrong_form", "empty", "contradictory"}
    rate = found.score("win_rate/predictions (1)")
    # What is left is decided by the judge alone: garbage moves nothing but the number of comparisons.
    assert rate.value == 1.0
    assert rate.n == 60
    assert 0 < rate.n_failed < 40
    assert rate.extra["won"] + rate.n_failed == 60
    assert found.unsent == 0


def test_a_corrected_reply_counts(server, kit, tmp_path):
    server.behaviour = lambda body: kit.verdict(0) if len(body["messages"]) == 4 else "I like A."
    references, answers = kit.captions(3, "good {}", "poor {}")
    found = judge_answers(references, answers, kit.settings(server), tmp_path)
    assert not found.reports[0].unscored
    assert len(server.bodies) == 12
    assert "no JSON object" in server.bodies[-1]["messages"][3]["content"]
    assert server.bodies[-1]["messages"][2]["content"] == "I like A."


def test_absolute_grades_by_five_criteria(server, kit, tmp_path):
    server.behaviour = lambda body: kit.grades(9 if "good" in kit.shown_answers(body)[0] else 4)
    references, answers = kit.captions(12, "good {}", "poor {}")
    found = judge_answers(references, answers, kit.settings(server, mode="absolute"), tmp_path)
    assert found.scores[0].value == 9
    assert found.score("grade/predictions (2)/logical_coherence").value == 4
    low, high = found.scores[0].interval
    assert 1 <= low < 9 < high <= 10
    assert found.score("win_rate/predictions (1)").value == 1.0
    assert len(server.bodies) == 24


def test_one_model_can_be_graded_alone(server, kit, tmp_path):
    server.behaviour = lambda body: kit.grades(5)
    references, answers = kit.captions(3, "good {}")
    found = judge_answers(references, answers, kit.settings(server, mode="absolute"), tmp_path)
    assert len(found.scores) == 6


def test_listwise_ranks_four_models_in_both_orders(server, kit, tmp_path):
    def judge(body):
        answers = kit.shown_answers(body)
        ranks = {"ABCD"[i]: 1 + sorted(answers).index(answer) for i, answer in enumerate(answers)}
        return json.dumps({"explanation": "", "ranks": ranks})

    server.behaviour = judge
    references, answers = kit.captions(10, "b {}", "a {}", "d {}", "c {}")
    found = judge_answers(references, answers, kit.settings(server, mode="listwise"), tmp_path)
    assert len(server.bodies) == 20
    assert [score.value for score in found.scores[:4]] == pytest.approx([2 / 3, 1, 0, 1 / 3])
    strengths = [found.score(f"strength/predictions ({number})").value for number in (2, 1, 4, 3)]
    assert strengths == sorted(strengths, reverse=True)
    assert found.score("position_bias").value == 0.0
    assert found.score("order_consistency").value == 1.0


def test_listwise_judge_that_likes_the_first_shows_full_bias(server, kit, tmp_path):
    server.behaviour = lambda body: json.dumps({"explanation": "", "ranks": {"A": 1, "B": 2, "C": 3}})
    references, answers = kit.captions(6, "a {}", "b {}", "c {}")
    found = judge_answers(references, answers, kit.settings(server, mode="listwise"), tmp_path)
    assert found.score("position_bias").value == 1.0
    assert [score.value for score in found.scores[:3]] == [0.5] * 3


def test_self_agreement_and_agreement_of_judges(server, kit, tmp_path):
    def judge(body):
        answers = kit.shown_answers(body)
        good = 0 if "good" in answers[0] else 1
        if body["model"] == "fickle":
            return kit.verdict(good if body["seed"] == 0 else 1 - good)
        return kit.verdict(good)

    server.behaviour = judge
    references, answers = kit.captions(8, "good {}", "poor {}")
    settings = kit.settings(server, judges=("firm", "fickle"), repeat_share=1.0)
    found = judge_answers(references, answers, settings, tmp_path)
    together, firm, fickle = found.reports
    assert firm.score("self_agreement").value == 1.0
    assert fickle.score("self_agreement").value == 0.0
    assert together.score("self_agreement").value == 0.5
    # All verdicts are equal, so chance agreement is full and alpha is undefined.
    assert found.agreement.value is None
    assert len(server.bodies) == 64


def test_alpha_of_judges_that_disagree(server, kit, tmp_path):
    def judge(body):
        answers = kit.shown_answers(body)
        good = 0 if "good" in answers[0] else 1
        right = int(answers[0].split()[1]) % 2 == 0
        return kit.verdict(good if right or body["model"] == "one" else 1 - good)

    server.behaviour = judge
    references, answers = kit.captions(20, "good {}", "poor {}")
    found = judge_answers(references, answers, kit.settings(server, judges=("one", "two")), tmp_path)
    # 10 units (1, 1) and 10 units (1, 0): alpha = 1 - 39 · 20 / (2 · 30 · 10).
    assert found.agreement.value == pytest.approx(1 - 39 * 20 / 600)
    assert found.agreement.name == "krippendorff_alpha/ordinal"
    assert [report.judge for report in found.reports] == ["all judges", "one", "two"]
