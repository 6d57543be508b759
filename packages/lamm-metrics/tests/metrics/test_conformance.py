"""Every built-in metric keeps the promises of `Metric`; a metric that breaks one is caught."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics import make_metric
from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.accuracy import Accuracy
from lamm_metrics.metrics.registry import BUILT_IN
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.testing import ConformanceError, check_metric

pytestmark = pytest.mark.usefixtures("made_up_meteor")
WORDS = ["a", "the", "cat", "dog", "runs", "sits", "red", "on", "mat", "field", "two", "birds", "fly"]


def sentence(generator, low=3):
    return " ".join(generator.choice(WORDS, generator.integers(low, 12)))


def box(generator):
    corner = generator.random(2) * 0.5
    return [*corner.tolist(), *(corner + 0.1 + generator.random(2) * 0.4).tolist()]


def solid(generator):
    return [*(generator.random(3) * 2).tolist(), *(0.5 + generator.random(3)).tolist()]


def classes(generator):
    return str(generator.choice(["cat", "dog", "bird"]))


def vqa(generator):
    return (
        {"gt_choice": int(generator.integers(3)), "gt_choices": ["red", "green", "blue"]},
        {"probabilities": generator.dirichlet([1, 1, 1]).tolist()},
    )


def detection(generator):
    return (
        {"object": [{"label": classes(generator), "bbox": box(generator)} for _ in range(3)], "image_size": [10, 10]},
        {"boxes": [{"label": classes(generator), "box": box(generator)} for _ in range(3)]},
    )


def detection3d(generator):
    return (
        {"object": [{"label": classes(generator), "bbox": solid(generator)} for _ in range(3)]},
        {"boxes": [{"label": classes(generator), "box": solid(generator)} for _ in range(3)]},
    )


def described(generator):
    return (
        {"object": [{"label": "", "bbox": solid(generator), "sentences": [sentence(generator)]} for _ in range(3)]},
        {"boxes": [{"label": sentence(generator), "box": solid(generator)} for _ in range(generator.integers(4))]},
    )


def keypoints(generator):
    joints = [[*(generator.random(2) * 100).tolist(), 1] for _ in range(14)]
    return (
        {"gt_joints": joints, "image_size": [100, 100]},
        {"points": [{"label": "neck", "point": generator.random(2).tolist()}]},
    )


MAKERS = {
    "accuracy": ("vqa", vqa),
    "circular_accuracy": ("vqa", vqa),
    "ece": ("vqa", vqa),
    **{
        name: (
            "open_vqa",
            lambda g: (
                {"answers": [sentence(g) for _ in range(4)], "question_type": str(g.choice(["number", "other"]))},
                {"text": str(g.choice(["a cat", "2", sentence(g, 0)]))},
            ),
        )
        for name in ("vqa_accuracy", "anls", "relaxed_accuracy")
    },
    "mra": (
        "spatial_questions3d",
        lambda g: (
            {"num": float(g.integers(1, 5)), "question_type": str(g.choice(["counting", "object_rel_direction_easy"]))}
            if g.random() < 0.6
            else {"gt_choice": int(g.integers(2)), "gt_choices": ["bed", "desk"], "question_type": "distance"},
            {"text": str(g.choice(["3", "A", "B.", "There are two.", ""]))},
        ),
    ),
    "judge_mark": (
        "open_vqa3d",
        lambda g: (
            {"answers": [sentence(g)], "question_type": str(g.choice(["what", "is"]))},
            {"text": sentence(g), "meta": {"mark": str(g.choice(["1", "4", "Your mark: 5", "good"]))}},
        ),
    ),
    "exact_match": (
        "open_vqa3d",
        lambda g: (
            {"answers": [sentence(g) for _ in range(2)], "question_type": str(g.choice(["what", "is"]))},
            {"ranked": [sentence(g, 0), str(g.choice(["a cat", "red"]))]},
        ),
    ),
    "bleu": ("caption", lambda g: ({"sentences": [sentence(g) for _ in range(3)]}, {"text": sentence(g, 0)})),
    "rouge_l": ("caption", lambda g: ({"sentences": [sentence(g) for _ in range(3)]}, {"text": sentence(g, 0)})),
    "cider_d": ("caption", lambda g: ({"sentences": [sentence(g) for _ in range(3)]}, {"text": sentence(g, 0)})),
    "chair": (
        "caption",
        lambda g: ({"object": [{"label": classes(g)} for _ in range(2)]}, {"text": sentence(g, 0)}),
    ),
    "meteor": ("caption", lambda g: ({"sentences": [sentence(g) for _ in range(3)]}, {"text": sentence(g, 0)})),
    "counting": ("counting", lambda g: ({"num": int(g.integers(9))}, {"number": float(g.integers(9))})),
    "word_accuracy": ("ocr", lambda g: ({"word_list": sentence(g).split()}, {"text": sentence(g)})),
    "yes_no": (
        "yes_no",
        lambda g: (
            {"label": str(g.choice(["yes", "no"])), "setting": str(g.choice(["random", "popular"]))},
            {"text": str(g.choice(["Yes.", "No.", "?"]))},
        ),
    ),
    "detection_ap": ("detection", detection),
    "detection_ap_3d": ("detection3d", detection3d),
    "grounding_accuracy": (
        "visual_grounding3d",
        lambda g: ({"gt_bbox": solid(g), "unique": bool(g.integers(2))}, {"boxes": [{"label": "", "box": solid(g)}]}),
    ),
    "grounding_f1": (
        "multi_grounding3d",
        lambda g: (
            {"object": [{"label": "chair", "bbox": solid(g)} for _ in range(g.integers(4))]},
            {"boxes": [{"label": "", "box": solid(g)} for _ in range(g.integers(4))]},
        ),
    ),
    "referring_accuracy": ("referring", lambda g: ({"gt_bbox": box(g)}, {"boxes": [{"label": "", "box": box(g)}]})),
    "localisation": (
        "localisation3d",
        lambda g: (
            {"position": g.random(3).tolist(), "rotation": g.normal(size=4).tolist()},
            {"text": str(g.random(3).round(3).tolist()) + str(g.normal(size=4).round(3).tolist() * int(g.integers(2)))},
        ),
    ),
    "dense_captions": ("dense_caption3d", described),
    "dense_caption_f1": ("dense_caption3d", described),
    "binary_locating": ("locating", detection),
    "pck": ("keypoint_detection", keypoints),
    "paper": ("counting", lambda g: ({"num": int(g.integers(9))}, {"text": f"{g.integers(9)} cats"})),
}


def pairs(name, n=24, seed=5):
    generator = np.random.default_rng(seed)
    _, make = MAKERS[name]
    references, predictions = [], []
    for i in range(n):
        truth, answer = make(generator)
        references.append({"id": f"r{i}", "group": f"g{i // 2}", **truth})
        predictions.append({"id": f"r{i}", **answer})
    return references, predictions


def test_every_built_in_metric_is_checked():
    assert MAKERS.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", MAKERS)
def test_built_in_metric_conforms(name):
    references, predictions = pairs(name)
    check_metric(lambda: make_metric(name, MAKERS[name][0], ["cat", "dog", "bird"]), references, predictions)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(MAKERS)), st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_any_split_of_any_metric_merges_to_the_same_bits(name, seed, n):
    references, predictions = pairs(name, n, seed)
    check_metric(lambda: make_metric(name, MAKERS[name][0], ["cat", "dog", "bird"]), references, predictions, seed)


class OrderMatters(Accuracy):
    """Weights answers by when they were read."""

    def row(self, state):
        return float(state.correct) * list(self.entries.values()).index(self._of(state)), 1.0

    def _of(self, state):
        return next(entry for entry in self.entries.values() if entry.state is state)


class ReadsTwice(Accuracy):
    """Lets a record be read again."""

    def keep(self, reference, status, state, detail=""):
        self.entries.pop(str(reference["id"]), None)
        super().keep(reference, status, state, detail)


@pytest.mark.parametrize(("broken", "promise"), [(OrderMatters, "shards"), (ReadsTwice, "twice")])
def test_broken_metric_is_caught(broken, promise):
    references, predictions = pairs("accuracy")
    with pytest.raises(ConformanceError, match=promise):
        check_metric(lambda: broken("vqa"), references, predictions)


def test_shards_made_differently_do_not_merge():
    one, other = make_metric("accuracy", "vqa"), make_metric("accuracy", "vqa3d")
    with pytest.raises(Exception, match="made alike"):
        one.merge(other)


@pytest.mark.parametrize(
    ("name", "task"),
    [("accuracy", "classification"), ("ece", "classification"), ("detection_ap", "detection"),
     ("detection_ap_3d", "detection3d"), ("binary_locating", "locating"), ("circular_accuracy", "classification")],
)  # fmt: skip
def test_shards_with_other_label_sets_do_not_merge(name, task):
    one, same, other = (make_metric(name, task, labels) for labels in (["cat", "dog"], ["dog", "cat"], ["cat"]))
    one.merge(same)
    with pytest.raises(UsageError, match="made alike"):
        one.merge(other)
    hashes = {made.compute()[0].signature.split("labels:")[1].split("|")[0] for made in (one, same)}
    assert len(hashes) == 1
    assert "labels:" not in make_metric(name, task).compute()[0].signature


def test_prediction_of_joints_reads_as_lines():
    assert Prediction("1", {"neck": "[0.1, 0.2]", "head top": "none"}).plain_text == "neck: [0.1, 0.2]\nhead top: none"
