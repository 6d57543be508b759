"""A whole run: it learns, it stops at faults by name, and a killed run ends where an uninterrupted one ends."""

import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from lamm_model import load_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.run.finetune import finetune
from lamm_model.training.saving.checkpoints import newest_intact
from lamm_model.training.settings.settings import settings_from_tables
from lamm_model.training.step import acceleration


@pytest.fixture(scope="module")
def world(write_coloured, tmp_path_factory):
    """Twelve plain pictures and twelve clouds with one question each, and two about one picture."""
    root = tmp_path_factory.mktemp("world")
    _, records = write_coloured(root)
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
    assert record["attention"] == ("sdpa" if torch.cuda.is_available() else "segments")  # no kernel takes float32
    speeds = [entry for entry in record["log"] if "loss" in entry][-1]
    named = ("tokens_per_second", "dialogue_tokens_per_second", "samples_per_second", "peak_memory_gib")
    assert all(speeds[name] > 0 for name in named)
    assert 0 <= speeds["loader_wait"] < 1
    before, after = trained_state(tmp_path / "run" / "untuned"), trained_state(tmp_path / "run" / "model")
    assert all(not torch.equal(before[name], after[name]) for name in before if "lora_B" in name)
    again = finetune(settings, tmp_path / "run")
    assert again["already_done"]


on_a_cpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason="CUDA does not start in a forked process: set CUDA_VISIBLE_DEVICES to nothing"
)


def in_fork(work):
    """Run ``work`` in a forked process; return its id and the end of a pipe that carries what it returns."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.close(reading)
    said = b""
    try:
        said = str(work()).encode()
    except LammModelError as error:
        said = str(error).encode()
    finally:
        if sys.exc_info()[0]:
            traceback.print_exc()
        os.write(writing, said)
        os._exit(0)


def outcome(child, reading):
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode()


def same_weights(one, other):
    first, second = trained_state(one / "model"), trained_state(other / "model")
    assert first.keys() == second.keys()
    return [name for name, value in first.items() if not torch.equal(value, second[name])]


@pytest.fixture(scope="module")
def whole(parts, world, tmp_path_factory):
    """A run that nothing interrupts: 24 steps over six batches an epoch, with dropout and mixed rows."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    changed = tables(parts, world, max_steps=24, save_every=1)
    changed["data"] |= {"packing": "mixed", "row_tokens": 128}
    settings = settings_from_tables(changed, "test")
    child, pipe = in_fork(lambda: finetune(settings, folder)["steps"])
    assert outcome(child, pipe) == "24"
    return settings, folder


@on_a_cpu
def test_killed_at_ten_random_steps_it_ends_bit_for_bit_the_same(whole, tmp_path):
    settings, folder = whole
    cut = tmp_path / "cut"
    draw = random.Random(11)
    for step in sorted(draw.sample(range(1, 23), 10)):
        child, pipe = in_fork(lambda: finetune(settings, cut))
        deadline = time.monotonic() + 60
        while not (cut / f"checkpoint-{step}").is_dir() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05))  # anywhere in the step, or in the midst of writing
        os.kill(child, signal.SIGKILL)
        outcome(child, pipe)
        assert not (cut / "model").exists(), "the run was too fast to be killed"
    child, pipe = in_fork(lambda: finetune(settings, cut)["resumed_from"])
    assert outcome(child, pipe).startswith("checkpoint-")
    assert same_weights(folder, cut) == []
    losses = [
        [entry["loss"] for entry in json.loads((run / "finetune.json").read_text())["log"] if "loss" in entry]
        for run in (folder, cut)
    ]
    assert losses[0] == losses[1]


@on_a_cpu
def test_a_torn_checkpoint_costs_steps_not_the_run(whole, tmp_path):
    settings, folder = whole
    torn = tmp_path / "torn"
    shutil.copytree(folder, torn)
    shutil.rmtree(torn / "model")
    newest = torn / "checkpoint-24" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    record = finetune(settings, torn)
    assert record["resumed_from"] == "checkpoint-23"
    assert "optimizer.pt" in record["torn_checkpoints"]["checkpoint-24"]
    assert same_weights(folder, torn) == []


