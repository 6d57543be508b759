"""One small demo, killed in generation, fine-tuning and prediction and then run to its end; and what needs no demo.

Where it does not matter how large a model is, a tiny one with random weights answers.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from started_commands import served

SMALL = {
    "world.images": 96,
    "world.rooms": 24,
    "generation.rows": 2,
    "generation.max_tokens": 48,
    "tower.epochs": 2,
    "training.max_steps": 4,
    "training.save_every": 2,
    "benchmark.per_task": 2,
}
PATIENCE = 900.0


def demo_command(output: Path) -> list[str]:
    overrides = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "lamm_cli", "demo", "--output", str(output), "--json", *overrides]


def kill_when(output: Path, reached) -> None:
    """Start the demo and kill it, with everything it started, as soon as ``reached`` holds."""
    log_path = output.parent / "killed.log"
    with log_path.open("ab") as log:
        demo = subprocess.Popen(demo_command(output), stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        try:
            while not reached():
                if demo.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(
                        f"the demo could not be killed in time:\n{log_path.read_text(errors='replace')[-3000:]}"
                    )
                time.sleep(0.05)
        finally:
            demo.send_signal(signal.SIGKILL)
            demo.wait()
    time.sleep(1.0)  # the children die with it; the kernel needs a moment


def lines_in(folder: Path, pattern: str) -> list[str]:
    return [line for path in folder.glob(pattern) for line in path.read_text().splitlines()]


@pytest.fixture(scope="session", autouse=True)
def prepared_parts(tmp_path_factory):
    """The small real models are prepared once for all tests; the models of an index are not asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMM_CACHE", os.environ.get("LAMM_CACHE") or str(tmp_path_factory.mktemp("parts")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A sample world of the demo's size."""
    from lamm_data import write_world

    root = tmp_path_factory.mktemp("world") / "world"
    write_world(root, images=SMALL["world.images"], rooms=SMALL["world.rooms"])
    return root


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Folders of two tiny models: one with adapter sets, and another one as it was built."""
    import torch
    from tiny_models import tiny_parts

    from lamm_model import AdapterSettings, add_adapters, build_pair, save_model

    root = tmp_path_factory.mktemp("tiny")
    parts = tiny_parts(root, context=4096)
    made = SimpleNamespace(tuned=root / "tuned" / "model", base=root / "base" / "model")
    model, processor = build_pair(parts.language, parts.clip, "tiny", use_system=False, seed=1)
    save_model(model, processor, made.base)
    add_adapters(model, AdapterSettings(rank=4))
    torch.manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    save_model(model, processor, made.tuned)
    return made


@pytest.fixture(scope="session")
def endpoint(tiny_models, tmp_path_factory):
    """Address of the tuned model, served on loopback."""
    with served(tiny_models.tuned, tmp_path_factory.mktemp("server") / "log") as address:
        yield address


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory):
    """The finished demo: its folder, table and command, and what was there when it was killed."""
    output = tmp_path_factory.mktemp("demo") / "run"
    kill_when(output, lambda: len(lines_in(output / "instructions", "*.journal.jsonl")) >= 2)
    answers = lines_in(output / "instructions", "*.journal.jsonl")
    kill_when(output, lambda: (output / "finetune" / "checkpoint-2").is_dir())
    kill_when(output, lambda: len(list((output / "predictions" / "tuned").glob("*.jsonl"))) >= 2)
    stamps = {path.name: path.stat().st_mtime_ns for path in (output / "predictions" / "tuned").glob("*.jsonl")}
    done = subprocess.run(demo_command(output), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return SimpleNamespace(
        output=output,
        table=json.loads(done.stdout),
        command=demo_command(output),
        settings=SMALL,
        answers_when_killed=answers,
        stamps_when_killed=stamps,
    )


@pytest.fixture(scope="session")
def real_data():
    """Folder of other people's files; the test is skipped where it is missing."""
    root = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"the real test files are not at {root}; set LAMM_TEST_DATA")
    return root


@pytest.fixture
def lamm():
    """Run a lamm command and return what happened."""

    def run(*arguments, **options):
        command = [sys.executable, "-m", "lamm_cli", *[str(argument) for argument in arguments]]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    return run
