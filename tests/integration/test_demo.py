"""The whole pipeline, small: sample, generate, convert, finetune, predict, score; killed at three stages."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

SMALL = {
    "world.images": 96,
    "world.rooms": 24,
    "generation.rows": 2,
    "generation.max_tokens": 48,
    "training.max_steps": 6,
    "training.save_every": 2,
    "benchmark.short_per_task": 4,
    "benchmark.long_per_task": 2,
}
PATIENCE = 900.0


def demo_command(output: Path) -> list[str]:
    overrides = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "lamm_cli", "demo", "--output", str(output), "--json", *overrides]


def kill_when(output: Path, reached) -> None:
    """Start the demo and kill it, with everything it started, as soon as ``reached`` holds."""
    with (output.parent / "killed.log").open("ab") as log:
        demo = subprocess.Popen(demo_command(output), stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        try:
            while not reached():
                if demo.poll() is not None:
                    pytest.fail(f"the demo ended before it could be killed:\n{log_text(output)}")
                assert time.monotonic() < deadline, log_text(output)
                time.sleep(0.05)
        finally:
            demo.send_signal(signal.SIGKILL)
            demo.wait()
    time.sleep(1.0)  # the children die with it; the kernel needs a moment


def log_text(output: Path) -> str:
    return (output.parent / "killed.log").read_text(errors="replace")[-3000:]


def lines_in(folder: Path, pattern: str) -> list[str]:
    return [line for path in folder.glob(pattern) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small demo that was killed in generation, fine-tuning and prediction, and then run to its end."""
    output = tmp_path_factory.mktemp("demo") / "run"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    notes = {}
    kill_when(output, lambda: len(lines_in(output / "instructions", "*.journal.jsonl")) >= 2)
    notes["answers"] = lines_in(output / "instructions", "*.journal.jsonl")
    kill_when(output, lambda: (output / "finetune" / "checkpoint-2").is_dir())
    kill_when(output, lambda: len(list((output / "predictions" / "tuned").glob("*.jsonl"))) >= 2)
    notes["predictions"] = {p.name: p.stat().st_mtime_ns for p in (output / "predictions" / "tuned").glob("*.jsonl")}
    done = subprocess.run(demo_command(output), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return output, json.loads(done.stdout), notes


def test_the_table_covers_twelve_tasks_and_four_runs(finished):
    _, table, _ = finished
    assert table["runs"] == ["fine-tuned", "before", "blind", "chance"]
    assert len(table["rows"]) >= 12
    for row in table["rows"]:
        for run in table["runs"]:
            assert row["scores"][run]["value"] is not None, (row["benchmark"], run)


def test_generation_went_on_where_it_was_killed(finished):
    output, _, notes = finished
    now = lines_in(output / "instructions", "*.journal.jsonl")
    assert now[: len(notes["answers"]) - 1] == notes["answers"][:-1]  # the last line may have been torn
    keys = Counter(json.loads(line).get("key") for line in now if '"reply"' in line)
    assert set(keys.values()) == {1}
    for kind in ("daily_dialogue", "detailed_description"):
        kept = lines_in(output / "instructions", f"{kind}.jsonl")
        rejected = lines_in(output / "instructions", f"{kind}.rejected.jsonl")
        assert len(kept) + len(rejected) == SMALL["generation.rows"]


def test_fine_tuning_went_on_from_a_checkpoint(finished):
    output, _, _ = finished
    record = json.loads((output / "finetune" / "finetune.json").read_text())
    assert record["resumed_from"] is not None
    assert record["steps"] == SMALL["training.max_steps"]


def test_finished_predictions_were_left_alone(finished):
    output, _, notes = finished
    for name, stamp in notes["predictions"].items():
        assert (output / "predictions" / "tuned" / name).stat().st_mtime_ns == stamp


def test_every_prediction_file_answers_every_record(finished):
    output, _, _ = finished
    for reference in (output / "benchmark").glob("*.json"):
        wanted = {str(record["id"]) for record in json.loads(reference.read_text())}
        for run in ("tuned", "base", "blind"):
            answers = [json.loads(line) for line in lines_in(output / "predictions" / run, f"{reference.stem}.jsonl")]
            assert {str(answer["id"]) for answer in answers if "id" in answer} == wanted


def test_a_second_run_does_nothing(finished):
    output, table, _ = finished
    watched = [path for part in ("finetune", "predictions", "instructions") for path in (output / part).rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in watched if path.is_file()}
    done = subprocess.run(demo_command(output), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == table
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before


def test_the_report_is_one_file(finished):
    output, _, _ = finished
    page = (output / "report.html").read_text()
    assert "Classification_SampleShapes" in page
    assert "https://" not in page.replace("https://arxiv.org", "")


def test_produced_records_pass_the_check(finished):
    output, _, _ = finished
    for path in sorted((output / "instructions").glob("*_tasks.jsonl")):
        command = [sys.executable, "-m", "lamm_cli", "data", "check", str(path), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
