"""`score` over the tasks: files or records in, a report out; chance is scored like any model."""

import hashlib
import json

import numpy as np
import pytest

import lamm_metrics
from lamm_metrics import Prediction, chance_predictions, score
from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.paper.metric import PAPER_FORMULAS
from lamm_metrics.records.files import FileFaultsError
from lamm_metrics.records.tasks import TASKS

BOX = [0.1, 0.2, 0.5, 0.6]
SOLID = [1.0, 2.0, 0.5, 1.0, 1.0, 1.0]
JOINTS = [[10 * i % 97, 7 * i % 89, 1] for i in range(1, 15)]
# Per task a true record and an answer in words that is right.
CASES = {
    "classification": ({"label": "cat", "labels": ["cat", "dog"]}, "This is a cat."),
    "fine_grained_classification": ({"label": "river", "labels": ["river", "beach"]}, "river"),
    "facial_classification": ({"attr": "1"}, "Yes, she is smiling."),
    "detection": ({"object": [{"label": "cat", "bbox": BOX}], "image_size": [10, 10]}, f"There is a cat at {BOX}."),
    "keypoint_detection": (
        {"gt_joints": [[50, 50, 1], [20, 80, 1]], "joints": ["neck", "head top"], "image_size": [100, 100]},
        {"neck": "[0.5, 0.5]", "head top": "[0.2, 0.8]"},
    ),
    "vqa": ({"gt_choice": 1, "gt_choices": ["red", "blue"]}, "The answer is (B)."),
    "caption": ({"sentences": ["A cat sits on the mat."]}, "a cat sits on the mat"),
    "counting": ({"num": 12}, "There are twelve apples."),
    "ocr": ({"word_list": ["HOTEL", "BAR"]}, 'It says "Hotel" and "bar".'),
    "detection3d": ({"object": [{"label": "chair", "bbox": SOLID}]}, f"A chair at {SOLID}."),
    "visual_grounding3d": ({"gt_bbox": SOLID}, f"It is at {SOLID}."),
    "vqa3d": ({"gt_choice": 2, "gt_choices": ["a", "b", "c"]}, "(C)"),
    "locating": ({"object": [{"label": "cat", "bbox": BOX}], "image_size": [10, 10]}, "The cat is at [0.3, 0.4]."),
    "yes_no": ({"label": "no", "object": "dog"}, "No, there is none."),
    "multi_grounding3d": (
        {"object": [{"label": "chair", "bbox": SOLID}, {"label": "chair", "bbox": [5, *SOLID[1:]]}]},
        f"One is at {SOLID}, the other at {[5, *SOLID[1:]]}.",
    ),
    "referring": ({"gt_bbox": BOX}, f"It is at {BOX}."),
    "object_caption3d": ({"sentences": ["A brown chair stands at the table."]}, "a brown chair stands at the table"),
    "dense_caption3d": (
        {
            "object": [
                {"label": "chair", "bbox": SOLID, "sentences": ["A brown chair."]},
                {"label": "table", "bbox": [5, *SOLID[1:]], "sentences": ["This table is round and white."]},
            ]
        },
        f"A brown chair: {SOLID}\nThis table is round and white: {[5, *SOLID[1:]]}",
    ),
    "yes_no3d": ({"label": "no", "setting": "popular"}, "No, there is none."),
    "localisation3d": (
        {"position": [1, 2, 0], "rotation": {"_w": 1, "_x": 0, "_y": 0, "_z": 0}},
        "I stand at [1.1, 2, 0], turned by [0, 0, 0.05, 0.99].",
    ),
    "spatial_questions3d": ({"num": 4, "question_type": "object_counting"}, "There are four chairs."),
    "open_vqa": ({"answers": ["two", "a pair"]}, "A pair."),
    "open_vqa3d": ({"answers": ["brown", "dark brown"]}, "The brown."),
}
PERFECT = {"counting": 0.0, "dense_caption3d": 10.0}