def test_a_resumed_run_reports_the_losses_of_an_uninterrupted_one(parts, world, tmp_path):
    """Also where a checkpoint lies between two entries of the log."""
    settings = settings_from_tables(tables(parts, world, save_every=5, log_every=2), "test")
    whole, cut = finetune(settings, tmp_path / "whole"), tmp_path / "cut"
    shutil.copytree(tmp_path / "whole", cut)
    for name in ("model", "checkpoint-8"):
        shutil.rmtree(cut / name)
    again = finetune(settings, cut)
    assert again["resumed_from"] == "checkpoint-5"
    first, second = ([(e["step"], e["loss"]) for e in record["log"] if "loss" in e] for record in (whole, again))
    assert first == second
    assert [step for step, _ in first] == [2, 4, 5, 6, 8]
    assert again["loss"] == whole["loss"]


@on_a_cpu
def test_a_full_disk_leaves_the_last_checkpoint_intact(whole, tmp_path):
    """Writes fail for real: the process may write files of 4 kB at most from its sixth step on."""
    settings, folder = whole
    full = tmp_path / "full"

    def report(step, steps, log):
        if step == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    child, pipe = in_fork(lambda: finetune(settings, full, report))
    said = outcome(child, pipe)
    assert "Expected to write checkpoint-" in said
    assert "is intact" in said
    assert not (full / ".partial").exists()
    found = newest_intact(full)
    assert found.path.name in said
    assert found.torn == {}
    finetune(settings, full)
    assert same_weights(folder, full) == []


def test_accumulation_weighs_every_token_alike(parts, world, tmp_path):
    """One step over all dialogues gives the same weights, whether in one pass or in five of unequal lengths."""
    for name, rows, passes in (("one", 25, 1), ("five", 5, 5)):
        changed = tables(parts, world, max_steps=1, batch_rows=rows, accumulation=passes, warmup=0.0)
        changed["adapters"]["dropout"] = 0.0
        changed["data"]["packing"] = "none"
        changed["model"]["train_point_cloud_tower"] = False
        finetune(settings_from_tables(changed, "test"), tmp_path / name)
    one, five = trained_state(tmp_path / "one" / "model"), trained_state(tmp_path / "five" / "model")
    moved = [name for name in one if "lora_B" in name and one[name].any()]
    assert moved
    # The first step of Adam divides a gradient by itself: on a GPU one that is nearly nothing may turn.
    turned = {name: int(((one[name] - five[name]).abs() > 2e-5).sum()) for name in one}
    most = {name: len(one[name].flatten()) // 500 if torch.cuda.is_available() else 0 for name in one}
    assert [name for name in one if turned[name] > most[name]] == []


@on_a_cpu
@pytest.mark.parametrize(("dropout", "used"), [(0.0, 9), (0.1, 0)])
def test_batches_side_by_side_end_bit_for_bit_as_one_by_one(parts, world, tmp_path, monkeypatch, dropout, used):
    finished = []

    def finish(self, work=acceleration.SideBySide.finish):
        finished.append(work(self))
        return finished[-1]

    monkeypatch.setattr(acceleration.SideBySide, "finish", finish)
    chosen = tables(parts, world, max_steps=3, batch_rows=2, accumulation=3, save_every=100)
    chosen["adapters"]["dropout"] = dropout  # drawn from one stream of numbers, so it needs its order
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            finetune(settings_from_tables(chosen, "test"), tmp_path / f"{threads}")
        finally:
            torch.set_num_threads(before)
    assert len(finished) == used
    assert not used or same_weights(tmp_path / "1", tmp_path / "2") == []


@pytest.fixture(scope="module")
def wider(parts, tmp_path_factory):
    """A language model whose sides are multiples of the blocks that four bits come in."""
    folder = tmp_path_factory.mktemp("wider")
    shutil.copytree(parts.language, folder, dirs_exist_ok=True)
    config = AutoConfig.from_pretrained(parts.language)
    config.hidden_size, config.intermediate_size, config.num_key_value_heads = 128, 256, 4
    config.head_dim = 32
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("quantize", ["8bit", "4bit"])
def test_adapters_learn_on_a_quantised_language_model(parts, wider, world, tmp_path, quantize):
    pytest.importorskip("bitsandbytes")
    changed = tables(parts, world, max_steps=25, save_every=100, precision="bf16")
    changed["model"] |= {"quantize": quantize, "language_model": str(wider)}
    record = finetune(settings_from_tables(changed, "test"), tmp_path / "run")
    losses = [entry["loss"] for entry in record["log"] if "loss" in entry]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    model, _ = load_model(tmp_path / "run" / "model", quantize=quantize)
    assert any(type(module).__module__.startswith("bitsandbytes") for module in model.modules())


@pytest.mark.parametrize("train", ["projectors", "full"])
def test_the_stages_of_lamm_1_5_train_what_they_say_and_go_on(parts, world, tmp_path, train):
    changed = tables(parts, world, max_steps=2, save_every=1)
    changed["model"] |= {"train": train, "train_point_cloud_tower": False}
    settings = settings_from_tables(changed, "test")
    record = finetune(settings, tmp_path / "run")
    model, _ = load_model(tmp_path / "run" / "model")
    before = AutoModel.from_pretrained(parts.language).state_dict()
    after = model.model.language_model.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert bool(moved) == (train == "full")
    named = [(name, p.numel()) for name, p in model.named_parameters() if "_tower" not in name]
    learnt = sum(size for name, size in named if train == "full" or "_projector" in name)
    assert record["trainable_parameters"] == learnt
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "model")
    shutil.rmtree(tmp_path / "again" / "checkpoint-2")
    assert finetune(settings, tmp_path / "again")["resumed_from"] == "checkpoint-1"
    again, _ = load_model(tmp_path / "again" / "model")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    # Stage two begins with stage one's model.
    begun = tables(parts, world, max_steps=1) | {"model": {"path": str(tmp_path / "run"), "train": "full"}}
    finetune(settings_from_tables(begun, "test"), tmp_path / "second")


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


