"""What our own templates write is read back, and our own benchmark files pass `lamm metrics lint`."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from lamm_data import build_benchmark, write_world
from lamm_metrics import extract_choice, extract_label, extract_number, lint

POOLS = files("lamm_data") / "templates" / "pools" / "packaged"
SETS = json.loads(
    (Path(__file__).parents[2] / "packages/lamm-metrics/tests/extraction/answers/sets.json").read_text(encoding="utf-8")
)
OPTIONS = [options for name, options in SETS.items() if name.startswith(("choice ", "unseen "))]


def templates(pool):
    table = tomllib.loads((POOLS / f"{pool}.toml").read_text(encoding="utf-8"))
    return [*table["answers"], *table["short"], *table["plain"]]


@pytest.mark.parametrize("pool", ["vqa", "vqa3d"])
def test_every_choice_that_a_pool_writes_is_read(pool):
    for template in templates(pool):
        for options in OPTIONS:
            for number, option in enumerate(options):
                # An option that is the letter of another one cannot be told from it by its text alone.
                if option in "ABCDEFGHIJ"[: len(options)] and "{letter}" not in template:
                    continue
                text = template.format(letter="ABCDEFGHIJ"[number], choice=option)
                assert extract_choice(text, options).value == number, (text, options)


@pytest.mark.parametrize("pool", ["vqa_open", "vqa3d_open"])
def test_every_open_answer_that_names_an_option_is_read(pool):
    for template in templates(pool):
        for options in (SETS["colours"], SETS["planets"], SETS["states"]):
            for number, option in enumerate(options):
                assert extract_choice(template.format(answer=option), options).value == number


@pytest.mark.parametrize("pool", ["classification", "fine_grained_classification"])
def test_every_label_that_a_pool_writes_is_read(pool):
    for template in templates(pool):
        for label in (*SETS["cifar10"], *SETS["voc"]):
            text = template.format(label=label, a_label=f"a {label}", **{"is": "is"})
            assert extract_label(text, SETS["cifar10"] if label in SETS["cifar10"] else SETS["voc"]).value == label


def test_every_count_that_the_pool_writes_is_read():
    for template in templates("counting"):
        for number, are, noun in ((1, "is", "dog"), (3, "are", "dogs"), (120, "are", "dogs")):
            text = template.format(number=number, are=are, noun=noun, plural="dogs")
            assert extract_number(text).value == number, text


def test_the_benchmark_of_the_sample_world_passes(tmp_path):
    write_world(tmp_path / "world", images=70, rooms=8, benchmark_fraction=0.5)
    build_benchmark("sample", tmp_path / "world", tmp_path)
    found = {path.name: lint(path) for path in sorted(tmp_path.glob("*.json"))}
    assert len(found) > 10
    assert {name: str(one) for name, one in found.items() if one.unread} == {}
    assert sum(one.records for one in found.values()) > 50