@pytest.mark.parametrize("task", TASKS)
def test_right_answer_in_words_is_perfect_and_an_empty_one_is_not(task):
    truth, answer = CASES[task]
    references = [{"id": i, "image": f"{i}.png", "query": "?", **truth} for i in range(3)]
    right = score(task, references, [{"id": i, "text": answer} for i in range(3)])
    assert right.headline.value == pytest.approx(PERFECT.get(task, 1.0))
    assert right.headline.n_failed == 0
    assert right.headline.higher_is_better is TASKS[task].higher_is_better
    empty = score(task, references, [{"id": i, "text": ""} for i in range(3)])
    assert empty.headline.value != pytest.approx(right.headline.value)
    assert empty.headline.n_failed == 3
    assert json.loads(json.dumps(empty.to_json(samples=True)))["samples"][0]["query"] == "?"
    assert str(right).startswith(task)


@pytest.mark.parametrize("task", PAPER_FORMULAS)
def test_paper_protocol_scores_under_its_own_names(task):
    truth, answer = CASES[task]
    references = [{"id": i, "image": f"VOC2012/{i}.png", "src_image": "VOC2012", **truth} for i in range(3)]
    report = score(task, references, [{"id": i, "text": answer} for i in range(3)], protocol="paper", draws=20)
    assert all(found.name.startswith("paper/") for found in report.scores)
    assert "lamm-v1" in report.headline.signature
    assert report.note in str(report)
    assert score(task, references, chance_predictions(task, references), protocol="paper", draws=20).headline.n == 3


@pytest.mark.parametrize("task", ["detection", "detection3d", "visual_grounding3d", "locating", "keypoint_detection"])
def test_a_model_that_never_hits_scores_zero_with_an_interval(task):
    truth, _ = CASES[task]
    box = [0.9, 0.9, 0.95, 0.95] if task in ("detection", "locating") else [9, 9, 9, 1, 1, 1]
    label = truth["object"][0]["label"] if "object" in truth else ""
    answer = {"boxes": [{"label": label, "box": box}]}
    if task == "keypoint_detection":
        answer = {"points": [{"label": name, "point": [0.99, 0.01]} for name in truth["joints"]]}
    references = [{"id": i, "image": f"{i}.png", **truth} for i in range(4)]
    headline = score(task, references, [{"id": i, **answer} for i in range(4)], draws=20).headline
    assert headline.value == 0
    assert headline.interval[0] == 0
    assert 0.1 < headline.interval[1] < 0.7
    assert "ci:wilson95" in headline.signature


def test_paths_and_records_give_the_same_report(tmp_path):
    references = [{"id": i, "label": ["cat", "dog"][i % 2], "image": f"{i}.png"} for i in range(6)]
    answers = [{"id": i, "text": "a cat"} for i in range(6)]
    (tmp_path / "Classification_Pets.json").write_text(json.dumps(references))
    header = json.dumps({"lamm": "predictions", "model": "m1"})
    (tmp_path / "p.jsonl").write_text("\n".join([header, *map(json.dumps, reversed(answers))]))
    from_files = score("classification", tmp_path / "Classification_Pets.json", tmp_path / "p.jsonl")
    from_records = score("classification", references, answers)
    assert from_files.scores == from_records.scores
    assert (from_files.dataset, from_files.model) == ("Pets", "m1")
    assert from_files.statuses == {"ok": 6}


def test_no_records_give_an_undefined_score_not_a_crash():
    for task in TASKS:
        report = score(task, [], [])
        assert report.headline.value is None
        assert "undefined" in str(report.headline)


def test_ids_that_do_not_match_are_refused():
    with pytest.raises(FileFaultsError, match="without an answer"):
        score("classification", [{"id": 1, "label": "cat"}], [])
    assert score("classification", [{"id": 1, "label": "cat"}], [], missing="failed").headline.n_failed == 1


