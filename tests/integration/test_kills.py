"""Real SIGKILLs at random moments: what is carried on ends as what nobody stopped. `nox -s kills` counts in full.

`LAMM_KILLS` is the share of the kills (20 of training, 20 of prediction, 10 of a benchmark run); lamm-data's own test
kills generation, 50 times.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_models import tiny_parts

SHARE = float(os.environ.get("LAMM_KILLS", "0.1"))
PATIENCE = 600.0


def kills_of(most: int) -> int:
    return max(2, round(most * SHARE))


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "lamm_cli", *map(str, words)]


def finish(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def kill_when(words: list[str], log: Path, reached, delay: float) -> bool:
    """Start a command, kill it a while after ``reached`` holds, and tell whether it was still at work then."""
    with log.open("ab") as taken:
        child = subprocess.Popen(words, stdout=taken, stderr=taken)
        deadline = time.monotonic() + PATIENCE
        while child.poll() is None and not reached() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        killed = child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert killed or child.returncode == 0, log.read_text(errors="replace")[-3000:]
    return killed


@pytest.fixture(scope="module")
def training(world, tmp_path_factory):
    """A configuration of 24 steps with dropout, and the run that nobody stops."""
    root = tmp_path_factory.mktemp("training")
    parts = tiny_parts(root)
    finish(command("data", "convert", "--root", world, "--output", root / "r.jsonl", "--per-item", 1,
                   "--tasks", "classification,detection"))  # fmt: skip
    lines = (root / "r.jsonl").read_text().splitlines()
    (root / "few.jsonl").write_text("\n".join(lines[:40]))
    (root / "run.toml").write_text(
        f'[model]\nlanguage_model = "{parts.language}"\nimage_tower = "{parts.lite}"\nprompt_format = "chat"\n'
        f'[adapters]\nrank = 4\n[data]\nrecords = ["{root / "few.jsonl"}"]\nmedia_root = "{world}"\n'
        'packing = "mixed"\nrow_tokens = 512\n[training]\nmax_steps = 24\nsave_every = 1\nbatch_rows = 2\n'
        'accumulation = 1\nprecision = "fp32"\nlog_every = 1\nschedule = "constant"\nwarmup = 0.0\n'
    )
    finish(command("model", "finetune", root / "run.toml", "--output", root / "whole"))
    return root


def test_killed_training_ends_with_the_same_weights_and_losses(training):
    cut, words = training / "cut", command("model", "finetune", training / "run.toml", "--output", training / "cut")
    chance, wanted = random.Random(1), kills_of(20)
    late = max(1, wanted // 5)  # between the last checkpoint and the model
    killed, begun = 0, 0
    steps = [*sorted(chance.sample(range(1, 19), wanted - late)), *[24] * late]
    while killed < wanted:
        step, begun = steps[min(begun, wanted - 1)], begun + 1  # a kill that came too late is made up for at the end
        assert begun <= 3 * wanted, f"{killed} kills of {begun} came in time"
        # The drawing of the losses is written after the last checkpoint, just before the record and the model.
        (cut / "loss.png").unlink(missing_ok=True)
        mark = cut / ("loss.png" if step == 24 else f"checkpoint-{step}")
        killed += kill_when(words, training / "log", mark.exists, chance.uniform(0, 0.02))
        if (cut / "model").exists():  # too late: the run goes on from its last checkpoint all the same
            shutil.rmtree(cut / "model")
    finish(words)
    for name in ("adapters", ""):
        whole = sorted((training / "whole" / "model" / name).glob("*.safetensors"))
        for path in whole:
            assert path.read_bytes() == (cut / path.relative_to(training / "whole")).read_bytes(), path
    logs = [json.loads((run / "finetune.json").read_text()) for run in (training / "whole", cut)]
    assert logs[0]["steps"] == logs[1]["steps"] == 24
    losses = [[(e["step"], e["loss"]) for e in log["log"] if "loss" in e] for log in logs]
    assert losses[0] == losses[1]
    assert not list(cut.glob(".*"))


def test_killed_prediction_ends_with_the_same_answers(world, tiny_models, tmp_path):
    finish(command("data", "benchmark", "--root", world, "--output", tmp_path, "--tasks", "classification",
                   "--per-task", 40))  # fmt: skip
    (file,) = tmp_path.glob("*.json")
    how = ["--benchmark", file, "--media-root", world, "--batch-size", 1, "--model", tiny_models.tuned, "--output"]
    finish(command("model", "predict", *how, tmp_path / "whole.jsonl"))
    whole = (tmp_path / "whole.jsonl").read_bytes()
    chance, wanted, killed, begun = random.Random(2), kills_of(20), 0, 0
    cut, journal = tmp_path / "cut.jsonl", tmp_path / "cut.jsonl.journal"
    answered = 1
    while killed < wanted:
        begun += 1
        assert begun <= 3 * wanted, f"{killed} kills of {begun} came in time"

        def reached(lines=answered):
            return cut.exists() or (journal.exists() and journal.read_bytes().count(b"\n") > lines)

        killed += kill_when(command("model", "predict", *how, cut), tmp_path / "log", reached, 0.0)
        answered = chance.randint(1, 4) + (journal.read_bytes().count(b"\n") if journal.exists() else 0)
        if cut.exists():  # one that came to its end between two kills
            assert cut.read_bytes() == whole
            cut.unlink()
            answered = 1
    finish(command("model", "predict", *how, cut))
    assert cut.read_bytes() == whole


def test_a_killed_benchmark_run_ends_with_the_same_table(world, tiny_models, tmp_path):
    words = ["benchmark", "run", "--root", world, "--model", f"tuned={tiny_models.tuned}", "--model",
             f"base={tiny_models.base}", "--set", "benchmark.per_task=1", "--set", "benchmark.blind=false",
             "--set", "scoring.draws=20", "--json", "--output"]  # fmt: skip
    began = time.monotonic()
    finish(command(*words, tmp_path / "whole"))
    span = time.monotonic() - began
    chance, wanted, killed = random.Random(3), kills_of(10), 0
    while killed < wanted:
        killed += kill_when(
            command(*words, tmp_path / "cut"), tmp_path / "log", lambda: True, chance.uniform(1, span / 3)
        )
        if (tmp_path / "cut" / "table.json").exists():  # it came to its end between two kills
            shutil.rmtree(tmp_path / "cut")
    time.sleep(1.0)  # the children die with it; the kernel needs a moment
    finish(command(*words, tmp_path / "cut"))
    tables = [json.loads((tmp_path / run / "table.json").read_text()) for run in ("whole", "cut")]
    assert tables[0] == tables[1]
    for path in (tmp_path / "whole" / "predictions").rglob("*.jsonl"):
        assert path.read_bytes() == (tmp_path / "cut" / path.relative_to(tmp_path / "whole")).read_bytes(), path
