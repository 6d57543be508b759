"""The halls and crowds: who reads only the questions is no better than chance, and answers follow what is there."""

import json
import math
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from lamm_data.benchmark.build import build_records
from lamm_data.benchmark.entry import Build
from lamm_data.errors import UsageError
from lamm_data.sample.halls.hall import draw_hall, even
from lamm_data.sample.halls.measures import direction
from lamm_data.sample.halls.open_questions import NUMBERS
from lamm_data.sample.halls.presence import CLASSES, SETTINGS, presence_questions
from lamm_data.sample.halls.situations import draw_poses, pose_between, situated_questions
from lamm_data.sample.solids import Solid, sample_room
from lamm_data.sample.vocabulary import COLOURS, SHAPES, SOLIDS
from lamm_data.sample.world import write_world
from lamm_data.sources.registry import get_source
from lamm_data.writing.english import plural

SETS = ("sample_halls", "sample_situations", "sample_crowds")
ASKED = [(name, task) for name in SETS for task in get_source(name).readers]
WORDS = [*COLOURS, *SOLIDS, *SHAPES, *map(plural, (*SOLIDS, *SHAPES))]
WORD = re.compile(rf"\b({'|'.join(sorted(map(re.escape, WORDS), key=len, reverse=True))})\b")
MARGIN = 3.5
"""Standard errors by which somebody may be better than chance, and a lucky draw."""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Many halls and crowds without their clouds and pictures: the questions alone."""
    blank = Image.new("RGB", (224, 224))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lamm_data.sample.halls.writing.sample_room", lambda *_: np.zeros((1, 6), np.float32))
        patch.setattr("lamm_data.sample.crowds.background", lambda rng: Image.new("RGB", (448, 448)))
        patch.setattr("lamm_data.sample.crowds.finish", lambda canvas: blank)
        root = tmp_path_factory.mktemp("large") / "world"
        write_world(root, images=0, rooms=0, halls=400, crowds=300, seed=3, benchmark_fraction=0.4)
    return root


def records(world, name, task, split):
    source = get_source(name)
    build = Build(task, source.dataset)
    return [record.to_dict() for record in build_records(source.open(world, split, task), build)]


def answer(record):
    """The true answer in words; of options, numbers, descriptions and objects what somebody blind could guess."""
    if "gt_choices" in record:
        return record["gt_choices"][record["gt_choice"]]
    if "answers" in record:
        return Counter(record["answers"]).most_common(1)[0][0] if len(record["answers"]) > 3 else record["answers"][0]
    if record["task"] == "multi_grounding3d":
        return record["eval_type"][:2]
    return record["label"]


def blind_guesses(train, held_out):
    """What three readers of the questions would answer: by form, by whole text, and by every word."""
    by_form, by_text, by_word = defaultdict(Counter), defaultdict(Counter), defaultdict(Counter)
    for record in train:
        form, truth = WORD.sub("_", record["query"]), answer(record)
        by_form[form][truth] += 1
        by_text[record["query"]][truth] += 1
        for word in set(record["query"].split()):
            by_word[form, word][truth] += 1
    for record in held_out:
        query, form = record["query"], WORD.sub("_", record["query"])
        able = record.get("gt_choices") or list(by_form[form]) or [""]

        def likely(one, query=query, form=form, able=able):
            seen = by_form[form]
            total = math.log(seen[one] + 0.5)
            for word in set(query.split()):
                total += math.log((by_word[form, word][one] + 0.5) / (seen[one] + 0.5 * len(able)))
            return total

        guesses = (
            max(able, key=lambda one: by_form[form][one]),
            max(able, key=lambda one: (by_text[query][one], by_form[form][one])),
            max(able, key=likely),
        )
        yield form, guesses, answer(record), len(able)


CLOSED = [
    ("sample_halls", "open_vqa3d"),
    ("sample_situations", "open_vqa3d"),
    ("sample_crowds", "open_vqa"),
    ("sample_halls", "yes_no3d"),
]


@pytest.mark.parametrize(("name", "task"), CLOSED)
def test_who_reads_only_the_questions_is_at_chance(large, name, task):
    guessed = list(blind_guesses(records(large, name, task, "train"), records(large, name, task, "benchmark")))
    forms = {form for form, *_ in guessed}
    assert len(guessed) > 300
    for form in [*forms, ""]:
        rows = [row for row in guessed if form in ("", row[0])]
        chance = sum(1 / row[3] for row in rows) / len(rows)
        spread = sum((1 - 1 / row[3]) / row[3] for row in rows) ** 0.5 / len(rows)
        for reader in range(3):
            hits = sum(row[1][reader] == row[2] for row in rows) / len(rows)
            assert hits < chance + MARGIN * spread, (form, reader, hits, chance)


def test_spatial_options_are_at_chance_for_who_reads_only_the_questions(large):
    train, held_out = (
        [record for record in records(large, "sample_halls", "spatial_questions3d", split) if "gt_choices" in record]
        for split in ("train", "benchmark")
    )
    for record in (*train, *held_out):  # the options stand in another order each time
        record["query"] = record["question"]
    guessed = list(blind_guesses(train, held_out))
    assert len(guessed) > 200
    chance = sum(1 / row[3] for row in guessed) / len(guessed)
    spread = sum((1 - 1 / row[3]) / row[3] for row in guessed) ** 0.5 / len(guessed)
    for reader in range(3):
        assert sum(row[1][reader] == row[2] for row in guessed) / len(guessed) < chance + MARGIN * spread
    places = Counter((len(record["gt_choices"]), record["question_type"], record["gt_choice"]) for record in train)
    for options, kind in {key[:2] for key in places}:
        numbers = [places[options, kind, place] for place in range(options)]
        assert max(numbers) - min(numbers) <= 1, places


def relative_accuracy(guess, truth):
    """VSI-Bench's: the share of ten bounds, 50 % to 5 %, within which a guess is off."""
    return sum(abs(guess - truth) / truth <= bound / 100 + 1e-9 for bound in range(5, 55, 5)) / 10


