"""Lint reads back what a benchmark file says, for every kind of answer, and says why where it cannot."""

import json
import random
import zipfile

import pytest

from lamm_metrics import TASKS, lint
from lamm_metrics.errors import UsageError
from lamm_metrics.linting.phrasings import known_phrasings

POSE = [[10 + place, 20 + 2 * place, 1] for place in range(14)]
BOX, OTHER = [0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.7, 0.4]
CLEAN = {
    "classification": [{"label": "cat"}, {"label": "hot dog"}, {"label": "dog"}, {"label": "dining_table"}],
    "facial_classification": [{"attr": "1"}, {"attr": "-1"}, {"attr": "blond"}, {"attr": "black"}],
    "yes_no": [{"label": "yes", "object": "dog"}, {"label": "no", "object": "cat"}],
    "vqa": [{"gt_choices": ["-8", "8", "0.8", "8%"], "gt_choice": place} for place in range(4)],
    "counting": [{"num": number} for number in (0, 1, 12, 1200)],
    "ocr": [{"word_list": ["HOTEL"]}, {"word_list": ["No", "Entry"]}, {"word_list": []}],
    "detection": [{"object": [{"label": "dog", "bbox": BOX}, {"label": "cat", "bbox": OTHER}]}, {"object": []}],
    "detection3d": [{"pcl": "a", "object": [{"label": "chair", "bbox": [0.1, 0.2, 0.3, 1, 1, 1]}]}],
    "visual_grounding3d": [{"pcl": "a", "gt_bbox": [0.1, 0.2, 0.3, 1, 1, 1]}],
    "keypoint_detection": [{"image_size": [200, 100], "gt_joints": POSE}],
    "locating": [
        {"object": [{"label": "dog", "bbox": BOX}, {"label": "cat", "bbox": OTHER}]},
        {"image_size": [200, 100], "points": [[10, 20], [50, 60]]},
    ],
}


def numbered(records):
    return [{"id": place, **record} for place, record in enumerate(records)]


@pytest.mark.parametrize("task", CLEAN)
def test_every_kind_of_answer_is_read_back(task):
    found = lint(numbered(CLEAN[task]), task)
    assert str(found).endswith("every true answer is read in all of them"), str(found)
    assert found.phrasings >= 3


def test_every_kind_that_is_read_has_phrasings():
    kinds = {part for task in TASKS.values() for part in task.extractor.split(" or ")}
    assert kinds - {"whole text", "short text", "captioned boxes"} == known_phrasings().keys()


@pytest.mark.parametrize(
    ("options", "choice", "why"),
    [
        (["red", "red", "blue"], 0, "two options are the same: red, red"),
        (["5 cm", "5 CM"], 1, "two options differ by nothing but case: 5 cm, 5 CM"),
        (["C", "E", "H"], 0, "an option's text is the letter of another one: C"),
        (["!", "?"], 0, "two options differ by nothing but punctuation, signs and case: !, ?"),
    ],
)
def test_what_cannot_be_read_says_why(options, choice, why):
    (unread,) = lint(numbered([{"gt_choices": options, "gt_choice": choice}]), "vqa").unread
    assert unread.why == why
    assert 0 < unread.missed <= unread.phrasings


def test_labels_and_words_that_cannot_be_read_say_why():
    (sign,) = lint(numbered([{"label": "+"}, {"label": "cat"}]), "classification").unread
    assert (sign.id, sign.read, sign.why) == ("0", "none", "the label has no word: '+'")


def test_letters_of_the_record_are_used():
    record = {"gt_choices": ["red", "blue"], "gt_choice": 1, "option_labels": ["1", "2"]}
    assert lint(numbered([record]), "vqa").unread == ()


def test_captions_are_scored_whole():
    assert "nothing to read" in str(lint(numbered([{"sentences": ["a dog"]}]), "caption"))


def test_a_task_that_nothing_tells_is_asked_for():
    with pytest.raises(UsageError, match="--task"):
        lint([])


def test_the_name_of_a_file_tells_its_task(tmp_path):
    path = tmp_path / "Fine-grained_Classification_Mine.json"
    path.write_text(json.dumps(numbered([{"label": "oak"}])), encoding="utf-8")
    assert lint(path).task == "fine_grained_classification"


def test_real_multiple_choice_of_scienceqa(test_data):
    problems = json.loads((test_data / "scienceqa" / "problems_120.json").read_text(encoding="utf-8"))
    problems = list(problems.values()) if isinstance(problems, dict) else problems
    found = lint(numbered([{"gt_choices": one["choices"], "gt_choice": one["answer"]} for one in problems]), "vqa")
    assert found.records == len(problems)
    # "Dear ms. Allen," beside "Dear Ms. Allen,", answered in lower case.
    assert {one.why.partition(":")[0] for one in found.unread} == {"two options differ by nothing but case"}
    assert all(one.missed == 1 for one in found.unread)


def test_real_answers_of_scanqa(test_data):
    rows = json.loads((test_data / "scanqa" / "ScanQA_v1.0_val.json").read_text(encoding="utf-8"))
    found = lint(numbered(with_options([row["answers"] for row in rows], every=10)), "vqa3d")
    assert found.records > 400
    assert found.unread == ()


def test_real_answers_of_textvqa(test_data):
    rows = []
    with zipfile.ZipFile(test_data / "textvqa" / "textvqa_0.5.1_dummy.zip") as archive:
        for part in ("train", "val"):
            rows += json.loads(archive.read(f"dummy_data/TextVQA_0.5.1_{part}.json"))["data"]
    answers = [row["answers"] for row in rows]
    assert lint(numbered(with_options(answers, every=1)), "vqa").unread == ()
    assert lint(numbered([{"word_list": said[0].split()} for said in answers]), "ocr").unread == ()


def with_options(answers, every):
    """Multiple-choice records: an answer among three that other questions have."""
    chance, pool = random.Random(0), sorted({said.strip() for one in answers for said in one if said.strip()})
    records = []
    for said in answers[::every]:
        if said[0].strip():
            others = chance.sample([other for other in pool if other.casefold() not in map(str.casefold, said)], 3)
            options = [said[0].strip(), *others]
            chance.shuffle(options)
            records.append({"gt_choices": options, "gt_choice": options.index(said[0].strip())})
    return records
