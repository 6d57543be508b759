"""The published formulas against values worked out by hand from the descriptions of the LAMM v1 code."""

import pytest

from lamm_metrics.paper import formulas
from lamm_metrics.paper.formulas import iou_2d, iou_3d
from lamm_metrics.paper.metric import PAPER_FORMULAS, PaperMetric
from lamm_metrics.paper.parsing import all_numbers, boxes_2d, boxes_3d, numbers_in_brackets, points, quoted
from lamm_metrics.paper.words import accepted_words, mentions
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.tasks import TASKS

LSP = {"id": 1, "image_size": [100, 200], "gt_joints": [[10 * i, 10 * i, 1] for i in range(14)]}


@pytest.mark.parametrize(
    ("label", "text", "found"),
    [
        ("dog", "This is not a dog.", True),
        ("cat", "A category of things", False),
        ("automobile", "A police car", True),
        ("automobile", "a washing machine", True),
        ("frog", "toad", True),
        ("ship", "a small boat", False),
        ("bicycle", "a wheel", True),
        ("motorbike", "a motorcycle", False),
        ("person", "two women", False),
        ("diningtable", "a dining table, diningtable", False),
        ("toilet", "you can sit", False),
        ("toilet", "the john", True),
        ("gray", "GREY hair", True),
        ("black", "brown eyes and black hair", True),
        ("brown", "brown eyes and black hair", True),
        ("window", "two windows", False),
        ("dog", "cat, dog, bird, horse", True),
        ("dog", "dog.the", False),
        ("dog", "A dog. It runs.", True),
    ],
)
def test_entity_matching(label, text, found):
    assert mentions(label, text) is found


def test_labels_outside_the_table_need_wordnet(monkeypatch):
    import nltk

    from lamm_metrics.errors import UsageError

    def missing(*args, **kwargs):
        raise LookupError("no data")

    monkeypatch.setattr(nltk.data, "find", missing)
    with pytest.raises(UsageError, match="Expected WordNet on disk"):
        accepted_words("quokka")


def test_junk_hides_every_later_number_of_its_brackets():
    assert numbers_in_brackets("[0.1, 0.2] [dog, 0.3] [0.4]", "[", "]") == [0.1, 0.2]
    assert numbers_in_brackets("[1e3, nan]", "[", "]")[0] == 1000.0
    assert numbers_in_brackets("[1] 2 [3", "[", "]") == [1.0]
    assert numbers_in_brackets("[0.1;0.2, 0.3]", "[", "]") == []


def test_square_brackets_come_before_round_ones_and_the_fallback_loses_signs():
    assert all_numbers("(1, 2) [3, 4]") == [3.0, 4.0, 1.0, 2.0]
    assert all_numbers("x=-1.5 and .5") == [1.5, 5.0]
    assert all_numbers("[dog 0.1]") == [0.1]


def test_boxes_cross_brackets_and_drop_half_reversed_ones():
    assert boxes_2d("[1, 2, 3] [4]") == [(1, 2, 3, 4)]
    assert boxes_2d("[3, 4, 1, 2]") == [(1, 2, 3, 4)]
    assert boxes_2d("[3, 2, 1, 4]") == []
    assert boxes_3d("[1,2,3,4,5,6,7]") == [(1, 2, 3, 4, 5, 6)]
    assert points("[1,2,3,4]") == [(1, 2), (3, 4)]
    assert quoted('a "b" c "d"') == "b d"


def test_overlap_keeps_the_published_fault():
    assert iou_2d((0, 0, 1, 1), (0, 0, 0.5, 1)) == 0.5
    assert iou_2d((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0
    cube = (0, 0, 0, 1, 1, 1)
    assert iou_3d(cube, (0.5, 0, 0, 1, 1, 1)) == pytest.approx(1 / 3)
    # Apart along x and y by 0.4 each: (-0.4) * (-0.4) * 1 is taken for an intersection of 0.16.
    assert iou_3d(cube, (1.4, 1.4, 0, 1, 1, 1)) == pytest.approx(0.16 / 1.84)
    assert iou_3d(cube, (1.4, 0, 0, 1, 1, 1)) == 0.0
    assert iou_3d(cube, (0, 0, 0, -1, 1, 1)) == 1.0


def test_recall_ignores_which_box_has_which_label():
    record = {"object": [{"label": "dog", "bbox": [0, 0, 1, 1]}, {"label": "cat", "bbox": [0.5, 0.5, 1, 1]}]}
    swapped = "The cat is at [0, 0, 1, 1], the dog at [0.5, 0.5, 1, 1]."
    assert formulas.detection(record, swapped) == ((2.0, 2.0),)
    assert formulas.detection(record, "The dog is at [0, 0, 1, 1].") == ((1.0, 2.0),)
    assert formulas.detection(record, "[0, 0, 1, 1]") == ((0.0, 2.0),)
    assert formulas.detection(record, "dog cat [0, 0, 0.5, 1]") == ((0.0, 2.0),)  # exactly one half does not pass


def test_grounding_takes_the_first_box_only():
    record = {"gt_bbox": [0, 0, 0, 1, 1, 1]}
    assert formulas.grounding3d(record, "[0,0,0,1,1,1]") == ((1.0, 1.0),)
    assert formulas.grounding3d(record, "[5,5,5,1,1,1] [0,0,0,1,1,1]") == ((0.0, 1.0),)
    assert formulas.grounding3d({"object": [{"bbox": [0, 0, 0, 1, 1, 1]}]}, "none") == ((0.0, 1.0),)
    room = {"object": [{"label": "chair", "bbox": [0, 0, 0, 1, 1, 1]}]}
    assert formulas.detection(room, "a chair (0,0,0,1,1,1)", solid=True) == ((1.0, 1.0),)


def test_facial_and_fine_grained():
    assert formulas.facial({"attr": "1"}, "") == ((1.0, 1.0),)
    assert formulas.facial({"attr": "1"}, "She isn't smiling") == ((1.0, 1.0),)
    assert formulas.facial({"attr": "-1"}, "He is not smiling") == ((1.0, 1.0),)
    assert formulas.facial({"attr": "black"}, "black hair") == ((1.0, 1.0),)
    assert formulas.fine_grained({"label": "river"}, "a driver") == ((1.0, 1.0),)
    assert formulas.fine_grained({"label": "river"}, "River") == ((0.0, 1.0),)


def test_word_accuracy_keeps_punctuation():
    assert formulas.word_accuracy({"word_list": ["HOTEL", "GRAND"]}, "grand hotel,") == ((0.5, 1.0),)
    assert formulas.word_accuracy({"word_list": ["HOTEL"]}, 'The "hotel" here') == ((1.0, 1.0),)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("12", 12),
        ("12.", 0),
        ("one of the images shows 12", 1),
        ("no", 0),
        ("Twenty birds", 20),
        ("1,200", 0),
        ("²", 0),
        ("~30", 0),
    ],
)
def test_counts(text, count):
    assert formulas.parse_count(text) == count


