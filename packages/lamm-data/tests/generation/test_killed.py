"""SIGKILL at random moments, a full disk, a torn journal: nothing is missing and nothing was asked twice."""

import asyncio
import random
import signal
import subprocess
import sys
import time

import pytest

from lamm_data.generation.run import generate
from lamm_data.records.instruction import read_records
from lamm_llm import Journal, LammLlmError, Reply

CHILD = """
import sys
from lamm_data.generation.run import generate
from lamm_data.generation.settings import make_settings
url, annotations, output = sys.argv[1:]
generate(make_settings({"type": "daily_dialogue", "annotations": annotations, "endpoint": url, "model": "m",
                        "output": output, "format": "json_schema", "concurrency": 4}))
"""
ROWS = 60


def start_child(url, run):
    return subprocess.Popen([sys.executable, "-c", CHILD, url, str(run.annotations), str(run.output)])


def kill_and_resume(loopback, reply, settings, kills, seed):
    async def script(seen):
        await asyncio.sleep(0.002)
        return reply()

    server = loopback(script)
    run = settings(server.url, rows=ROWS)
    chance = random.Random(seed)
    killed = 0
    for _ in range(kills):
        run.output.with_name("out.journal.jsonl").unlink(missing_ok=True)
        run.output.unlink(missing_ok=True)
        server.requests.clear()
        wanted = chance.randint(1, ROWS)
        child = start_child(server.url, run)
        while len(server.requests) < wanted and child.poll() is None:
            time.sleep(0.0005)
        time.sleep(chance.random() * 0.01)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
        summary = generate(run)
        assert [record.id for record in read_records(run.output)] == [f"{number:06d}" for number in range(ROWS)]
        assert summary.counts.finished == ROWS
        # Only what was in the air when the process died may be asked again.
        assert len(server.requests) <= ROWS + 4
    assert killed >= kills // 2


def test_killed_runs_resume_to_the_same_set(loopback, reply, settings):
    kill_and_resume(loopback, reply, settings, kills=3, seed=1)


@pytest.mark.slow
def test_fifty_killed_runs_resume_to_the_same_set(loopback, reply, settings):
    kill_and_resume(loopback, reply, settings, kills=50, seed=2)


def test_a_torn_last_line_is_cut_off_and_asked_again(loopback, reply, settings):
    server = loopback(lambda seen: reply())
    run = settings(server.url)
    generate(run)
    path = run.output.with_name("out.journal.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert generate(run).traffic.sent == 1
    assert len(read_records(run.output)) == 10
    assert generate(run).traffic.sent == 0


def test_a_damaged_line_in_the_middle_is_named(loopback, reply, settings):
    run = settings(loopback(lambda seen: reply()).url)
    generate(run)
    path = run.output.with_name("out.journal.jsonl")
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*rows[:3], b"{nonsense\n", *rows[3:]]))
    with pytest.raises(LammLlmError, match="line 4"):
        generate(run)


def test_a_full_disk_keeps_the_journal_whole(tmp_path, monkeypatch):
    """The file-size limit of the process stands in for a full disk: the same short write, the same kind of error."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "j.jsonl"

    async def fill(journal):
        for number in range(100):
            await journal.append(f"{number:064x}", Reply("x" * 200))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(path, {"type": "t"})
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(LammLlmError, match="make room"):
            asyncio.run(fill(journal))
        kept = len(journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    journal.close()
    assert 0 < kept < 100
    assert path.read_bytes().endswith(b"\n")
    again = Journal(path, {"type": "t"})
    assert len(again) == kept
    assert again.get(f"{0:064x}").text == "x" * 200
    again.close()


def test_a_disk_that_fills_up_in_mid_run_ends_it_in_one_line_and_loses_nothing(loopback, reply, settings):
    pytest.importorskip("resource")
    server = loopback(lambda seen: reply())
    run = settings(server.url, rows=ROWS)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))\n"
    arguments = [sys.executable, "-c", limit + CHILD, server.url, str(run.annotations), str(run.output)]
    child = subprocess.run(arguments, capture_output=True, text=True)
    assert child.returncode == 1
    assert "Expected room" in child.stderr.splitlines()[-1]
    assert not run.output.exists()
    kept = len(run.output.with_name("out.journal.jsonl").read_bytes().splitlines()) - 1
    assert 0 < kept < ROWS
    summary = generate(run)
    assert (summary.counts.finished, summary.traffic.reused) == (ROWS, kept)


def test_two_processes_cannot_share_a_journal(tmp_path):
    first = Journal(tmp_path / "j.jsonl", {})
    with pytest.raises(LammLlmError, match="another process holds it"):
        Journal(tmp_path / "j.jsonl", {})
    first.close()
    Journal(tmp_path / "j.jsonl", {}).close()


def test_a_server_that_dies_in_mid_run_leaves_a_run_that_resumes(loopback, reply, answer, settings):
    state = {"left": 30}

    def script(seen):
        state["left"] -= 1
        return reply() if state["left"] >= 0 else answer(drop=True)

    server = loopback(script)
    run = settings(server.url, rows=80, attempts=2, retry_delay=0.01, concurrency=4)
    summary = generate(run)
    assert summary.counts.finished == 30
    assert summary.counts.add_up()
    state["left"] = 1000
    assert generate(run).traffic.sent == 50
    assert len(read_records(run.output)) == 80
