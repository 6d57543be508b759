"""Are the pools large, distinct, grammatical for one and many, and free of claims that no annotation makes?"""

import re

import pytest

from lamm_data.errors import UsageError
from lamm_data.records.annotations import Annotated, Box, Box3D, ClassLabel, Count
from lamm_data.templates.convert import Conversion, convert
from lamm_data.templates.pools import pools
from lamm_data.templates.pools.definitions import check_pools, get_definition, load_definitions, pool_faults
from lamm_data.writing.draws import placeholders
from lamm_data.writing.english import plural, singular, takes_are, with_article


@pytest.mark.parametrize("name", pools.names())
def test_pools_are_large_distinct_and_fit_their_task(name):
    pool = pools.load_pool(name)
    assert len({text.casefold() for text in pool.questions}) == len(pool.questions) >= 20
    assert len({text.casefold() for text in pool.answers["full"]}) == len(pool.answers["full"]) >= 15
    assert list(pool_faults(pool)) == []


def test_every_pool_has_a_definition_whose_values_fill_it():
    assert set(load_definitions()) == set(pools.names())
    for name, definition in load_definitions().items():
        pool = pools.load_pool(name)
        texts = (*pool.questions, *(text for texts in pool.answers.values() for text in texts))
        assert {word for text in texts for word in placeholders(text)} <= set(definition.values)


@pytest.mark.parametrize(
    ("pool", "part", "text", "fault"),
    [
        ("counting", "question", "How many are there?", "lacks {plural}"),
        ("counting", "question", "How many {plural} of {colour}?", "unknown placeholder {colour}"),
        ("counting", "answer", "Clearly {number}.", "claims"),
        ("detection", "answer", "The only one is {a_label} at {box}.", "claims"),
        ("detection", "answer", "There is {a_label} at {box.", "stray brace"),
        ("detection", "answer", "There is {a_label} at [0.1, 0.2].", "lacks"),
        ("detection", "answer", "There is {a_label} at {box} or [0.1, 0.2].", "numbers"),
        ("detection", "answer", "{label} {box} " * 30, "too long"),
        ("detection", "answer", " ", "empty"),
    ],
)
def test_faulty_templates_are_named(pool, part, text, fault):
    assert fault in get_definition(pool).fault(text, part)


def test_own_pools_are_checked_before_anything_is_read(tmp_path):
    (tmp_path / "counting.toml").write_text('questions = ["How many?"]\nanswers = ["{count}"]\n')
    with pytest.raises(UsageError, match=r"2 faults: counting: question 'How many\?': lacks \{plural\}"):
        check_pools(pools.read_pools(tmp_path))
    (tmp_path / "counting.toml").write_text("questions = []\nanswers = 3\n")
    with pytest.raises(UsageError, match="list of texts"):
        pools.read_pools(tmp_path)
    with pytest.raises(UsageError, match="got none"):
        pools.read_pools(tmp_path / "nothing")


MANY = r"(skis|trees|two men|Skis|Trees|Two men)"
SINGULAR = r"a|an|there is|there is no|[Ii]t is|this is|here is|object is|subject is|outline is"
UNGRAMMATICAL = re.compile(
    rf"\b({SINGULAR}) {MANY}\b|(?<!box of )(?<!class )\b{MANY} (is|has)\b|\b(a|an) (water|an?)\b|\ba [aeio]"
    r"|\bare (a|an|no) (dog|apple)\b|\b(water|dog) are\b|\bthere are (a |no )?(dog|water)\b"
    r"|\b1 \w+s are\b|\b1 (apples|people)\b|\b[23] (apple|person)\b|  |\.\.|\{|\}"
)


