"""The Batch API against a loopback server that keeps files and batches, killed between every two steps."""

import json
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import LammDataError, UsageError
from lamm_data.generation.batch import run_batch
from lamm_data.generation.run import generate
from lamm_data.records.instruction import read_records
from lamm_llm import BatchState, EndpointError, LammLlmError, Outbox

ROWS = 8
CHILD = """
import json, os, signal, sys
from lamm_data.generation.batch import run_batch
from lamm_data.generation.settings import make_settings
left, action, values = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
rename = os.replace
def counted(*names):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    rename(*names)
os.replace = counted
run_batch(action, make_settings(values))
"""
"""A call that kills itself before its n-th renaming: between any two steps that it writes down."""


def wholly(run, desk):
    """Submit and collect to the end."""
    run_batch("submit", run)
    desk.finish()
    return run_batch("collect", run)


def test_a_batch_answers_into_the_same_journal_under_the_same_keys(desk, settings, tmp_path):
    batches = desk()
    run = settings(batches.server.url, rows=ROWS)
    submitted = run_batch("submit", run)
    assert (submitted.requests, [batch.id for batch in submitted.batches]) == (ROWS, ["batch-0"])
    assert [batch.status for batch in run_batch("status", run).batches] == ["in_progress"]
    early = run_batch("collect", run)
    assert (early.counts.unsent, early.counts.finished, early.counts.add_up()) == (ROWS, 0, True)
    assert run_batch("submit", run).requests == 0
    batches.finish()
    collected = run_batch("collect", run)
    assert (collected.counts.finished, collected.counts.add_up()) == (ROWS, True)
    assert run_batch("status", run).batches == []
    assert not list(tmp_path.glob("out.batch-*"))
    first = run.output.read_bytes()
    online = generate(run)
    assert (online.traffic.sent, online.counts.finished, run.output.read_bytes()) == (0, ROWS, first)
    assert not batches.server.requests


def kill_and_go_on(desk, settings, tmp_path, action, replaces=99, call=None):
    """Kill a call, go on in another process, and look at what became of it; tell whether it was killed at all."""
    batches = desk()
    run = settings(batches.server.url, rows=ROWS, output=tmp_path / f"{action}{replaces}{call}" / "out.jsonl")
    if action == "collect":
        run_batch("submit", run)
        batches.finish()
    values = {"type": run.type, "annotations": str(run.annotations), "endpoint": batches.server.url}
    values |= {"model": run.model, "output": str(run.output), "format": run.format, "retry_delay": 0.01}
    batches.calls.clear()
    if call is not None:
        batches.kill_after = (call, lambda: child.pid)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(replaces), action, json.dumps(values)])
    killed = child.wait(timeout=60) != 0
    batches.kill_after = None
    assert wholly(run, batches).counts.finished == ROWS
    assert len(read_records(run.output)) == ROWS
    assert sorted(batches.keys()) == sorted(set(batches.keys()))
    assert len(batches.keys()) == ROWS
    assert generate(run).traffic.sent == 0
    return killed


@pytest.mark.parametrize("action", ["submit", "collect"])
def test_killed_between_every_two_steps_nothing_is_lost_or_paid_twice(desk, settings, tmp_path, action):
    steps = 0
    while kill_and_go_on(desk, settings, tmp_path, action, replaces=steps):
        steps += 1
    calls = 1
    while kill_and_go_on(desk, settings, tmp_path, action, call=calls):
        calls += 1
    # Submitting renames four files and calls twice; collecting renames three and calls twice.
    assert (steps, calls - 1) == ((4, 2) if action == "submit" else (3, 2))


def test_a_lost_answer_to_the_making_of_a_batch_makes_no_second_one(desk, settings):
    batches = desk()
    for number in range(3):  # other people's batches, on two pages
        batches.batches[f"other-{number}"] = {"id": f"other-{number}", "status": "completed", "input_file_id": "f"}
    batches.drop_after = "POST /v1/batches"
    run_batch("submit", settings(batches.server.url, rows=ROWS, retry_delay=0.01))
    assert list(batches.batches) == ["other-0", "other-1", "other-2", "batch-3"]


def test_batches_are_split_by_requests_and_by_bytes(tmp_path):
    state = BatchState(tmp_path / "out.jsonl")
    outbox = Outbox(state, "http://x/v1", most_requests=5, most_bytes=1000)
    for number in range(12):
        outbox.add(f"{number:064x}", "text", f'{{"custom_id":"{number:064x}"}}\n'.encode())
    outbox.add(f"{12:064x}", "text", b'{"custom_id":"%064x"%s}\n' % (12, b" " * 900))
    planned = outbox.plan()
    assert [batch.requests for batch in planned] == [5, 5, 2, 1]
    assert len({batch.token for batch in planned}) == 4
    again = BatchState(tmp_path / "out.jsonl")
    keys = [key for batch in again.open() for key in again.keys(batch)]
    assert sorted(keys) == [f"{number:064x}" for number in range(13)]


def test_several_batches_of_one_run(desk, settings, monkeypatch):
    batches = desk()
    monkeypatch.setattr("lamm_data.generation.batch.Outbox", partial(Outbox, most_requests=3))
    run = settings(batches.server.url, rows=ROWS)
    assert len(run_batch("submit", run).batches) == 3
    assert wholly(run, batches).counts.finished == ROWS
    assert len(batches.keys()) == ROWS


