"""What a text names, and how many of it."""

import pytest

from lamm_data.generation.input_rows import RowIndex
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.quality.checks.grounding import Grounding
from lamm_data.quality.checks.mentions import MentionFinder
from lamm_data.quality.checks.record import PreparedRecord
from lamm_data.quality.checks.relations import check_relations
from lamm_data.records.instruction import InstructionRecord, Turn

FINDER = MentionFinder(["person", "hot dog", "dog", "bicycle", "motorcycle", "orange", "cell phone", "knife"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A hot dog beside two dogs.", [("hot dog", ""), ("dogs", "two")]),
        ("Three small dogs; 12 knives.", [("dogs", "three"), ("knives", "12")]),
        ("Two. Dogs run.", [("Dogs", "")]),
        ("An orange cat and an orange and white coat.", []),
        ("An orange is on the table, oranges too.", [("orange", ""), ("oranges", "")]),
        ("A cell-phone, a cell  phone, a phone.", [("cell-phone", ""), ("cell  phone", ""), ("phone", "")]),
        ("Dogmatic hotdogs and undogs.", []),
    ],
)
def test_names_are_found_with_their_numbers(text, found):
    assert [(item.word, item.number) for item in FINDER.find(text)] == found


def test_an_ambiguous_word_means_either_class():
    assert [item.labels for item in FINDER.find("A bike.")] == [("bicycle", "motorcycle")]


def findings(text, counts, captions=()):
    objects = tuple(SceneObject(label) for label, count in counts.items() for _ in range(count))
    row = Row("1", "1.jpg", captions=captions, objects=objects)
    others = Row(
        "2", "2.jpg", objects=tuple(SceneObject(label) for label in ("dog", "bowl", "person", "kite", "bicycle"))
    )
    record = InstructionRecord([Turn("human", "?"), Turn("gpt", text)], id="1", image="1.jpg", task_type="description")
    return [(item.kind, item.detail) for item in Grounding(RowIndex([row, others])).check(PreparedRecord(record))]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("There is no dog, and nothing flies a kite.", ["ungrounded_object"]),
        ("There is no dog and not a single kite.", []),
        ("The toilet bowl is white.", []),
        ("The bowl is white.", ["ungrounded_object"]),
        ("Two women talk.", []),
        ("Seven women talk.", ["wrong_count"]),
        ("Two people talk.", ["wrong_count"]),
        ("Five people talk.", []),
        ("A bike leans there.", []),
    ],
)
def test_what_contradicts_the_annotations_is_found(text, kinds):
    assert [kind for kind, _ in findings(text, {"toilet": 1, "person": 5, "motorcycle": 1})] == kinds


def test_a_number_that_a_caption_gives_is_believed():
    assert findings("Two people talk.", {"person": 5}, ("Two of them talk.",)) == []


RELATIONS = (("cup", "on top of", "table"), ("man", "riding", "horse"), ("lamp", "to the left of", "sofa"))
ONE_EACH = Row("1", "1.jpg", objects=tuple(SceneObject(name) for name in ("cup", "table", "man")), relations=RELATIONS)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("The cup is under the table.", True),
        ("The cup sits on the old table.", False),
        ("The table is below the cup.", False),
        ("The table stands on the cup.", True),
        ("A man rides a brown horse.", False),
        ("A horse rides the man.", True),
        ("The horse is ridden by the man.", False),
        ("The lamp stands to the right of the sofa.", True),
        ("The sofa is to the right of the lamp.", False),
        ("The cup is near the table.", False),
        ("The cup is blue. Under the table lies a rug.", False),
        ("The cup is under the lamp.", False),
    ],
)
def test_relations_that_a_triple_rules_out_are_found(text, wrong):
    assert bool(list(check_relations(text, ONE_EACH, 2))) == wrong


def test_of_several_objects_of_a_class_any_may_be_meant():
    row = Row("1", "1.jpg", objects=(SceneObject("cup"), SceneObject("cup")), relations=RELATIONS)
    assert list(check_relations("The cup is under the table.", row, 2)) == []