@pytest.mark.parametrize("choice", [{"protocol": "strict"}, {"metrics": ["elo"]}, {"convention": "inches"}])
def test_unknown_choices_are_misuse(choice):
    with pytest.raises(UsageError) as raised:
        score("detection", [], [], **choice)
    assert raised.value.exit_code == 2


def test_options_reach_the_metric_and_its_signature():
    references = [{"id": 1, "sentences": ["A cat!"]}]
    report = score(
        "caption", references, [{"id": 1, "text": "a cat"}], metrics=["bleu"], tokenizer="13a", smoothing="exp"
    )
    assert "tok:13a" in report.headline.signature
    thousand = [{"id": 1, "text": "cat [100, 200, 500, 600]"}]
    records = [{"id": 1, "object": [{"label": "cat", "bbox": BOX}]}]
    assert score("detection", records, thousand, convention="thousand-xyxy").headline.value == pytest.approx(1)
    assert score("detection", records, thousand).headline.value == 0


@pytest.mark.parametrize("task", TASKS)
def test_chance_is_scored_like_any_model_and_knows_nothing(task):
    truth, _ = CASES[task]
    references = [{"id": i, "image": f"{i}.png", **truth} for i in range(4)]
    guesses = chance_predictions(task, references, seed=3)
    assert [guess.id for guess in guesses] == ["0", "1", "2", "3"]
    assert score(task, references, guesses).headline.n == 4
    assert guesses == chance_predictions(task, references, seed=3)


def test_chance_copies_from_other_groups_only():
    references = [{"id": i, "num": i // 3, "group": str(i // 3)} for i in range(12)]
    for seed in range(20):
        for guess, record in zip(chance_predictions("counting", references, seed), references, strict=True):
            assert guess.number != record["num"]


def test_chance_of_multiple_choice_is_uniform():
    references = [{"id": i, "gt_choice": 0, "gt_choices": list("abcd")} for i in range(4000)]
    picks = [guess.choice for guess in chance_predictions("vqa", references)]
    assert np.bincount(picks) / 4000 == pytest.approx([0.25] * 4, abs=0.03)


def test_chance_of_balanced_classes_is_one_over_their_number():
    references = [{"id": i, "label": f"class {i % 5}"} for i in range(2000)]
    headline = score("classification", references, chance_predictions("classification", references)).headline
    assert headline.interval[0] < 0.2 < headline.interval[1]


def test_the_public_names_exist_and_the_version_is_the_installed_one():
    from importlib.metadata import version

    for name in lamm_metrics.__all__:
        assert getattr(lamm_metrics, name) is not None
    assert lamm_metrics.__version__ == version("lamm-metrics")
    assert lamm_metrics.Prediction is Prediction
    with pytest.raises(AttributeError, match="no attribute"):
        lamm_metrics.nonsense  # noqa: B018


@pytest.mark.parametrize("task", CASES)
def test_an_answer_that_the_model_failed_to_give_counts_as_failed(task):
    record, right = CASES[task]
    references = [{"id": number, "query": "?", **record} for number in range(2)]
    answers = [{"id": 0, "text": right}, {"id": 1, "text": "", "error": "ValueError: no picture"}]
    report = score(task, references, answers, draws=10)
    assert report.headline.n_failed == 1
    assert report.samples[1].answer == "(no answer: ValueError: no picture)"
    with pytest.raises(FileFaultsError, match="`error` to be a string"):
        score(task, references, [answers[0], {**answers[1], "error": ["x"]}])


def test_answers_to_another_version_of_the_file_are_scored_with_a_note(tmp_path):
    path = tmp_path / "Counting_X.json"
    path.write_text('[{"id": 1, "num": 3}]')
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    answers = tmp_path / "answers.jsonl"
    header = {"lamm": "predictions", "config": {"benchmark_sha256": version}}
    answers.write_text(f'{json.dumps(header)}\n{{"id": 1, "text": "3"}}\n')
    assert score("counting", path, answers, draws=2).note == ""
    path.write_text('[{"id": 1, "num": 4}]')
    report = score("counting", path, answers, draws=2)
    assert f"benchmark_sha256 {version[:12]}" in report.note
    assert "note: the answers are to another version" in str(report)


RIGHT = {
    "classification": ({"label": "cat"}, {"text": "cat", "probabilities": {"cat": 1.0}}),
    "vqa": ({"gt_choice": 0, "gt_choices": ["a", "b"]}, {"choice": 0}),
    "counting": ({"num": 3}, {"number": 3}),
    "detection": (
        {"object": [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}]},
        {"boxes": [{"label": "cat", "box": [0, 0, 0.5, 0.5]}]},
    ),
    "locating": (
        {"object": [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}]},
        {"points": [{"label": "cat", "point": [0.2, 0.2]}]},
    ),
    "caption": ({"sentences": ["a cat"]}, {"text": "a cat"}),
}