def best(numbers):
    """The number that does best when it answers everything."""
    return max(sorted(set(numbers)), key=lambda one: sum(relative_accuracy(one, truth) for truth in numbers))


def test_numbers_are_spread_so_that_words_tell_nothing_of_them(large):
    """One number for everything earns at most 0.45 of a relative accuracy; one for each question no more than that."""
    train, held_out = (
        [record for record in records(large, "sample_halls", "spatial_questions3d", split) if "num" in record]
        for split in ("train", "benchmark")
    )
    for kind in {record["question_type"] for record in train}:
        own = [record for record in train if record["question_type"] == kind]
        constant = best([record["num"] for record in own])
        by_text = defaultdict(list)
        for record in own:
            by_text[record["query"]].append(record["num"])
        guess = {text: best(numbers) if len(numbers) > 4 else constant for text, numbers in by_text.items()}
        asked = [record for record in held_out if record["question_type"] == kind]
        plain = [relative_accuracy(constant, record["num"]) for record in asked]
        told = [relative_accuracy(guess.get(record["query"], constant), record["num"]) for record in asked]
        assert len(asked) > 100, kind
        assert np.mean(plain) < 0.45, kind
        assert np.mean(told) < np.mean(plain) + MARGIN * np.std(np.subtract(told, plain)) / len(asked) ** 0.5 + 0.02


def test_a_description_does_not_tell_how_many_it_means(large):
    train, held_out = (records(large, "sample_halls", "multi_grounding3d", split) for split in ("train", "benchmark"))
    assert {record["eval_type"] for record in train} == {"zt_wo_d", "zt_w_d", "st_wo_d", "st_w_d", "mt"}
    guessed = list(blind_guesses(train, held_out))
    commonest = max(Counter(row[2] for row in guessed).values()) / len(guessed)
    for reader in range(3):
        hits = sum(row[1][reader] == row[2] for row in guessed) / len(guessed)
        assert hits < commonest + MARGIN * 0.5 / len(guessed) ** 0.5


