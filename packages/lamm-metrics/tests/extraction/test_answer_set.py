"""Accuracy of every extractor on the labelled answers, and the table of it in docs/extraction.md.

`LAMM_UPDATE_DOCS=1` writes the table anew.
"""

import os
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[4] / "docs" / "extraction.md"
MARKS = ("<!-- accuracy:begin -->", "<!-- accuracy:end -->")
VERDICTS = ("right", "wrong", "missed")
KINDS = ("label", "choice", "number", "boxes_2d", "boxes_3d", "points", "words", "yes_no", "nouns")


def table(tallied):
    rows = ["| kind | answers | right | wrong with status `ok` | blind part: right |", "|---|---|---|---|---|"]
    for name, kinds in [*((kind, [kind]) for kind in KINDS), ("**all**", KINDS)]:
        counters = (tallied.total, tallied.right, tallied.wrong)
        total, right, wrong = (sum(counter[kind] for kind in kinds) for counter in counters)
        blind = {verdict: sum(tallied.by_part["blind", kind, verdict] for kind in kinds) for verdict in VERDICTS}
        unseen = f"{blind['right']} of {sum(blind.values())}" if any(blind.values()) else "none"
        rows.append(f"| {name} | {total} | {right} ({right / total:.1%}) | {wrong} | {unseen} |")
    return "\n".join(rows)


def test_at_least_99_percent_are_right_and_under_a_third_of_a_percent_wrongly_ok(tallied):
    total = sum(tallied.total.values())
    assert total >= 1500
    listed = [(entry["text"], entry["status"], entry["value"], found) for _, _, entry, found in tallied.failures]
    assert sum(tallied.right.values()) >= 0.99 * total, listed
    assert sum(tallied.wrong.values()) <= 0.003 * total, listed


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_falls_behind(tallied, kind):
    assert tallied.total[kind] >= 5
    assert tallied.right[kind] >= 0.9 * tallied.total[kind]


@pytest.mark.parametrize("kind", ["number", "boxes_2d", "boxes_3d", "points", "words", "yes_no"])
def test_at_least_99_percent_of_a_kind_are_right_and_under_a_third_of_a_percent_wrongly_ok(tallied, kind):
    assert tallied.right[kind] >= 0.99 * tallied.total[kind]
    assert tallied.wrong[kind] <= 0.003 * tallied.total[kind]


def test_every_answer_names_a_known_style_and_stands_once(answers):
    styles = answers.load("styles")
    entries = [entry for part in answers.PARTS for entry in answers.load(part)]
    assert {entry["style"] for entry in entries} <= set(styles)
    keys = [(entry["kind"], entry.get("set"), entry.get("convention"), entry["text"]) for entry in entries]
    assert len(keys) == len(set(keys))


def test_the_documented_table_is_the_measured_one(tallied):
    if not DOCS.is_file():
        pytest.skip("docs/extraction.md is only in the repository")
    text = DOCS.read_text(encoding="utf-8")
    head, rest = text.split(MARKS[0])
    tail = rest.split(MARKS[1])[1]
    wanted = f"{head}{MARKS[0]}\n{table(tallied)}\n{MARKS[1]}{tail}"
    if os.environ.get("LAMM_UPDATE_DOCS"):
        DOCS.write_text(wanted, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == wanted
