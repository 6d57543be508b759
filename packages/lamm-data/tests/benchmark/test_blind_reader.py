"""ScanQA's drawn options: a reader that sees no room, only the words, must not do better than chance."""

import math
import random
from collections import Counter

import pytest

from lamm_data.benchmark.run import build_benchmark
from lamm_data.records.annotations import Annotated, Question
from lamm_data.records.benchmark import read_benchmark
from lamm_data.writing.answer_types import answer_type, content_words, overlap
from lamm_data.writing.options import AnswerPool

CHANCE = 1 / 6
SLACK = 0.055
"""What a trick may gain. With 4,675 questions the 99 % interval of chance is 0.014 wide to each side."""


@pytest.fixture(scope="module")
def records(real_data, tmp_path_factory):
    output = tmp_path_factory.mktemp("scanqa")
    (file,) = build_benchmark("scanqa", real_data / "scanqa", output, media="ignore", seed=4, tasks=("vqa3d",))
    return read_benchmark(output / file.name)


def asked(record):
    return content_words(record.query.partition(" Options:")[0])


def shared(record, option):
    return len(content_words(option) & asked(record))


def likeness(record, option):
    words = content_words(option)
    return sum(len(words & content_words(other)) for other in record.gt_choices if other != option)


def hit_rate(records, value):
    """How often the option of the largest value is right; ties are broken by lot."""
    rng = random.Random(0)
    return sum(
        max(range(len(r.gt_choices)), key=lambda k: (value(r, r.gt_choices[k]), rng.random())) == r.gt_choice
        for r in records
    ) / len(records)


TRICKS = {
    "longest": lambda record, option: len(option),
    "shortest": lambda record, option: -len(option),
    "most words": lambda record, option: len(option.split()),
    "repeats the question": shared,
    "avoids the question": lambda record, option: -shared(record, option),
    "like the others": likeness,
    "unlike the others": lambda record, option: -likeness(record, option),
    "first in the alphabet": lambda record, option: [-ord(letter) for letter in option],
}


@pytest.mark.parametrize("trick", TRICKS)
def test_style_does_not_tell_the_right_option(records, trick):
    assert hit_rate(records, TRICKS[trick]) < CHANCE + SLACK


def test_neither_does_how_often_an_answer_is_right_elsewhere(records):
    common = Counter(r.gt_choices[r.gt_choice] for r in records)

    def elsewhere(record, option):
        return common[option] - (option == record.gt_choices[record.gt_choice])

    assert hit_rate(records, elsewhere) < CHANCE + SLACK


def features(record, option):
    words, kind = content_words(option), answer_type(option)
    yield f"type {kind}"
    yield f"length {min(len(option.split()), 6)}"
    yield f"option {option}"
    for word in asked(record):
        yield f"{word} asks for {kind}"
        yield from (f"{word} goes with {other}" for other in words)


def test_nor_can_it_be_learnt_from_questions_about_other_rooms(records):
    """A naive Bayes reader of words, types and lengths, trained on one half of the rooms and tested on the other."""
    rooms = {room: number % 2 for number, room in enumerate(sorted({record.group for record in records}))}
    hits = 0
    for fold in (0, 1):
        right, wrong = Counter(), Counter()
        for record in (r for r in records if rooms[r.group] != fold):
            for place, option in enumerate(record.gt_choices):
                (right if place == record.gt_choice else wrong).update(features(record, option))
        for record in (r for r in records if rooms[r.group] == fold):
            scores = [
                sum(math.log((right[f] + 1) / (wrong[f] + 5)) for f in features(record, option))
                for option in record.gt_choices
            ]
            hits += scores.index(max(scores)) == record.gt_choice
    assert hits / len(records) < CHANCE + SLACK


def test_options_are_of_one_type_and_none_says_more_of_the_same(records):
    pairs = [
        (record.gt_choices[record.gt_choice], option)
        for record in records
        for place, option in enumerate(record.gt_choices)
        if place != record.gt_choice
    ]
    assert sum(answer_type(right) == answer_type(wrong) for right, wrong in pairs) > 0.995 * len(pairs)
    for record in records:
        words = [content_words(option) for option in record.gt_choices]
        assert not any(overlap(one, other) for k, one in enumerate(words) for other in words[k + 1 :])


def test_questions_of_yes_or_no_get_these_two_and_lonely_ones_stay_open():
    items = [
        Annotated("1", "1.npy", "pcl", questions=(Question("Is the door open?", ("no",)),)),
        Annotated("2", "2.npy", "pcl", questions=(Question("Where is it?", ("behind the door", "at the back")),)),
        Annotated(
            "3", "3.npy", "pcl", questions=(Question("How many are there?", ("two",)), Question("How many?", ("2",)))
        ),
    ]
    pool = AnswerPool(items)
    posed = [pool.pose(question, 4, random.Random(1)) for item in items for question in item.questions]
    assert sorted(posed[0].choices) == ["no", "yes"]
    assert posed[0].choices[posed[0].answer] == "no"
    assert posed[1].choices == ()
    assert posed[2].choices == ()  # "two" and "2" are one answer