def test_targets_are_what_the_description_names(large):
    for record in records(large, "sample_halls", "multi_grounding3d", "train"):
        number = len(record["object"])
        kind = next(word for word in re.findall(r"\w+", record["query"]) if word in SOLIDS)
        assert {"zt": number == 0, "st": number == 1, "mt": number > 1}[record["eval_type"][:2]]
        assert {target["label"] for target in record["object"]} <= {kind}


def standing(*solids):
    """A hall in which solids stand at the places that are stated, half a metre wide."""
    drawn = draw_hall("h", "box", 1, np.random.default_rng(0))
    placed = [Solid(kind, colour, foot, (0.5, 0.5, 0.5), k) for k, (kind, colour, foot) in enumerate(solids)]
    return type(drawn)("h", (8.0, 8.0), tuple(placed), "box")


def test_left_and_right_and_what_is_ahead_follow_the_pose():
    hall = standing(("box", "red", (0, 0)), ("cone", "red", (0, 3)), ("sphere", "blue", (-2, 2)))
    box, cone, sphere = hall.solids
    pose = pose_between(box, cone)
    assert pose.position == pytest.approx((0, math.hypot(0.5, 0.5) / 2 + 0.3))
    assert pose.yaw == pytest.approx(math.pi / 2)
    assert (pose.side(sphere), pose.depth(sphere)) == ("left", "front")
    turned = pose_between(box, cone, facing=False)
    assert (turned.side(sphere), turned.depth(sphere)) == ("right", "behind")
    assert (pose.side(cone), pose.depth(box)) == ("", "behind")
    assert [direction(pose, sphere, level) for level in ("easy", "medium", "hard")] == ["left", "left", "front-left"]
    assert direction(turned, sphere, "hard") == "back-right"
    back = standing(("box", "red", (0, 0)), ("cone", "red", (0, 3)), ("sphere", "blue", (0.6, -3)))
    assert direction(pose_between(*back.solids[:2]), back.solids[2], "medium") == "back"


def test_answers_of_situations_are_true_of_the_hall():
    rng, kinds = np.random.default_rng(4), Counter()
    for number in range(60):
        hall = draw_hall("h", SOLIDS[number % 5], 1 + number % 4, rng)
        assert all(pose.beside in hall.only and pose.towards in hall.only for pose in draw_poses(hall, rng))
        for kind, text, pose, found in situated_questions(hall, rng):
            kinds[kind] += 1
            rest = [one for one in hall.solids if one not in (pose.beside, pose.towards)]
            wanted = "left" if "left" in text else "right"
            if kind == "number":
                assert sum(pose.side(one) == wanted for one in rest) == NUMBERS.index(found)
            elif kind == "colour":
                (named,) = [one for one in rest if one.kind in text and pose.side(one) == wanted]
                assert named.colour == found
            elif kind == "side":
                (named,) = [one for one in rest if one.kind in text]
                assert pose.side(named) == found
    assert set(kinds) == {"side", "sight", "number", "colour", "which"}


def test_solids_of_a_hall_do_not_overlap_and_its_cloud_is_whole():
    rng = np.random.default_rng(1)
    for number in range(30):
        hall = draw_hall("h", "cone", 1 + number % 4, rng)
        assert len(hall.of("cone")) == 1 + number % 4
        assert len({hall.phrase(one) for one in hall.solids}) == len(hall.solids)
        for one in hall.solids:
            assert np.all(np.abs(one.foot) + np.array(one.size[:2]) / 2 <= np.array(hall.floor) / 2 + 1e-9)
            for other in hall.solids[: one.id]:
                gaps = np.abs(np.subtract(one.foot, other.foot)) - np.add(one.size, other.size)[:2] / 2
                assert gaps.max() > 0.1
    cloud = sample_room(sorted(hall.solids, key=lambda one: -one.size[0] * one.size[2]), rng, hall.floor)
    assert cloud.shape == (4096, 6)
    assert np.abs(cloud[:, 0]).max() == pytest.approx(hall.floor[0] / 2, abs=0.1)
    assert np.abs(cloud[:, 1]).max() == pytest.approx(hall.floor[1] / 2, abs=0.1)


