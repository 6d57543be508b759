"""The checks against a corpus in which every fault is labelled, and against clean records made from real captions."""

import json
import os
import random
from pathlib import Path

import pytest

from lamm_data.generation.input_rows import read_rows
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.quality.contamination.benchmarks import ContaminationSettings
from lamm_data.quality.run import CheckSettings, check_file

DATA = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).parents[5] / "shared/data"))
REAL = DATA / "coco/caps_boxes_coco2014_val_80.jsonl"
TEXTS = json.loads(Path(__file__).with_name("planted.json").read_text())
CLEAN = TEXTS.pop("clean")
PLANTED = 60
LABELS = ["cat", "dog", "chair", "umbrella", "pizza", "truck", "zebra", "kite", "laptop", "vase"]


def rows():
    chance = random.Random(3)
    made = []
    for number in range(1500):
        labels = chance.sample(LABELS, 3)
        objects = []
        for label in labels:
            # Relations are judged between objects of which there is one.
            for _ in range(chance.randint(1, 4) if label == labels[0] else 1):
                x, y = chance.uniform(0, 0.5), chance.uniform(0, 0.5)
                objects.append(SceneObject(label, (round(x, 3), round(y, 3), round(x + 0.3, 3), round(y + 0.3, 3))))
        made.append(
            Row(
                f"img{number}",
                f"img{number}.jpg",
                captions=(f"A {labels[0]} near a {labels[1]}.",),
                objects=tuple(objects),
                relations=((labels[1], "on", labels[2]),)
                if number % 2
                else ((labels[1], "to the left of", labels[2]),),
            )
        )
    return made


def clean(row, chance):
    labels = list(dict.fromkeys(item.label for item in row.objects))
    count = sum(item.label == labels[0] for item in row.objects)
    number = ["", "one", "two", "three", "four"][count]
    place = chance.choice(["park", "street", "kitchen", "field", "yard", "room", "harbour", "square"])
    hour = chance.choice(["noon", "dawn", "night"])
    turns = [
        ("human", f"What is in this picture of scene {row.id}?"),
        ("gpt", f"There is a {labels[1]} and a {labels[2]}, in a {place} at {hour}."),
        ("human", f"How many {labels[0]}s can you see?"),
        ("gpt", f"I can see {number} {labels[0]}{'s' if count > 1 else ''}. {chance.choice(CLEAN)}"),
    ]
    return record(row, turns)


def record(row, turns, task_type="conversation"):
    return {
        "id": row.id,
        "image": row.media,
        "conversations": [{"from": role, "value": text} for role, text in turns],
        "task_type": task_type,
    }


def say(text):
    def plant(item, row, chance):
        item["conversations"][3]["value"] += " " + chance.choice(text)

    return plant


def plant_format(item, row, chance):
    broken = chance.choice(["role", "empty", "odd"])
    if broken == "role":
        item["conversations"][1]["from"] = "human"
    elif broken == "empty":
        item["conversations"][3]["value"] = "  "
    else:
        item["conversations"].pop()


def plant_object(item, row, chance):
    absent = [label for label in LABELS if label not in {entry.label for entry in row.objects}]
    item["conversations"][1]["value"] += f" A {chance.choice(absent)} stands next to it."


def plant_count(item, row, chance):
    label = row.objects[0].label
    wrong = sum(entry.label == label for entry in row.objects) + chance.randint(2, 4)
    item["conversations"][3]["value"] = (
        f"There are {chance.choice([str(wrong), ['five', 'six', 'seven', 'eight'][wrong % 4]])} {label}s."
    )


def plant_box(item, row, chance):
    item["task_type"] = "detection"
    item["conversations"][3]["value"] = "It is at [0.91, 0.92, 0.97, 0.99]."


def plant_repetition(item, row, chance):
    item["conversations"][3]["value"] = item["conversations"][1]["value"]


def plant_relation(item, row, chance):
    subject, _, thing = row.relations[0]
    wrong = [f"The {thing} is on the {subject}.", f"A {subject} lies beneath the small {thing}."]
    if "left" in row.relations[0][1]:
        wrong = [
            f"The {subject} stands to the right of the {thing}.",
            f"The {thing} is on the left side of the {subject}.",
        ]
    item["conversations"][1]["value"] = chance.choice(wrong)


PLANTS = {
    "format": plant_format,
    "repetition": plant_repetition,
    "ungrounded_object": plant_object,
    "wrong_count": plant_count,
    "wrong_relation": plant_relation,
    "unknown_box": plant_box,
    **{kind: say(texts) for kind, texts in TEXTS.items()},
}


@pytest.fixture
def world(tmp_path):
    found = rows()
    path = tmp_path / "rows.jsonl"
    lines = [
        {"id": row.id, "image": row.media, "captions": row.captions,
         "instances": [{"category": item.label, "bbox": item.box} for item in row.objects], "relations": row.relations}
        for row in found
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return found, path


def check(tmp_path, records, **settings):
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in records))
    return check_file(path, CheckSettings(**settings), tmp_path / "kept.jsonl", tmp_path / "rejected.jsonl")