def test_counting_gives_both_errors():
    assert formulas.counting({"num": 12}, "10") == ((2.0, 1.0), (0.0, 0.0))
    assert formulas.counting({"num": 3}, "many") == ((3.0, 1.0), (3.0, 1.0))


def test_caption_is_the_best_unsmoothed_sentence_bleu():
    from nltk.translate.bleu_score import sentence_bleu

    record = {"sentences": ["a man rides a brown horse on the beach.", "a man on a horse"]}
    references = [sentence.replace(".", "").split() for sentence in record["sentences"]]
    text = "Hello there. a man rides a brown horse"
    expected = 100 * sentence_bleu(references, ["a", "man", "rides", "a", "brown", "horse"])
    assert formulas.caption(record, text)[0] == (pytest.approx(expected, rel=1e-12), 1.0)
    assert formulas.caption(record, "")[0] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The answer is B.", True),
        ("The answer is B", False),  # the pattern needs a character behind the letter
        ("The answer is (B) blue", True),
        ("The answer is A. No, the answer is B.", False),  # self-correction is punished
        ("ANSWER: B", True),
        ("(B)", True),
        ("(A) red (B) blue", False),
        ("It is blue", True),
        ("blue, not red", False),
    ],
)
def test_multiple_choice(text, right):
    assert formulas.choice({"gt_choice": 1, "gt_choices": ["red", "blue"]}, text) == ((float(right), 1.0),)


def test_point_clouds_have_six_letters():
    record = {"gt_choice": 5, "gt_choices": list("abcdef")}
    assert formulas.choice(record, "The answer is F.", "A-F") == ((1.0, 1.0),)
    assert formulas.choice(record, "The answer is F.") == ((0.0, 1.0),)


def test_pck_is_always_zero_and_says_why():
    perfect = {f"joint {i}": f"[{x / 100}, {y / 200}]" for i, (x, y, _) in enumerate(LSP["gt_joints"])}
    assert formulas.pck(LSP, perfect) == ((0.0, 1.0), (1.0, 1.0))
    metric = PaperMetric("keypoint_detection")
    metric.update(LSP, Prediction("1", perfect))
    published, repaired = metric.compute()
    assert (published.name, published.value) == ("paper/pck", 0.0)
    assert (repaired.name, repaired.value) == ("paper/pck_repaired", 1.0)
    assert "thrown away" in metric.formula.note


def test_locating_pools_three_sets():
    voc = {"id": 1, "object": [{"label": "dog", "bbox": [0.1, 0.1, 0.5, 0.5]}]}
    fsc = {"id": 3, "image_size": [100, 100], "points": [[50, 50], [90, 90]]}
    crowded = {"id": 4, "image_size": [100, 100], "points": [[1, 1]] * 10}
    metric = PaperMetric("locating")
    metric.update(voc, Prediction("1", "dog [0.2, 0.2]"))
    metric.update({**LSP, "id": 2}, Prediction("2", "[0.5, 0.25]"))
    metric.update(fsc, Prediction("3", "[0.5, 0.55]"))
    metric.update(crowded, Prediction("4", "[0.5, 0.55]"))
    scores = {score.name: score.value for score in metric.compute()}
    assert scores["paper/binary_loc"] == pytest.approx(3 / 4)
    assert scores["paper/binary_loc/fsc147"] == 0.5
    # A tight box's corners lie on the border.
    assert formulas.locating(voc, "dog [0.1, 0.1, 0.5, 0.5]")[0] == (0.0, 1.0)


def test_every_task_of_the_paper_has_a_formula():
    later = {"yes_no", "spatial_questions3d", "open_vqa", "open_vqa3d", "multi_grounding3d", "referring",
             "object_caption3d", "yes_no3d", "dense_caption3d", "localisation3d"}  # fmt: skip
    assert set(PAPER_FORMULAS) == set(TASKS) - later
    assert all(name.startswith("paper/") for formula in PAPER_FORMULAS.values() for name in formula.names)


def test_shards_merge_to_the_same_bits():
    whole, left, right = PaperMetric("ocr"), PaperMetric("ocr"), PaperMetric("ocr")
    for number in range(30):
        record = {"id": number, "word_list": ["A", "B", "C"][: number % 3 + 1]}
        answer = Prediction(str(number), "a c" if number % 2 else "b")
        whole.update(record, answer)
        (left if number % 3 else right).update(record, answer)
    right.merge(left)
    assert [score.to_json() for score in whole.compute()] == [score.to_json() for score in right.compute()]
