"""One file of answers under every published rule: the numbers of the golden file, and why they differ."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamm_metrics import UsageError, compare_rules, protocols_of, score
from lamm_metrics.cli import metrics

FOUND = json.loads((Path(__file__).parents[1] / "golden" / "vision3d" / "qa_em.json").read_text("utf-8"))
REFERENCES = [{"id": place, "answers": truth} for place, (_, truth) in enumerate(FOUND["items"])]
ANSWERS = [{"id": place, "text": answer} for place, (answer, _) in enumerate(FOUND["items"])]


def test_every_rule_stands_beside_the_standard_and_says_what_differs():
    rules = compare_rules(REFERENCES, ANSWERS, "open_vqa3d")
    assert [row.name for row in rules.rows] == ["standard", *protocols_of("open_vqa3d")]
    found = {row.name: {one.name: one.value for one in row.scores} for row in rules.rows}
    assert 100 * found["scanqa-official"]["em"] == pytest.approx(8.4507, abs=1e-4)
    assert 100 * found["leo"]["em"] == pytest.approx(49.2958, abs=1e-4)
    assert 100 * found["llava3d"]["em_r"] == pytest.approx(83.0986, abs=1e-4)
    assert "em_r" not in found["scanqa-official"]
    assert "3 empty answers count" in next(row.note for row in rules.rows if row.name == "leo")
    assert all(row.rule for row in rules.rows)


def test_the_reasons_add_up_to_the_numbers():
    reasons = compare_rules(REFERENCES, ANSWERS, "open_vqa3d", ["leo"]).reasons
    counts = [
        int(reason.split(" of ")[0].split(" more")[0].split(" empty ones")[0].split()[-1]) for reason in reasons[2:]
    ]
    written = int(reasons[1].split()[0])
    cleaned, trimmed, order, first, raw, empty, loose = counts
    assert written == 6
    assert written + cleaned == round(0.507042 * 71)
    assert written + cleaned - order == round(0.492958 * 71)
    assert written + cleaned + trimmed == round(0.521127 * 71)
    assert written + cleaned - first == round(0.478873 * 71)
    assert written + cleaned + trimmed - raw == round(0.394366 * 71)
    assert written + cleaned + empty + loose == round(0.830986 * 71)
    assert reasons[-1].endswith("'know' for 'no'")


def test_the_command_shows_three_numbers_of_one_file_and_why(tmp_path):
    (tmp_path / "OpenVQA_Made.json").write_text(json.dumps([{**one, "task": "open_vqa3d"} for one in REFERENCES]))
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    files = ["--benchmark", str(tmp_path / "OpenVQA_Made.json"), "--predictions", str(tmp_path / "answers.json")]
    shown = CliRunner().invoke(metrics, ["conventions", *files])
    assert shown.exit_code == 0, shown.output
    line = next(line for line in shown.output.splitlines() if line.startswith("llava3d"))
    assert line.split()[1:3] == ["0.5070", "0.8310"]
    assert "0.0845" in next(line for line in shown.output.splitlines() if line.startswith("scanqa-official"))
    assert "only contain a reference" in shown.output
    told = json.loads(CliRunner().invoke(metrics, ["conventions", *files, "--protocol", "leo", "--json"]).output)
    assert [row["name"] for row in told["rows"]] == ["standard", "leo"]
    assert CliRunner().invoke(metrics, ["conventions", *files, "--set", "top=3"]).exit_code == 2


def test_tasks_and_rules_that_there_are_not_are_refused():
    with pytest.raises(UsageError, match="task with published rules"):
        compare_rules([{"id": 1, "num": 1}], [{"id": 1, "number": 1}], "counting")
    with pytest.raises(UsageError, match=r"Did you mean leo\?"):
        compare_rules(REFERENCES, ANSWERS, "open_vqa3d", ["le0"])


def test_ranked_answers_are_read_by_the_first():
    ranked = [{"id": place, "ranked": [one["text"], "brown"]} for place, one in enumerate(ANSWERS)]
    assert (
        compare_rules(REFERENCES, ranked, "open_vqa3d", ["leo"]).reasons
        == compare_rules(REFERENCES, ANSWERS, "open_vqa3d", ["leo"]).reasons
    )
    assert score("open_vqa3d", REFERENCES, ranked, "leo", draws=2).headline.value == pytest.approx(0.492958, abs=1e-6)