def test_planted_faults_are_found_and_clean_records_are_not_accused(world, tmp_path, record_property):
    found, annotations = world
    chance = random.Random(11)
    records = [clean(row, chance) for row in found]
    planted = {}
    places = iter(chance.sample(range(len(records)), PLANTED * len(PLANTS)))
    for kind, plant in PLANTS.items():
        for _ in range(PLANTED):
            place = next(places)
            plant(records[place], found[place], chance)
            planted[place] = kind
    report = check(tmp_path, records, annotations=annotations)
    kinds = {}
    for place, finding in report.findings:
        kinds.setdefault(place, set()).add(finding.kind)
    for kind in PLANTS:
        caught = sum(kind in kinds.get(place, ()) for place, want in planted.items() if want == kind)
        missed = [
            records[place] for place, want in planted.items() if want == kind and kind not in kinds.get(place, ())
        ]
        record_property(kind, f"{caught} of {PLANTED}")
        assert caught >= 0.95 * PLANTED, (kind, caught, missed[:3])
    accused = [place for place in kinds if place not in planted]
    record_property("false alarms", f"{len(accused)} of {len(records) - len(planted)}")
    wrongly = [finding for place, finding in report.findings if place not in planted]
    assert len(accused) <= 0.02 * (len(records) - len(planted)), wrongly[:5]
    lines = [
        json.loads(line)
        for name in ("kept", "rejected")
        for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()
    ]
    assert len(lines) == len(records) == report.records
    assert min(report.funnel.values()) == report.kept


@pytest.mark.skipif(not REAL.exists(), reason="needs the real COCO rows of LAMM_TEST_DATA")
def test_real_captions_are_not_accused(tmp_path):
    real = [row for row in read_rows(REAL) if isinstance(row, Row)]
    records = [
        record(row, [("human", "Describe this picture."), ("gpt", caption)], "description")
        for row in real
        for caption in row.captions[:1]
    ]
    report = check(tmp_path, records, annotations=REAL)
    assert report.records == 80
    assert report.records - report.kept <= 0.02 * report.records, report.findings


def test_exact_and_near_duplicates(world, tmp_path):
    chance = random.Random(0)
    records = [clean(row, chance) for row in world[0][:50]]
    copy = json.loads(json.dumps(records[7]))
    near = json.loads(json.dumps(records[9]))
    near["conversations"][1]["value"] += " Nice."
    report = check(tmp_path, [*records, copy, near], near_duplicates=0.95)
    assert {place: finding.kind for place, finding in report.findings} == {50: "duplicate", 51: "near_duplicate"}


def test_contamination_by_image_room_and_words(world, tmp_path):
    query = "what is the large brown animal doing behind the old wooden fence on the far left side"
    benchmark = tmp_path / "Caption_x.json"
    benchmark.write_text(json.dumps([
        {"id": 1, "image": "val/COCO_val2014_000000000042.jpg", "query": "?", "sentences": ["short"]},
        {"id": 2, "pcl": "./scannet_pcls/scene0011_00.npy", "query": query},
    ]))  # fmt: skip
    chance = random.Random(0)
    records = [clean(row, chance) for row in world[0][:4]]
    records[0]["image"] = "coco_images/000000000042.jpg"
    records[1]["conversations"][0]["value"] = f"Tell me {query}, please."
    records[2]["pcl"] = records[2].pop("image").replace("img2.jpg", "scene0011_02.npy")
    report = check(tmp_path, records, contamination=ContaminationSettings((benchmark,)))
    assert [(place, finding.kind) for place, finding in report.findings] == [(n, "contamination") for n in range(3)]


BY_LANGUAGE = json.loads(Path(__file__).with_name("replies_by_language.json").read_text(encoding="utf-8"))


def in_language(tmp_path, kind, language):
    turns = [[("human", "Describe this picture."), ("gpt", text)] for text in BY_LANGUAGE[kind][language]]
    records = [record(Row(str(n), "a.jpg"), pair, "description") for n, pair in enumerate(turns)]
    report = check(tmp_path, records)
    return {index for index, finding in report.findings if finding.kind in ("refusal", "markup", "leakage")}


@pytest.mark.parametrize("language", BY_LANGUAGE["chatbot"])
def test_replies_of_chatbots_are_found_in_the_largest_languages(tmp_path, language, record_property):
    found = in_language(tmp_path, "chatbot", language)
    record_property(language, f"{len(found)} of {len(BY_LANGUAGE['chatbot'][language])}")
    assert [text for n, text in enumerate(BY_LANGUAGE["chatbot"][language]) if n not in found] == []


@pytest.mark.parametrize("language", BY_LANGUAGE["sound"])
def test_answers_in_other_languages_are_not_accused(tmp_path, language):
    found = in_language(tmp_path, "sound", language)
    assert [BY_LANGUAGE["sound"][language][n] for n in found] == []


REPLIES = json.loads(Path(__file__).with_name("model_replies.json").read_text())


@pytest.mark.parametrize("half", ["development", "held_out"])
def test_replies_of_models_that_are_no_answers_are_found(tmp_path, half, record_property):
    """The rules were written with the first half at hand; the second half was only measured."""
    turns = [[("human", "Describe this picture."), ("gpt", text)] for text in REPLIES[half]]
    records = [record(Row(str(n), "a.jpg"), pair, "description") for n, pair in enumerate(turns)]
    report = check(tmp_path, records)
    found = {index for index, finding in report.findings if finding.kind in ("refusal", "markup", "leakage")}
    record_property(half, f"{len(found)} of {len(records)}")
    missed = [text for index, text in enumerate(REPLIES[half]) if index not in found]
    assert len(records) == 100
    assert len(found) >= 98, missed