@pytest.mark.parametrize("label", ["dog", "apple", "skis", "trees", "two men", "water", "a man in a hat"])
def test_answers_and_questions_are_grammatical_for_one_and_many(label):
    closed = tuple(dict.fromkeys((label, "dog", "skis", "water", "apple")))
    items = [
        Annotated(
            str(k), "1.png", width=99, height=99, boxes=(Box(label, (1, 2, 50, 60)),), classes=(ClassLabel(label),)
        )
        for k in range(150)
    ]
    for task in ("detection", "classification", "presence"):
        for record in convert(items, Conversion(task, "x", closed=closed, negatives=0.6)):
            for turn in record.conversations:
                assert not UNGRAMMATICAL.search(turn.text), turn.text
    rooms = [Annotated(item.id, "1.npy", "pcl", boxes3d=(Box3D(label, (1, 2, 3), (1, 1, 1)),)) for item in items]
    for task in ("detection3d", "presence3d"):
        for record in convert(rooms, Conversion(task, "x", closed=closed, negatives=0.6)):
            assert not any(UNGRAMMATICAL.search(turn.text) for turn in record.conversations)


@pytest.mark.parametrize("name", ["scene_graph", "scene_graph3d"])
def test_relations_are_asked_in_words_that_fit_one_and_many(name):
    # Names such as "bikes" stand where these placeholders are, so no verb may agree with one of them alone.
    pool = pools.load_pool(name)
    singular_verb = re.compile(r"\b(does|is|has) the \{\w+\}|(?<!and the )\{(subject|object)\} (is|has|does)\b")
    assert singular_verb.search("What relation does the {subject} have?")
    assert not [text for text in (*pool.questions, *pool.answers["full"]) if singular_verb.search(text)]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("label", ["apple", "apples", "person", "people"])
def test_counts_agree_with_their_noun(label, number):
    items = [Annotated(str(k), "1.png", counts=(Count(label, number),)) for k in range(100)]
    for record in convert(items, Conversion("counting", "x")):
        question, answer = (turn.text for turn in record.conversations)
        assert plural(label) in question
        assert not UNGRAMMATICAL.search(answer), answer
        assert not re.search(r"\bis (0|2|3) |\bare 1 ", answer), answer


def test_bald_is_no_hair_colour():
    labels = [ClassLabel(name, "facial_classification", "hair") for name in ("bald", "black")]
    for label in labels:
        items = [Annotated(str(k), "1.png", classes=(label,)) for k in range(100)]
        answers = [record.conversations[1].text for record in convert(items, Conversion("facial_classification", "x"))]
        assert not any(re.search(r"bald hair|(person|one|here|image|picture) is black", answer) for answer in answers)
        assert all(label.name in answer for answer in answers)


def test_verbs_agree():
    assert takes_are("tennis rackets")
    assert not any(map(takes_are, ("lens", "bus", "glass", "canvas", "tennis", "one of the men", "")))
    assert with_article("two men") == "two men"
    assert with_article("the left dog") == "the left dog"
    assert with_article("water") == "water"


@pytest.mark.parametrize(
    ("one", "many"),
    [("cross", "crosses"), ("apple", "apples"), ("person", "people"), ("sea shell", "sea shells"), ("box", "boxes"),
     ("bus", "buses"), ("sheep", "sheep"), ("berry", "berries"), ("cookie", "cookies"), ("peach", "peaches"),
     ("glass", "glasses"), ("nail polish", "nail polishes"), ("house", "houses"), ("nose", "noses"), ("vase", "vases"),
     ("horse", "horses"), ("mouse", "mice"), ("toy", "toys"), ("knife", "knives"), ("dish", "dishes")],
)  # fmt: skip
def test_plurals(one, many):
    assert plural(one) == many
    assert plural(many) == many
    assert singular(one) == one
    if many != "glasses":  # a pair of glasses
        assert singular(many) == one


@pytest.mark.parametrize("text", ["an arrow", "a unicycle", "an hour", "a European flag", "an orange", "a box", "skis"])
def test_articles(text):
    assert with_article(text.split(" ", 1)[1] if " " in text else text) == text