def test_corrections_go_into_the_next_batch(desk, reply, settings, lines):
    def script(body):
        number = int(body["messages"][5]["content"].split("Cup ")[1].split(".")[0])
        corrected = len(body["messages"]) > 6
        return 200, (reply() if number % 4 == 0 or (corrected and number % 4 == 1) else reply("rubbish")).body

    batches = desk(script)
    run = settings(batches.server.url, rows=ROWS)
    first = wholly(run, batches)
    assert (first.counts.finished, first.counts.unsent) == (2, 6)
    second = wholly(run, batches)
    assert (second.counts.finished, second.counts.asked_again, second.counts.unsent) == (4, 2, 0)
    assert second.counts.rejected == {"unparsable": 4}
    assert lines(run.output.with_name("out.rejected.jsonl"))[0]["text"] == "rubbish"
    assert run_batch("submit", run).requests == 0


def test_a_refused_format_and_failed_requests_are_told_and_handed_over_anew(desk, reply, settings, lines):
    def script(body):
        if body.get("response_format", {}).get("type") == "json_schema":
            return 400, {"error": {"message": "response_format json_schema is not supported"}}
        if "Cup 3." in body["messages"][-1]["content"]:
            return 400, {"error": {"message": "too long"}}
        return 200, reply().body

    batches = desk(script)
    run = settings(batches.server.url, rows=ROWS, format="auto")
    assert wholly(run, batches).counts.unsent == ROWS
    second = wholly(run, batches)
    assert (second.counts.finished, second.counts.failed) == (ROWS - 1, {"refused_by_server": 1})
    assert "too long" in lines(run.output.with_name("out.rejected.jsonl"))[0]["detail"]
    assert run_batch("submit", run).requests == 1


def test_an_expired_batch_keeps_what_it_answered(desk, reply, settings):
    answered = set()
    expired = True

    def script(body):
        text = body["messages"][-1]["content"]
        if expired and len(answered) == 3:
            return None
        answered.add(text)
        return 200, reply().body

    batches = desk(script)
    run = settings(batches.server.url, rows=ROWS)
    run_batch("submit", run)
    batches.finish("expired")
    assert run_batch("collect", run).counts.unsent == ROWS - 3
    expired = False
    assert wholly(run, batches).counts.finished == ROWS
    assert len(batches.keys()) == ROWS + ROWS - 3


def test_cancelled_batches_give_what_they_have_and_let_the_run_go_on_singly(desk, reply, settings):
    batches = desk(lambda body: (200, reply().body) if "Cup 1." in body["messages"][-1]["content"] else None)
    run = settings(batches.server.url, rows=ROWS)
    run_batch("submit", run)
    with pytest.raises(LammLlmError, match="--batch collect"):
        generate(run)
    assert [batch.status for batch in run_batch("cancel", run).batches] == ["cancelling"]
    batches.finish()
    assert run_batch("collect", run).counts.finished == 1
    assert generate(run).traffic.sent == ROWS - 1


def test_a_server_without_batches_is_told_and_its_plan_can_be_dropped(loopback, reply, answer, settings):
    server = loopback(
        lambda seen: reply(),
        desk=lambda method, path, *_: answer(404, {"detail": "Not Found"}) if "/files" in path else None,
    )
    run = settings(server.url, rows=ROWS)
    with pytest.raises(EndpointError, match="Leave --batch out"):
        run_batch("submit", run)
    assert run_batch("cancel", run).requests == ROWS
    assert generate(run).counts.finished == ROWS


def test_a_cost_limit_holds_for_the_longest_answers(desk, settings, tmp_path):
    table = tmp_path / "prices.toml"
    table.write_text("batch = 0.5\n[models]\nm = { prompt = 0.0, answer = 1000.0 }\n")  # 0.512 USD a request at most
    batches = desk()
    summary = run_batch("submit", settings(batches.server.url, rows=ROWS, prices=table, max_cost=1.6))
    assert (summary.requests, summary.counts.unsent) == (3, ROWS)
    assert summary.cost == pytest.approx(3 * 0.512)
    assert "--max-cost" in summary.stopped


def test_batches_at_another_endpoint_are_not_looked_for_here(desk, settings):
    batches = desk()
    run = settings(batches.server.url, rows=ROWS)
    run_batch("submit", run)
    with pytest.raises(UsageError, match="endpoint of the batches under way"):
        run_batch("status", settings("http://127.0.0.1:9/v1"))


def test_answers_of_nobody_and_nonsense_are_not_believed(desk, settings):
    batches = desk()
    run = settings(batches.server.url, rows=2)
    run_batch("submit", run)
    batches.finish()
    name = batches.batches["batch-0"]["output_file_id"]
    batches.files[name] = b"nonsense\n[]\n" + batches.files[name].replace(batches.keys()[0].encode(), b"0" * 64)
    assert run_batch("collect", run).counts.finished == 1


def test_the_command_tells_where_batches_stand_and_fails_until_all_is_collected(desk, settings):
    batches = desk()
    run = settings(batches.server.url, rows=ROWS)
    arguments = ["--type", run.type, "--annotations", str(run.annotations), "--endpoint", batches.server.url]
    arguments += ["--model", "m", "--output", str(run.output), "--format", "json_schema", "--batch"]

    def call(*more):
        return CliRunner().invoke(data, ["generate", *arguments, *more])

    assert "8 requests handed over" in call("submit").output
    assert "batch-0: in_progress" in call("status").output
    assert isinstance(call("collect").exception, LammDataError)
    batches.finish()
    assert "8 finished" in call("collect").output
    assert json.loads(call("status", "--json").output)["batches"] == []