@pytest.mark.parametrize(("workers", "batch"), [(0, 1), (1, 4)])  # with one row nothing is left of its batch
def test_a_damaged_picture_costs_its_records_and_they_are_listed(parts, world, tmp_path, workers, batch, caplog):
    shutil.copytree(world, tmp_path / "world")
    (tmp_path / "world" / "0.png").write_bytes((world / "0.png").read_bytes()[:60])
    changed = tables(parts, tmp_path / "world", workers=workers, batch_rows=batch, max_steps=0, epochs=1)
    record = finetune(settings_from_tables(changed, "test"), tmp_path / "run")
    ((reason, ids),) = record["rejected"].items()
    assert re.fullmatch(r"Expected a readable picture, got .*0\.png\)\. Replace the file", reason)
    about = [json.loads(line) for line in (world / "records.jsonl").read_text().splitlines()]
    assert sorted(ids) == sorted(f"records.jsonl:{one['id']}" for one in about if one.get("image") == "0.png")
    listed = (tmp_path / "run" / "unreadable.jsonl").read_text().split("\n")
    assert {json.loads(line)["id"] for line in listed if line} == set(ids)
    assert record["log"][-1 if "loss" in record["log"][-1] else -2]["unreadable"] == len(ids)
    assert f"{ids[0]} is left out: {reason}." in caplog.text


def test_too_many_damaged_media_end_a_run(parts, world, tmp_path):
    shutil.copytree(world, tmp_path / "world")
    for path in (tmp_path / "world").glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(
        LammModelError, match=r"all but 10 records, got \d+ without, .*png.*unreadable\.jsonl lists them"
    ):
        finetune(settings_from_tables(tables(parts, tmp_path / "world"), "test"), tmp_path / "run")


def test_long_dialogues_are_counted_not_skipped_silently(parts, world, tmp_path):
    long = {"id": "long", "image": "1.png", "task_type": "normal"}
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "word " * 500}]
    lines = (world / "records.jsonl").read_text() + "\n" + json.dumps({**long, "conversations": turns})
    (tmp_path / "r.jsonl").write_text(lines)
    changed = tables(parts, world, max_steps=1)
    changed["data"] = {"records": [str(tmp_path / "r.jsonl")], "media_root": str(world), "row_tokens": 256}
    record = finetune(settings_from_tables(changed, "test"), tmp_path / "run")
    assert record["rejected"] == {"longer than row_tokens = 256": ["r.jsonl:long"]}
    assert record["dialogues"] == 25


def test_a_loss_that_is_not_finite_names_the_records(parts, world, tmp_path):
    settings = settings_from_tables(tables(parts, world, learning_rate=1e30, clip=0.0, warmup=0.0), "test")
    with pytest.raises(LammModelError, match=r"records\.jsonl:(image|pcl)\d+"):
        finetune(settings, tmp_path / "run")