@pytest.mark.parametrize("task", RIGHT)
def test_an_answer_with_an_error_counts_as_failed_whatever_else_it_holds(task):
    truth, answer = RIGHT[task]
    report = score(task, [{"id": 1, **truth}], [{"id": 1, **answer, "error": "timed out"}], draws=0)
    (sample,) = report.samples
    assert (report.headline.n_failed, sample.detail, sample.confidence) == (1, "timed out", None)
    assert "ok" not in report.statuses
    assert score(task, [{"id": 1, **truth}], [{"id": 1, **answer}], draws=0).headline.n_failed == 0


@pytest.mark.parametrize("answer", [{"error": "timed out"}, {"text": ""}, None])
def test_silence_is_no_smile_in_the_papers_formula(answer):
    answers = [] if answer is None else [{"id": 1, **answer}]
    headline = score("facial_classification", [{"id": 1, "attr": "1"}], answers, "paper", missing="failed").headline
    assert (headline.value, headline.n_failed) == (0, 1)


def test_words_that_the_paper_cannot_score_are_named_at_reading():
    records = [{"id": 1, "word_list": ["SALE"]}, {"id": 2, "word_list": []}]
    with pytest.raises(FileFaultsError, match=r"`word_list`.*'2'"):
        score("ocr", records, [{"id": 1, "text": "SALE"}, {"id": 2, "text": ""}], "paper")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"confidence": 95}, "between 0 and 1, got 95. Write 95 % as 0.95"),
        ({"confidence": 0}, "between 0 and 1"),
        ({"confidence": float("nan")}, "between 0 and 1"),
        ({"draws": -1}, "at least 0, got -1"),
        ({"protocol": "paper", "metrics": ("yes_no",)}, "paper protocol without other metrics.*yes_no"),
        ({"protocol": "coco", "metrics": ("detection_ap",)}, "coco protocol without other metrics"),
        ({"protocol": "coco", "missing": "ignore"}, "missing to be error or failed, got 'ignore'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(choices, message):
    with pytest.raises(UsageError, match=message):
        score("detection", {}, [], **choices) if choices.get("protocol") == "coco" else score(
            "classification", [{"id": 1, "label": "cat"}], [{"id": 1, "text": "cat"}], **choices
        )


def test_cocos_protocol_keeps_the_task():
    pose = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "keypoints": [3, 3, 2] * 17}
    truth = {
        "images": [{"id": 1, "height": 9, "width": 9}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{**pose, "num_keypoints": 17, "iscrowd": 0}],
    }
    report = score("keypoint_detection", truth, [{**pose, "score": 0.5}], "coco", draws=0)
    assert (report.task, report.headline.name) == ("keypoint_detection", "coco/keypoints/AP")


