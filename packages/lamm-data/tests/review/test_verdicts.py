"""Verdicts that last, their statistics against independent formulas, and the loop back to generation."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from functools import partial

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import SourceError, UsageError
from lamm_data.generation.input_rows import read_rows
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.records.annotations import Question
from lamm_data.records.instruction import InstructionRecord, Turn, read_records, write_records
from lamm_data.review.regenerate import replace_rejected, row_values
from lamm_data.review.sampling import content_key
from lamm_data.review.statistics import cohen_kappa, rejected_keys, summarise
from lamm_data.review.verdicts import Verdict, VerdictFile, read_verdicts
from lamm_data.stats.intervals import wilson


def record(name, text="A cat.", **keys):
    return InstructionRecord([Turn("human", "What?"), Turn("gpt", text)], id=name, image=f"{name}.jpg", **keys)


def test_a_torn_line_is_passed_over_and_cut_off(tmp_path):
    path = tmp_path / "v.jsonl"
    file = VerdictFile(path)
    file.add(Verdict("k1", "ann", "accept"))
    file.close()
    with path.open("ab") as handle:
        handle.write(b'{"record": "k2", "reviewer": "a')
    assert [item.record for item in read_verdicts([path])] == ["k1"]
    file = VerdictFile(path)
    file.add(Verdict("k3", "ann", "reject", reason="wrong number"))
    file.add(Verdict("k1", "ann", "reject"))
    file.close()
    assert [(item.record, item.verdict) for item in read_verdicts([path])] == [("k1", "reject"), ("k3", "reject")]


@pytest.mark.parametrize("line", ['{"verdict": "perhaps"}', "[" * 100_000])
def test_a_line_that_is_no_verdict_is_named(tmp_path, line):
    path = tmp_path / "v.jsonl"
    path.write_text(f'{{"record": "k", "reviewer": "ann", "verdict": "accept"}}\n{line}\n')
    with pytest.raises(SourceError, match="line 2"):
        read_verdicts([path])
    with pytest.raises(UsageError, match="nothing at"):
        read_verdicts([tmp_path / "none.jsonl"])


@pytest.mark.parametrize("trials", [1, 7, 40, 300])
def test_wilson_s_interval_holds_what_its_equation_says(trials):
    for successes in range(trials + 1):
        for end in wilson(successes, trials):
            # Its ends are where the normal test of the share just fails: (p - end)^2 = z^2 end (1 - end) / n.
            apart = (successes / trials - end) ** 2 - 1.959963984540054**2 * end * (1 - end) / trials
            assert abs(apart) < 1e-12


def test_wilson_covers_as_often_as_it_says():
    chance = random.Random(4)
    for share in (0.5, 0.9, 0.97):
        held = 0
        for _ in range(2000):
            low, high = wilson(sum(chance.random() < share for _ in range(60)), 60)
            held += low <= share <= high
        assert 0.92 <= held / 2000 <= 0.98


def test_kappa_of_a_published_table():
    # Cohen's kappa of the table [[20, 5], [10, 15]] is 0.4.
    pairs = [("a", "a")] * 20 + [("a", "r")] * 5 + [("r", "a")] * 10 + [("r", "r")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([("a", "a")] * 3) is None
    assert cohen_kappa([]) is None


def test_records_count_by_stratum_and_reviewers_are_compared():
    sample = {"k1": "conversation", "k2": "conversation", "k3": "detection", "k4": "detection"}
    given = [
        Verdict("k1", "ann", "accept"), Verdict("k1", "ben", "accept"), Verdict("k2", "ann", "accept"),
        Verdict("k2", "ben", "reject", reason="wrong number"), Verdict("k3", "ann", "reject"),
        Verdict("gone", "ann", "accept"),
    ]  # fmt: skip
    report = summarise(sample, given)
    assert [(layer.sampled, layer.read, layer.accepted) for layer in report.strata.values()] == [
        (2, 2, 1),
        (2, 1, 0),
        (4, 3, 1),
    ]
    assert report.strata["all"].reasons == {"wrong number": 1, "no reason given": 1}
    assert report.agreements[0].reviewers == ("ann", "ben")
    assert (report.agreements[0].records, report.agreements[0].same, report.stale) == (2, 1, 1)
    assert json.dumps(report.to_dict())


def test_a_row_survives_being_written_for_generation(tmp_path):
    row = Row(
        id="r1",
        media="a/b.npy",
        modality="pcl",
        captions=("One.", "Two."),
        objects=(SceneObject("chair", (1.0, 2.0, 0.5, 1.0, 1.0, 1.0), ("red",)),),
        relations=(("chair", "on", "floor"),),
        label="chair",
        description="A seat.",
        questions=(Question("How many?", ("one", "1"), id="q7"),),
        group="room",
        source={"src_dataset": "rooms", "src_id": "9"},
        licence="CC0-1.0",
    )
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row_values(row)) + "\n")
    (again,) = read_rows(path)
    assert isinstance(again, Row)
    assert replace(again, origin={}) == row


def test_new_records_take_the_places_of_rejected_ones():
    records = [record("1"), record("2"), record("3"), record("2", "Another part."), record("4")]
    refused = {
        content_key(records[1]): Verdict("", "ann", "reject", reason="r"),
        content_key(records[4]): Verdict("", "ann", "reject"),
    }
    result = replace_rejected(records, refused, [record("2", "New."), record("9", "Not asked for.")])
    assert [(item.id, item.conversations[1].text) for item in result.records] == [
        ("1", "A cat."),
        ("2", "New."),
        ("3", "A cat."),
    ]
    assert [item.id for item in result.removed] == ["2", "2", "4"]
    assert result.removed[0].extra["review"]["reason"] == "r"
    assert (result.replaced, result.without) == (1, ["4"])


def run(*arguments, code=0):
    result = CliRunner().invoke(data, [str(item) for item in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_the_cold_start_loop_from_the_command_line(tmp_path):
    records = [record(str(n), f"Text {n}.", task_type="conversation") for n in range(20)]
    write_records(tmp_path / "r.jsonl", records)
    rows = [{"id": str(n), "image": f"{n}.jpg", "captions": [f"Caption {n}."]} for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = VerdictFile(tmp_path / "v.jsonl")
    for place in (3, 11):
        file.add(Verdict(content_key(records[place]), "ann", "reject", reason="wrong number"))
    file.add(Verdict(content_key(records[5]), "ann", "accept"))
    file.close()
    common = [tmp_path / "r.jsonl", "--verdicts", tmp_path / "v.jsonl"]
    run("review", *common, "--annotations", tmp_path / "rows.jsonl", "--rejected-rows", tmp_path / "again.jsonl")
    again = [row for row in read_rows(tmp_path / "again.jsonl") if isinstance(row, Row)]
    assert [(row.id, row.captions) for row in again] == [("3", ("Caption 3.",)), ("11", ("Caption 11.",))]
    write_records(tmp_path / "new.jsonl", [record("3", "Better.", task_type="conversation")])
    out = run(
        "review",
        *common,
        "--replace",
        tmp_path / "new.jsonl",
        "--output",
        tmp_path / "final.jsonl",
        "--rejected",
        tmp_path / "gone.jsonl",
    )
    assert "2 rejected, 1 new in their places, 1 ids without" in out.output
    final = read_records(tmp_path / "final.jsonl")
    assert [item.id for item in final] == [str(n) for n in range(20) if n != 11]
    assert final[3].conversations[1].text == "Better."
    assert len(read_records(tmp_path / "gone.jsonl")) == 2
    report = json.loads(run("review", *common, "--share", "1", "--report", "--json").output)
    assert report["strata"]["all"]["read"] == 3
    assert rejected_keys(read_verdicts([tmp_path / "v.jsonl"])).keys() == {content_key(records[n]) for n in (3, 11)}


@pytest.mark.parametrize(
    ("options", "message"),
    [((), "--verdicts"), (("--report",), "--verdicts"), (("--verdicts", "none.jsonl", "--report"), "nothing at"),
     (("--verdicts", "v", "--rejected-rows", "x"), "--annotations"),
     (("--verdicts", "v", "--replace", "x"), "--rejected")],
)  # fmt: skip
def test_calls_that_miss_something_say_so(tmp_path, options, message):
    write_records(tmp_path / "r.jsonl", [record("1")])
    result = run("review", tmp_path / "r.jsonl", *options, code=1)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_a_review_that_is_killed_has_every_verdict_it_confirmed(tmp_path):
    records = [record(str(n), f"Text {n}.") for n in range(30)]
    write_records(tmp_path / "r.jsonl", records)
    command = [sys.executable, "-c", "from lamm_data.cli import data; data()", "review", str(tmp_path / "r.jsonl")]
    command += ["--share", "1", "--verdicts", str(tmp_path / "v.jsonl"), "--reviewer", "ann"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as process:
        url, _, token = process.stderr.readline().split()[-1].partition("#")
        confirmed = 0
        for place in range(12):
            body = json.dumps({"verdict": "accept" if place % 3 else "reject"}).encode()
            headers = {"X-Review-Token": token, "Content-Type": "application/json"}
            request = urllib.request.Request(f"{url}api/items/{place}/verdict", body, headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                confirmed += answer.status == 200
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(read_verdicts([tmp_path / "v.jsonl"])) == confirmed == 12
    # A shell that runs the tests in the background lets its children ignore interrupts: this one shall hear it.
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=hear
    ) as process:
        process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "12" in out
    assert "95 % interval" in out
