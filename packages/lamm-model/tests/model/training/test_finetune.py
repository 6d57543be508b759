"""A whole run: it learns, it stops at faults by name, and a killed run ends where an uninterrupted one ends."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model import load_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.finetune import finetune
from lamm_model.training.settings import settings_from_tables

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Twelve plain pictures and twelve clouds with one question each, and two about one picture."""
    root = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    records = []
    for number in range(12):
        name = list(COLOURS)[number % 3]
        Image.new("RGB", (40, 40), COLOURS[name]).save(root / f"{number}.png")
        cloud = np.concatenate([rng.normal(size=(80, 3)), np.tile(COLOURS[name], (80, 1))], axis=1)
        np.save(root / f"{number}.npy", cloud.astype(np.float32))
        for key, path in (("image", f"{number}.png"), ("pcl", f"{number}.npy")):
            turns = [{"from": "human", "value": "What colour?"}, {"from": "gpt", "value": name}]
            records.append({"id": f"{key}{number}", key: path, "task_type": "normal", "conversations": turns})
    turns = [{"from": "human", "value": "Which shape?"}, {"from": "gpt", "value": "square"}]
    records.append({"id": "extra", "image": "0.png", "task_type": "normal", "conversations": turns})
    (root / "records.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    return root


def tables(parts, world, **training):
    return {
        "model": {
            "language_model": str(parts.language),
            "image_tower": str(parts.lite),
            "point_cloud_tower": "tiny",
            "prompt_format": "chat",
            "system_message": False,
            "train_point_cloud_tower": True,
        },
        "adapters": {"rank": 4, "dropout": 0.1},
        "data": {"records": [str(world / "records.jsonl")], "row_tokens": 256},
        "training": {"max_steps": 8, "batch_rows": 4, "accumulation": 1, "precision": "fp32", "save_every": 2,
                     "log_every": 1, "learning_rate": 5e-3, **training},
    }  # fmt: skip


def trained_state(folder):
    model, _ = load_model(folder)
    return {name: value for name, value in model.state_dict().items() if "lora_" in name or "_projector" in name}


def test_it_learns_and_keeps_a_record(parts, world, tmp_path):
    settings = settings_from_tables(tables(parts, world, max_steps=60, save_every=100, keep_untuned=True), "test")
    seen = []
    record = finetune(settings, tmp_path / "run", lambda step, steps, log: seen.append((step, steps)))
    assert seen[-1] == (60, 60)
    losses = [entry["loss"] for entry in record["log"] if "loss" in entry]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert (record["records"], record["dialogues"], record["rows"]) == (25, 25, 24)
    assert record["versions"]["lamm-model"]
    before, after = trained_state(tmp_path / "run" / "untuned"), trained_state(tmp_path / "run" / "model")
    assert all(not torch.equal(before[name], after[name]) for name in before if "lora_B" in name)
    again = finetune(settings, tmp_path / "run")
    assert again["already_done"]


RUN = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from lamm_model.training.finetune import finetune
from lamm_model.training.settings import settings_from_tables
finetune(settings_from_tables(json.loads(sys.argv[1]), "test"), Path(sys.argv[2]))
"""


def test_a_killed_run_ends_bit_for_bit_where_an_uninterrupted_one_ends(parts, world, tmp_path):
    # Nine steps over six batches an epoch: the order of the second epoch matters, and so does dropout's random state.
    settings = tables(parts, world, max_steps=9, save_every=1)
    command = [sys.executable, "-c", RUN, json.dumps(settings)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    cut = tmp_path / "cut"
    for step in (2, 7):
        child = subprocess.Popen([*command, str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (cut / f"checkpoint-{step}").is_dir() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not (cut / "model").exists(), "the run was too fast to be killed"
    subprocess.run([*command, str(cut)], check=True, capture_output=True)
    whole, resumed = trained_state(tmp_path / "whole" / "model"), trained_state(cut / "model")
    assert json.loads((cut / "finetune.json").read_text())["resumed_from"] is not None
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_another_configuration_in_the_same_folder_is_refused(parts, world, tmp_path):
    run = tmp_path / "run"
    finetune(settings_from_tables(tables(parts, world, max_steps=1), "test"), run)
    with pytest.raises(UsageError, match=r"training\.seed: 0 there, 5 here"):
        finetune(settings_from_tables(tables(parts, world, max_steps=1, seed=5), "test"), run)


def test_missing_media_are_all_listed(parts, world, tmp_path):
    lines = (world / "records.jsonl").read_text().replace('"0.png"', '"gone.png"').replace('"3.npy"', '"lost.npy"')
    (tmp_path / "r.jsonl").write_text(lines)
    changed = tables(parts, world)
    changed["data"] = {"records": [str(tmp_path / "r.jsonl")], "media_root": str(world)}
    with pytest.raises(LammModelError) as error:
        finetune(settings_from_tables(changed, "test"), tmp_path / "run")
    assert "found 2 missing" in str(error.value)
    assert "gone.png" in str(error.value)
    assert "lost.npy" in str(error.value)


def test_long_dialogues_are_counted_not_skipped_silently(parts, world, tmp_path):
    long = {"id": "long", "image": "1.png", "task_type": "normal"}
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "word " * 500}]
    lines = (world / "records.jsonl").read_text() + "\n" + json.dumps({**long, "conversations": turns})
    (tmp_path / "r.jsonl").write_text(lines)
    changed = tables(parts, world, max_steps=1)
    changed["data"] = {"records": [str(tmp_path / "r.jsonl")], "media_root": str(world), "row_tokens": 256}
    record = finetune(settings_from_tables(changed, "test"), tmp_path / "run")
    assert record["rejected"] == {"longer than row_tokens = 256": 1}
    assert record["dialogues"] == 25


def test_a_loss_that_is_not_finite_names_the_records(parts, world, tmp_path):
    settings = settings_from_tables(tables(parts, world, learning_rate=1e30, clip=0.0, warmup=0.0), "test")
    with pytest.raises(LammModelError, match=r"records\.jsonl:(image|pcl)\d+"):
        finetune(settings, tmp_path / "run")
