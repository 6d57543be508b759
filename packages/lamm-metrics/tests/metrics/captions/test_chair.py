"""CHAIR counts mentions of objects that are not there, by hand-counted captions."""

import pytest

from lamm_metrics import score
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.captions.chair import Chair, mentioned
from lamm_metrics.records.predictions import Prediction

LABELS = ["cat", "dog", "couch", "sofa", "dining table", "car", "truck", "person"]


def objects(*labels):
    return [{"label": label} for label in labels]


def record(i, *labels, **more):
    return {"id": str(i), "object": objects(*labels), **more}


CAPTIONS = [
    # caption, what is there, references, classes that are not there, mentions, found
    ("Two dogs sleep on a couch.", ["dog"], ["A dog."], ["couch"], 2, 1),
    ("A dog, a dog and a cat.", ["cat"], [], ["dog", "dog"], 3, 1),
    ("A puppy sits on the settee.", ["dog", "sofa"], [], [], 2, 2),
    ("A man drives a car.", ["truck"], ["A woman in a car."], [], 2, 2),
    ("A hot dog on a dining table.", ["dining table"], [], [], 1, 1),
    ("A lamp and a carpet.", ["cat"], [], [], 0, 0),
]


@pytest.mark.parametrize(("caption", "there", "sentences", "absent", "mentions", "found"), CAPTIONS)
def test_mentions_are_counted_each_time(caption, there, sentences, absent, mentions, found):
    metric = Chair(LABELS)
    metric.update(record(1, *there, sentences=sentences), Prediction("1", caption))
    state = metric.entries["1"].state
    assert (list(state.absent), state.mentions, state.found) == (absent, mentions, found)


def test_scores_are_shares_of_sums():
    metric = Chair(LABELS)
    for i, (caption, there, sentences, *_) in enumerate(CAPTIONS):
        metric.update(record(i, *there, sentences=sentences), Prediction(str(i), caption))
    mentions, captions, recall = metric.compute(draws=200)
    assert mentions.value == pytest.approx(3 / 10)
    assert captions.value == pytest.approx(2 / 6)
    # Truck beside car and person of the sentence; sofa and dog; dog; cat; table; cat.
    assert recall.value == pytest.approx(7 / 9)
    assert mentions.interval is not None
    assert not mentions.higher_is_better
    assert recall.higher_is_better


def test_sentences_may_be_left_out():
    metric = Chair(LABELS, sentences=False)
    metric.update(record(1, "truck", sentences=["A woman in a car."]), Prediction("1", "A man drives a car."))
    assert metric.entries["1"].state.absent == ("person", "car")
    with pytest.raises(LammMetricsError, match="made alike"):
        metric.merge(Chair(LABELS))


def test_an_empty_answer_is_wrong_and_names_nothing():
    metric = Chair(LABELS)
    metric.update(record(1, "cat"), Prediction("1", " "))
    mentions, captions, recall = metric.compute(draws=2)
    assert (mentions.value, captions.value, recall.value, captions.n_failed) == (None, 1.0, 0.0, 1)
    assert captions.extra["failures_right"] == 0


def test_scored_by_name_on_captions_with_objects_and_lists_what_is_not_there():
    records = [record(i, "cat", "sofa", sentences=["A cat."], task="caption", image=f"{i // 2}.jpg") for i in range(4)]
    answers = [{"id": str(i), "text": "A cat beside a sofa." if i else "A cat beside a dog."} for i in range(4)]
    records[3]["object"].append({"label": "dog"})
    report = score("caption", records, answers, metrics=["chair"])
    assert report.headline.value == pytest.approx(1 / 8)
    assert "labels:" in report.headline.signature
    assert [sample.extracted for sample in report.samples][:2] == ["not there: dog", ""]


@pytest.mark.parametrize("wrong", [[{"name": "cat"}], ["cat"]])
def test_objects_without_label_are_named(wrong):
    with pytest.raises(LammMetricsError, match="label"):
        Chair(LABELS).update({"id": 7, "object": wrong}, Prediction("7", "a cat"))
    with pytest.raises(LammMetricsError, match="label"):
        score("caption", [{"id": 7, "sentences": ["a"], "object": wrong}], [{"id": 7, "text": "a"}], metrics=["chair"])


def test_records_without_objects_are_refused():
    with pytest.raises(LammMetricsError, match="object"):
        score("caption", [{"id": 7, "sentences": ["a"]}], [{"id": 7, "text": "a"}], metrics=["chair"])


def test_double_words_are_one_name():
    labels, synonyms = ["bear", "teddy bear", "truck"], {"truck": ["fire truck"]}
    named = mentioned("a teddy bear near a bear and a fire truck", labels, synonyms)
    assert list(named) == [("teddy bear", "teddy bear"), ("bear", "bear"), ("truck", "fire truck")]


def test_captions_of_records_that_list_objects_are_scored_so_without_asking():
    listed = [
        {"id": name, "sentences": [f"A {name}."], "object": [{"label": name}], "image": f"{name}.jpg"}
        for name in ("cat", "dog")
    ]
    answers = [{"id": "cat", "text": "A cat."}, {"id": "dog", "text": "A cat."}]
    found = {one.name: one.value for one in score("caption", listed, answers, draws=2).scores}
    assert (found["chair_i"], found["chair_s"], found["chair_recall"]) == (0.5, 0.5, 0.5)
    bare = [{key: value for key, value in one.items() if key != "object"} for one in listed]
    for records in (bare, [listed[0], bare[1]], [{**one, "object": "a name"} for one in listed]):
        assert "chair_i" not in {one.name for one in score("caption", records, answers, draws=2).scores}
    assert "chair_i" not in {one.name for one in score("caption", listed, answers, "coco-captions", draws=2).scores}
