"""Runs that a SIGKILL ends at a chosen point end where an uninterrupted one ends; a complete run can be made longer."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from lamm_llm import InUseError, sole_use
from lamm_model import load_model
from lamm_model.errors import UsageError
from lamm_model.training.run.finetune import finetune
from lamm_model.training.settings.settings import settings_from_tables

DRIVER = """
import json, os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from lamm_model.checkpoints import checkpoint
from lamm_model.training.callbacks import evaluation
from lamm_model.training.run import trainer
from lamm_model.training.run.finetune import finetune
from lamm_model.training.saving import run_folder
from lamm_model.training.settings.settings import settings_from_tables

def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def after(work, when=lambda *args: True):
    def killed(*args, **options):
        done = work(*args, **options)
        if when(*args):
            die()
        return done
    return killed

tables, folder, point = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if point == "before the record":
    run_folder.write_json = lambda path, value, write=run_folder.write_json: (
        die() if path.name == "finetune.json" else write(path, value))
elif point == "before the model":
    checkpoint.save_model = lambda model, processor, target, **rest: die()
elif point == "within the model":
    checkpoint._write = after(checkpoint._write)
elif point == "within the best":
    evaluation.save_changed = after(evaluation.save_changed)
elif point:
    trainer.publish = after(trainer.publish, lambda run, name, keep: name == point)
print(json.dumps(finetune(settings_from_tables(tables, "test"), folder)))
"""


@pytest.fixture(scope="module")
def world(write_coloured, tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    _, records = write_coloured(root)
    (root / "records.jsonl").write_text("\n".join(json.dumps(record) for record in records[:18]))
    (root / "held.jsonl").write_text("\n".join(json.dumps(record) for record in records[18:]))
    return root


@pytest.fixture(scope="module")
def tables(parts, world):
    def make(evaluation=None, **training):
        recipe = {"max_steps": 4, "batch_rows": 6, "accumulation": 1, "precision": "fp32", "save_every": 2,
                  "log_every": 1, "learning_rate": 5e-3, "schedule": "constant", "warmup": 0.0}  # fmt: skip
        return {
            "model": {"language_model": str(parts.language), "image_tower": str(parts.lite),
                      "point_cloud_tower": "tiny", "prompt_format": "chat", "system_message": False},
            "adapters": {"rank": 4, "dropout": 0.1},
            "data": {"records": [str(world / "records.jsonl")], "row_tokens": 256},
            "training": recipe | training,
            "evaluation": evaluation or {},
        }  # fmt: skip

    return make


def run(tables, folder):
    return finetune(settings_from_tables(tables, "test"), folder)


def kill(tables, folder, point):
    """Run in a process of its own that a SIGKILL ends at a point."""
    call = [sys.executable, "-c", DRIVER, json.dumps(tables), str(folder), point]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def differing(one, other):
    states = [load_model(folder / "model")[0].state_dict() for folder in (one, other)]
    return [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]


def losses(record):
    return [(entry["step"], entry["loss"]) for entry in record["log"] if "loss" in entry]


@pytest.fixture(scope="module")
def whole(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, run(tables(), folder)


@pytest.mark.parametrize("point", ["checkpoint-4", "before the record", "before the model", "within the model"])
def test_killed_between_its_last_checkpoint_and_the_model_it_takes_no_further_step(whole, tables, tmp_path, point):
    folder, record = whole
    cut = tmp_path / "cut"
    kill(tables(), cut, point)
    assert not (cut / "model").exists()
    again = run(tables(), cut)
    assert (again["resumed_from"], again["steps"]) == ("checkpoint-4", 4)
    assert losses(again) == losses(record)
    assert differing(folder, cut) == []
    assert sorted(path.name for path in cut.iterdir()) == sorted(path.name for path in folder.iterdir())


def test_an_end_before_its_time_stays_the_end(tables, world, tmp_path):
    """Nothing gets better at a rate of nearly nothing: the run ends at its third step, whose checkpoint is there."""
    judged = {"records": [str(world / "held.jsonl")], "every": 1, "patience": 2}
    short = tables(judged, learning_rate=1e-30, max_steps=9, save_every=1)
    record = run(short, tmp_path / "whole")
    assert (record["steps"], record["best_step"]) == (3, 1)
    kill(short, tmp_path / "cut", "before the record")
    again = run(short, tmp_path / "cut")
    assert (again["resumed_from"], again["steps"], again["best_step"]) == ("checkpoint-3", 3, 1)
    assert differing(tmp_path / "whole", tmp_path / "cut") == []


def test_what_a_kill_left_of_the_best_weights_is_cleared_away(tables, world, tmp_path):
    judged = tables({"records": [str(world / "held.jsonl")], "every": 2, "patience": 9})
    kill(judged, tmp_path / "cut", "within the best")
    assert list((tmp_path / "cut").glob(".best.*.part"))
    run(judged, tmp_path / "cut")
    assert not list((tmp_path / "cut").glob(".*"))
    run(judged, tmp_path / "whole")
    assert differing(tmp_path / "whole", tmp_path / "cut") == []


def test_a_complete_run_goes_on_when_its_steps_are_raised(whole, tables, tmp_path):
    longer = tables(max_steps=6)
    from_start = run(longer, tmp_path / "start")
    raised = tmp_path / "raised"
    shutil.copytree(whole[0], raised)
    kill(longer, raised, "checkpoint-6")
    record = run(longer, raised)
    assert losses(record) == losses(from_start)
    assert differing(tmp_path / "start", raised) == []
    assert record["notes"] == ["Went on from a run of 4 steps to 6, under the schedule of a run of that length."]
    assert run(longer, raised)["already_done"]
    with pytest.raises(UsageError, match=r"training\.max_steps: 6 there, 4 here"):
        run(tables(), raised)


def test_a_longer_run_under_a_falling_rate_is_said_to_be_another(tables, tmp_path):
    run(tables(schedule="linear", max_steps=1), tmp_path / "run")
    record = run(tables(schedule="linear", max_steps=2), tmp_path / "run")
    assert record["steps"] == 2
    assert (
        "its schedule was that of 1 steps, so a run of that length from the start ends elsewhere" in record["notes"][0]
    )


def test_other_versions_of_packages_are_said(whole, tables, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(whole[0], folder)
    shutil.rmtree(folder / "model")
    about = json.loads((folder / "run.json").read_text())
    about["versions"]["peft"] = "0.0.1"
    (folder / "run.json").write_text(json.dumps(about))
    note = run(tables(), folder)["notes"][0]
    assert "under other versions than it began with: peft 0.0.1, now " in note
    assert note in caplog.text


@pytest.mark.parametrize("left", ["checkpoint-4", "model", "best"])
def test_parts_of_a_run_without_its_record_are_refused(tables, tmp_path, left):
    (tmp_path / "run" / left).mkdir(parents=True)
    with pytest.raises(UsageError, match=rf"with {left} and no run\.json"):
        run(tables(), tmp_path / "run")


def test_two_runs_in_one_folder_are_one_too_many(tables, tmp_path):
    with sole_use(tmp_path / "run", folder=True), pytest.raises(InUseError, match="another process holds its lock"):
        run(tables(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