def test_a_box_without_a_score_ranks_behind_those_with_one_in_detection_and_in_grounding():
    unscored, right = {"box": [5, 5, 5, 1, 1, 1]}, {"box": [0, 0, 0, 1, 1, 1], "score": 0.1}
    boxes = [{"label": "chair", **box} for box in (unscored, right)]
    answers = [{"id": 1, "boxes": boxes}]
    detected = score("detection3d", [{"id": 1, "object": [{"label": "chair", "bbox": right["box"]}]}], answers, draws=0)
    grounded = score("visual_grounding3d", [{"id": 1, "gt_bbox": right["box"]}], answers, draws=0)
    assert detected.headline.value == grounded.headline.value == 1


CAT = {"id": 1, "object": [{"label": "cat", "bbox": [0, 0, 0.5, 0.5]}]}
NECK = {"id": 1, "image_size": [9, 9], "gt_joints": [[1, 1, 1], [5, 5, 1]], "joints": ["neck", "head top"]}


@pytest.mark.parametrize(
    ("task", "truth", "answer", "said"),
    [
        ("detection", CAT, {"boxes": [{"label": "Katze", "box": [0, 0, 0.5, 0.5]}]}, "got 'Katze', expected 'cat'"),
        ("detection", CAT, {"text": "Katze [0, 0, 0.5, 0.5]"}, "got none, expected 'cat'"),
        ("detection", CAT, {"boxes": []}, "no answer holds a box"),
        ("detection", CAT, {"text": " "}, "all 1 answers are empty"),
        ("locating", CAT, {"points": [{"label": "Katze", "point": [0.2, 0.2]}]}, "got 'Katze', expected 'cat'"),
        ("keypoint_detection", NECK, {"points": [{"label": "Hals", "point": [0.1, 0.1]}]}, "none for a joint"),
        (
            "classification",
            {"id": 1, "label": "cat"},
            {"text": "Katze"},
            "begins 'Katze'; expected names such as 'cat'",
        ),
        ("counting", {"id": 1, "num": 3}, {"text": "zzz"}, "none of 1 answers could be read"),
    ],
)
def test_a_score_of_answers_that_cannot_be_right_is_never_silent(task, truth, answer, said):
    report = score(task, [truth], [{"id": 1, **answer}], draws=0)
    assert said in report.note
    assert said in str(report)
    assert said in report.to_json()["note"]


def test_answers_that_can_be_right_get_no_remark():
    for task, (truth, answer) in RIGHT.items():
        assert not score(task, [{"id": 1, **truth}], [{"id": 1, **answer}], draws=0).note


@pytest.mark.parametrize(
    ("task", "metric", "truth", "said"),
    [
        ("classification", "yes_no", {"label": "cat"}, "yes or no as the truth of record '1', got 'cat'"),
        ("detection3d", "binary_locating", {"object": [{"label": "bed", "bbox": [0, 0, 0, 1, 1, 1]}]}, "four numbers"),
    ],
)
def test_a_metric_that_cannot_use_the_truth_says_so(task, metric, truth, said):
    with pytest.raises(LammMetricsError, match=said):
        score(task, [{"id": 1, **truth}], [{"id": 1, "text": "yes"}], metrics=(metric,))


def test_records_without_their_scene_are_named_where_others_have_one():
    records = [{"id": i, "num": 1, **({"scene_id": f"s{i // 2}"} if i != 3 else {})} for i in range(5)]
    answers = [{"id": i, "number": 1} for i in range(5)]
    report = score("counting", records, answers, draws=5)
    assert "count as scenes of their own: '3' (1 in all)" in report.note
    alone = [{"id": i, "num": 1} for i in range(5)]
    assert score("counting", alone, answers, draws=5).note == ""


def test_an_object_that_is_numbered_twice_is_refused():
    objects = [{"id": 1, "bbox": [0, 0, 0, 1, 1, 1]}, {"id": "01", "bbox": [2, 0, 0, 1, 1, 1]}]
    with pytest.raises(FileFaultsError, match=r"`proposals` to be a list .*each id once"):
        score("multi_grounding3d", [{"id": 1, "object": [], "proposals": objects}], [{"id": 1, "text": "no"}])
