"""Shared by the extraction tests: run the extractors over the labelled answers and count the verdicts per kind."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lamm_metrics.extraction import (
    BoxConvention,
    extract_boxes_2d,
    extract_boxes_3d,
    extract_choice,
    extract_label,
    extract_noun_phrases,
    extract_number,
    extract_points,
    extract_words,
    extract_yes_no,
)
from lamm_metrics.extraction.choices import extract_labelled_choice

CORNER = (1.0, -2.0, 0.5)  # lowest x, y and z of the cloud that layout text is about
# Options that are signs, letters, formulas, repeated, empty.
SIGNS = ["-", "A", "$x^2$", "", "a a a", "A", "[1, 0]", "C++", "not", "5%", ".", "I"]
FOLDER = Path(__file__).parent / "answers"
PARTS = (
    "first", "tuning", "blind", "hostile", "choice", "unseen", "yes_no", "numbers", "words", "boxes_2d", "boxes_3d",
    "points",
)  # fmt: skip
KINDS = ("label", "choice", "number", "boxes_2d", "boxes_3d", "points", "words", "yes_no", "nouns")


def load(part):
    return json.loads((FOLDER / f"{part}.json").read_text(encoding="utf-8"))


SETS = load("sets")


def run(entry):
    """The extraction of one labelled answer."""
    text, kind, labels = entry["text"], entry["kind"], SETS.get(entry.get("set"))
    size = tuple(entry["image_size"]) if "image_size" in entry else None
    convention = BoxConvention.parse(entry.get("convention", "normalised"))
    calls = {
        "label": lambda: extract_label(text, labels),
        "choice": lambda: extract_choice(text, labels),
        "number": lambda: extract_number(text),
        "boxes_2d": lambda: extract_boxes_2d(text, convention, size, labels),
        "boxes_3d": lambda: extract_boxes_3d(text, entry["numbers"], labels, entry.get("corner")),
        "points": lambda: extract_points(text, convention, size, labels),
        "words": lambda: extract_words(text),
        "yes_no": lambda: extract_yes_no(text),
        "nouns": lambda: extract_noun_phrases(text, use_tagger=False),
    }
    return calls[kind]()


def _comparable(value):
    if not isinstance(value, list) or not value or isinstance(value[0], str):
        return value
    rows = [
        item
        if isinstance(item, list)
        else [item.label, list(getattr(item, "box", None) or item.point), getattr(item, "score", None)]
        for item in value
    ]
    return [[row[0], [round(number, 5) for number in row[1]], (row[2] if len(row) > 2 else None)] for row in rows]


def judge(entry):
    """`right`, `wrong` (status ok, yet not what a reader would say) or `missed` (not ok where a value stands)."""
    found = run(entry)
    same = _comparable(found.value) == _comparable(entry["value"])
    if str(found.status) == entry["status"] and same:
        return "right", found
    return ("wrong" if found.status == "ok" else "missed"), found


@dataclass
class Tally:
    right: Counter = field(default_factory=Counter)
    wrong: Counter = field(default_factory=Counter)
    total: Counter = field(default_factory=Counter)
    by_part: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)


def tally(parts=PARTS):
    """Counts per kind over some parts of the set, and the failures with what was found."""
    result = Tally()
    for part in parts:
        for entry in load(part):
            verdict, found = judge(entry)
            result.total[entry["kind"]] += 1
            result.by_part[part, entry["kind"], verdict] += 1
            result.right[entry["kind"]] += verdict == "right"
            result.wrong[entry["kind"]] += verdict == "wrong"
            if verdict != "right":
                result.failures.append((part, verdict, entry, found))
    return result


@pytest.fixture(scope="session")
def tallied():
    """The counts over all parts of the labelled set."""
    return tally()


@pytest.fixture(scope="session")
def extractors():
    """Every extractor as a function of the answer alone, by kind."""
    frame = BoxConvention.parse("thousand-xywh")
    return {
        "label": lambda text: extract_label(text, SETS["cifar10"]),
        "hair": lambda text: extract_label(text, SETS["hair"]),
        "choice": lambda text: extract_choice(text, SETS["colours"]),
        "choice_signs": lambda text: extract_choice(text, SIGNS),
        "choice_labels": lambda text: extract_labelled_choice(text, SETS["colours"], ["1", "#", "x", "beta"]),
        "number": extract_number,
        "boxes_2d": lambda text: extract_boxes_2d(text, labels=SETS["voc"]),
        "boxes_2d_open": lambda text: extract_boxes_2d(text, frame),
        "boxes_3d": lambda text: extract_boxes_3d(text, 7, SETS["scannet"], CORNER),
        "points": lambda text: extract_points(text, labels=SETS["joints"]),
        "words": extract_words,
        "yes_no": extract_yes_no,
        "nouns": lambda text: extract_noun_phrases(text, use_tagger=False),
    }


@pytest.fixture(scope="session")
def answers():
    """The labelled set's own reader."""
    return AnswerSet()


class AnswerSet:
    """Where the parts of the labelled set are and how one is read."""

    PARTS = PARTS
    load = staticmethod(load)
