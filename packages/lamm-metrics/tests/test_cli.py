"""The commands: results on stdout, JSON for machines, reports as files, faults as our errors."""

import json

import pytest
from click.testing import CliRunner

from lamm_metrics import PUBLISHED, TASKS
from lamm_metrics.cli import metrics
from lamm_metrics.errors import LammMetricsError, UsageError


@pytest.fixture
def files(tmp_path):
    references = [{"id": i, "label": ["cat", "dog"][i % 2], "image": f"{i}.png"} for i in range(10)]
    (tmp_path / "r.json").write_text(json.dumps(references))
    for name, right in (("good", 9), ("poor", 4)):
        answers = [{"id": i, "text": references[i]["label"] if i < right else "?"} for i in range(10)]
        lines = [{"lamm": "predictions", "model": name}, *answers]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(metrics, [str(argument) for argument in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def scoring(files, *more):
    return ["score", "--task", "classification", "--benchmark", files / "r.json", "--predictions", *more]


def test_score_prints_a_table_and_the_signature_where_asked(files):
    short, long = (run(*scoring(files, files / "good.jsonl", *more)) for more in ((), ("--verbose",)))
    assert "0.9000" in short
    assert "accuracy|task:classification" not in short
    assert max(map(len, short.splitlines())) <= 80
    assert "accuracy|task:classification" in long
    assert "failures_right" in long


def test_compare_names_the_signature_where_asked(files):
    arguments = ["compare", "--task", "classification", "--benchmark", files / "r.json", files / "poor.jsonl"]
    arguments += [files / "good.jsonl", "--draws", 200]
    assert "accuracy|task" not in run(*arguments)
    assert "accuracy|task:classification" in run(*arguments, "-v")


def test_score_says_what_it_wrote(files):
    output = run(*scoring(files, files / "good.jsonl", "--output", files / "out.html"))
    assert output.endswith(f"Written: {files / 'out.html'}\n")


def test_score_prints_json_for_machines(files):
    parsed = json.loads(run(*scoring(files, files / "good.jsonl", "--json", "--chance")))
    assert parsed["good"]["scores"][0]["value"] == 0.9
    assert parsed["chance"]["scores"][0]["n"] == 10
    assert json.loads(run(*scoring(files, files / "good.jsonl", "--json")))["model"] == "good"


@pytest.mark.parametrize("ending", ["html", "json", "txt"])
def test_score_writes_a_report(files, ending):
    run(*scoring(files, files / "good.jsonl", "--output", files / f"out.{ending}"))
    assert "0.9" in (files / f"out.{ending}").read_text()
    assert not list(files.glob("*.partial"))


def test_reports_are_joined_side_by_side(files):
    for name in ("good", "poor"):
        run(*scoring(files, files / f"{name}.jsonl", "--output", files / f"{name}.json"))
    output = run("report", files / "good.json", files / "poor.json", "--output", files / "both.html")
    assert "good" in output.splitlines()[0]
    assert "0.4000" in output
    assert "poor" in (files / "both.html").read_text()


def test_runs_stand_side_by_side_by_their_names(files):
    for name in ("good", "poor"):
        run(*scoring(files, files / f"{name}.jsonl", "--name", f"mine, {name}", "--output", files / f"{name}.json"))
    output = run("report", files / "good.json", files / "poor.json", "--output", files / "both.txt").splitlines()
    assert "mine, good" in output[0]
    assert "mine, poor" in output[0]
    assert "0.9000" in output[2]
    assert "0.4000" in output[2]


def test_a_run_is_called_by_its_option_its_header_or_its_file(files):
    (files / "third.jsonl").write_text("\n".join((files / "good.jsonl").read_text().splitlines()[1:]))
    assert json.loads(run(*scoring(files, files / "third.jsonl", "--json")))["model"] == "third"
    assert json.loads(run(*scoring(files, files / "good.jsonl", "--json")))["model"] == "good"
    assert json.loads(run(*scoring(files, files / "good.jsonl", "--json", "--name", "mine")))["model"] == "mine"
    output = run("compare", "--task", "classification", "--benchmark", files / "r.json", files / "poor.jsonl",
                 files / "third.jsonl", "--draws", 200)  # fmt: skip
    assert [line.split()[0] for line in output.splitlines()[1:4]] == ["poor", "third", "difference"]
    run(*scoring(files, files / "good.jsonl", "--chance", "--output", files / "out.json"))
    assert [one["model"] for one in json.loads((files / "out.json").read_text())] == ["good", "chance"]


def test_the_task_may_be_told_by_records_or_file(files):
    references = json.loads((files / "r.json").read_text())
    arguments = ["--predictions", files / "good.jsonl", "--json"]
    (files / "Classification_Mine.json").write_text(json.dumps(references))
    (files / "named.json").write_text(json.dumps([{**one, "task": "classification"} for one in references]))
    for name in ("Classification_Mine.json", "named.json"):
        parsed = json.loads(run("score", "--benchmark", files / name, *arguments))
        assert (parsed["task"], parsed["scores"][0]["value"]) == ("classification", 0.9)
    run("compare", "--benchmark", files / "named.json", files / "poor.jsonl", files / "good.jsonl", "--draws", 200)
    with pytest.raises(UsageError, match=r"r\.json.*--task classification or "):
        run("score", "--benchmark", files / "r.json", *arguments)
    assert "--task" in run("score", "--protocol", "coco", "--benchmark", files / "r.json", *arguments, code=2)


def test_keys_of_other_tools_are_named(files):
    (files / "a.csv").write_text(
        "qid,reply,answer\n" + "".join(f"{i},{'dog' if i % 2 else 'cat'},x\n" for i in range(10))
    )
    with pytest.raises(LammMetricsError, match=r"got qid, reply, answer .*--id-key KEY --text-key KEY"):
        run(*scoring(files, files / "a.csv"))
    keys = ("--id-key", "qid", "--text-key", "reply")
    assert json.loads(run(*scoring(files, files / "a.csv", "--json", *keys)))["scores"][0]["value"] == 1.0
    mine = files / "a.csv"
    output = run(
        "compare", "--task", "classification", "--benchmark", files / "r.json", mine, mine, "--draws", 200, *keys
    )
    assert "difference  +0.0000" in output


def test_compare_prints_the_test_and_the_power(files):
    arguments = ["compare", "--task", "classification", "--benchmark", files / "r.json", files / "poor.jsonl"]
    assert "+0.5000" in run(*arguments, files / "good.jsonl", "--draws", 200)
    assert json.loads(run(*arguments, files / "good.jsonl", "--json", "--draws", 200))["difference"] == pytest.approx(
        0.5
    )


def test_a_difference_without_any_spread_still_takes_two_groups(files):
    references = [{"id": number, "label": "cat", "image": f"{number}.jpg"} for number in range(9)]
    (files / "cats.json").write_text(json.dumps(references))
    for name, text in (("right", "a cat"), ("wrong", "a cow")):
        (files / f"{name}.json").write_text(json.dumps([{"id": number, "text": text} for number in range(9)]))
    output = run("compare", "--task", "classification", "--benchmark", files / "cats.json",
                 files / "wrong.json", files / "right.json")  # fmt: skip
    assert "difference  +1.0000" in output
    assert "about 2 groups would find the one observed" in output


def test_compare_counts_missing_answers_as_failed_where_asked(files):
    lines = (files / "good.jsonl").read_text().splitlines()
    (files / "half.jsonl").write_text("\n".join(lines[:6]))
    arguments = ["compare", "--task", "classification", "--benchmark", files / "r.json", files / "half.jsonl"]
    with pytest.raises(LammMetricsError, match=r"without an answer.*--missing failed"):
        run(*arguments, files / "good.jsonl", "--draws", 200)
    output = run(*arguments, files / "good.jsonl", "--draws", 200, "--missing", "failed")
    assert "+0.4000" in output
    assert "paper/acc" in run(
        *arguments, files / "good.jsonl", "--draws", 200, "--missing", "failed", "--protocol", "paper"
    )


def test_chance_has_no_coco_protocol(files):
    assert "COCO" in run(*scoring(files, files / "good.jsonl", "--protocol", "coco", "--chance"), code=2)


def test_faulty_boxes_are_listed_by_id(files):
    box = {"label": "cat", "bbox": [0.5, 0.5, 0.1, 0.1]}
    (files / "d.json").write_text(json.dumps([{"id": i, "object": [box]} for i in range(12)]))
    turned, wrong = [0.5, 0.5, 0.1, 0.1], [0.1, 0.1, 0.5, 0.5, 1, 1]
    answers = [{"id": i, "boxes": [{"label": "cat", "box": wrong if i == 3 else turned}]} for i in range(12)]
    (files / "d.jsonl").write_text("\n".join(map(json.dumps, answers)))
    output = run("score", "--task", "detection", "--benchmark", files / "d.json", "--predictions", files / "d.jsonl")
    assert "'3' (wrong_length)" in output
    assert "'1' (reversed)" in output
    assert "(12 in all)" in output
    assert "true boxes put in order" in output


def test_list_names_every_task(files):
    output = run("list")
    assert "visual_grounding3d" in output
    counting = next(line for line in output.splitlines() if line.startswith("counting"))
    assert "lower" in counting
    assert counting.endswith("another group")
    assert [row["key"] for row in json.loads(run("list", "--json"))] == list(TASKS)


def test_list_names_every_published_rule(files):
    output = run("list", "--protocols")
    assert all(any(line.startswith(name) for line in output.splitlines()) for name in PUBLISHED)
    assert {row["name"] for row in json.loads(run("list", "--protocols", "--json"))} == PUBLISHED.keys()


def test_options_of_metrics_are_set(files):
    output = run(*scoring(files, files / "good.jsonl", "--metric", "ece", "--set", "bins=5", "--json"))
    assert "5equal_width" in output
    run(*scoring(files, files / "good.jsonl", "--set", "nonsense"), code=2)


def test_options_that_no_metric_knows_are_refused(files):
    # A slip such as this one would score in the wrong convention and say nothing.
    with pytest.raises(UsageError, match=r"option of accuracy \(there is none\), got convetion"):
        run(*scoring(files, files / "good.jsonl", "--set", "convetion=thousand-xyxy"))
    with pytest.raises(UsageError, match=r"option of ece.*bins.*got nope"):
        run(*scoring(files, files / "good.jsonl", "--metric", "ece", "--set", "nope=1", "--set", "bins=5"))
    assert "option of a metric" in run(*scoring(files, files / "good.jsonl", "--set", "labels=[]"), code=2)


@pytest.mark.parametrize(
    ("command", "option", "named"),
    [
        ("score", "progress=1", "class_agnostic, convention, thresholds"),
        ("score", "samples=false", "class_agnostic, convention, thresholds"),
        ("compare", "seed=3", "class_agnostic, convention, thresholds"),
        ("conventions", "threshold=0.3", "class_agnostic, convention, thresholds"),
        *((command, option, "Options of detection_ap: convention")
          for command in ("score", "compare", "conventions")
          for option in ("convention=5", "thresholds=abc", "class_agnostic=maybe")),
    ],
)  # fmt: skip
def test_a_wrong_option_is_misuse_in_one_line_that_names_the_options(files, command, option, named):
    (files / "d.json").write_text('[{"id": 1, "object": []}]')
    (files / "d.jsonl").write_text('{"id": 1, "text": ""}')
    answers = [files / "d.jsonl"] * 2 if command == "compare" else ["--predictions", files / "d.jsonl"]
    with pytest.raises(UsageError, match=named) as raised:
        run(command, "--task", "detection", "--benchmark", files / "d.json", *answers, "--set", option)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("option", ["nonsense", "labels=[]", "task=vqa", "=5"])
def test_what_is_no_option_at_all_is_said_in_one_line(files, option):
    output = run(*scoring(files, files / "good.jsonl", "--set", option), code=2)
    assert output.startswith("Error: Expected")
    assert output.count("\n") == 1


def test_metrics_are_listed_with_their_options_and_defaults():
    lines = run("list", "--metrics").splitlines()
    assert lines[0].split() == ["metric", "option", "type", "default"]
    line = next(line for line in lines if line.startswith("detection_ap ") and " thresholds " in line)
    assert line.split()[-1] == "0.5,0.75"
    parsed = {metric["name"]: metric["options"] for metric in json.loads(run("list", "--metrics", "--json"))}
    assert {"name": "convention", "type": "a box convention", "default": "normalised-xyxy"} in parsed["pck"]
    assert parsed["accuracy"] == []


@pytest.mark.parametrize("name", ["bleu", "counting", "word_accuracy", "pck", "detection_ap", "cider_d"])
def test_a_metric_that_reads_another_truth_is_refused(files, name):
    with pytest.raises(UsageError, match=f"Expected `.*for the metric {name}, got a record without it"):
        run(*scoring(files, files / "good.jsonl", "--metric", name))


def test_reports_go_to_new_folders_and_under_endings_that_say_their_kind(files):
    run(*scoring(files, files / "good.jsonl", "--output", files / "new" / "folder" / "report.json"))
    assert (files / "new" / "folder" / "report.json").is_file()
    assert "ends in .html" in run(*scoring(files, files / "good.jsonl", "--output", files / "report.pdf"), code=2)
    run(*scoring(files, files / "good.jsonl", "--output", files / "r.html", "--media-root", files / "no"), code=2)
    assert not list(files.glob("r*.pdf")) + list(files.glob("r.html"))


def test_faults_are_our_errors(files):
    (files / "cut.jsonl").write_text('{"id": 0, "te')
    with pytest.raises(LammMetricsError, match=r"cut\.jsonl.*line 1"):
        run(*scoring(files, files / "cut.jsonl"))
    with pytest.raises(LammMetricsError, match="Expected a task"):
        run("score", "--task", "x", "--benchmark", files / "r.json", "--predictions", files / "good.jsonl")
    run(*scoring(files, files / "absent.jsonl"), code=2)


def test_help_of_every_command():
    assert "conventions" in run("--help")
    for name in metrics.list_commands(None):
        assert "Usage" in run(name, "--help")