def test_questions_for_presence_are_built_as_published_and_say_yes_as_often_as_no():
    rng = np.random.default_rng(2)
    halls = [draw_hall(f"h{number}", SOLIDS[number % 5], 1 + number % 4, rng) for number in range(80)]
    there = {hall.name: {f"{one.colour} {one.kind}" for one in hall.solids} for hall in halls}
    frequent = Counter(name for names in there.values() for name in names)
    asked = {}
    for setting in SETTINGS:
        asked[setting] = [row for rows in presence_questions(halls, setting, rng) for row in rows]
        truths = defaultdict(Counter)
        for row in asked[setting]:
            (name,) = [one for one in CLASSES if one in row["conversations"][0]["value"]]
            assert row["ground_truth_answer"] == ("yes" if name in there[row["scene_id"]] else "no")
            truths[name][row["ground_truth_answer"]] += 1
        assert truths
        assert all(counts["yes"] == counts["no"] for counts in truths.values())

    def popularity(setting):
        absent = [row["conversations"][0]["value"] for row in asked[setting] if row["ground_truth_answer"] == "no"]
        return np.mean([max(frequent[name] for name in CLASSES if name in text) for text in absent])

    assert popularity("popular") > popularity("random")


def test_even_keeps_as_many_of_every_answer():
    rows = [(k, "yes" if k % 3 else "no") for k in range(30)]
    chosen = even(rows, lambda row: row[1], np.random.default_rng(0))
    assert Counter(row[1] for row in chosen) == {"yes": 10, "no": 10}
    assert chosen == sorted(chosen)
    assert even([], str, np.random.default_rng(0)) == []


@pytest.mark.parametrize(("name", "task"), ASKED)
def test_splits_share_neither_records_nor_scenes(large, name, task):
    train, held_out = records(large, name, task, "train"), records(large, name, task, "benchmark")
    assert train
    assert held_out
    assert not {record["group"] for record in train} & {record["group"] for record in held_out}


def test_distances_are_between_centres(large):
    asked = records(large, "sample_halls", "spatial_questions3d", "train")
    record = next(one for one in asked if one["question_type"] == "object_abs_distance")
    scenes = get_source("sample_halls").open(large, "train", "detection3d")
    scene = next(item for item in scenes if item.id == f"{record['group']}_00")
    kinds = [word for word in re.findall(r"\w+", record["question"]) if word in SOLIDS]
    first, second = (next(box for box in scene.boxes3d if box.label == kind) for kind in kinds)
    assert math.dist(first.centre, second.centre) == pytest.approx(record["num"], abs=0.006)


def test_halls_and_crowds_are_drawn_only_where_they_are_asked_for(tmp_path):
    plain = write_world(tmp_path / "plain", images=9, rooms=2)
    assert set(plain["sets"]) == {"shapes", "textures", "faces", "scenes", "figures", "counts", "words", "rooms"}
    more = write_world(tmp_path / "more", images=9, rooms=2, halls=4, crowds=4)
    assert (more["sets"]["halls"], more["sets"]["crowds"]) == (4, 4)
    for path in (tmp_path / "plain").rglob("*"):
        other = tmp_path / "more" / path.relative_to(tmp_path / "plain")
        assert path.is_dir() or path.name == "sample.json" or path.read_bytes() == other.read_bytes()
    again = write_world(tmp_path / "again", images=0, rooms=0, halls=4, crowds=4)
    assert again["sets"]["rooms"] == 0
    for path in (tmp_path / "again").rglob("*"):
        other = tmp_path / "more" / path.relative_to(tmp_path / "again")
        assert path.is_dir() or path.name == "sample.json" or path.read_bytes() == other.read_bytes()
    with pytest.raises(UsageError, match="-1 halls"):
        write_world(tmp_path / "none", halls=-1)
    manifest = json.loads((tmp_path / "more" / "sample.json").read_text())
    assert manifest["synthetic"] is True
