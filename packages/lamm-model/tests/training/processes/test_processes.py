"""Two processes train what one trains: DDP and FSDP2 over Gloo, every row once, faults told to all of them."""

import json
import os
import platform
import socket
import subprocess
import sys
import traceback
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model import load_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.memory_plan import ADAM_BYTES
from lamm_model.training.processes import processes as distributed
from lamm_model.training.rows.collation import Collator
from lamm_model.training.rows.loading import EpochBatches, TrainLoader
from lamm_model.training.rows.packing import Dialogue, Group, Row
from lamm_model.training.run.finetune import finetune, share_model
from lamm_model.training.run.preparation import prepare_model
from lamm_model.training.settings import presets
from lamm_model.training.settings.settings import settings_from_tables
from lamm_model.training.settings.tables import ComputeSettings
from lamm_model.training.step.recomputation import plan_step

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="forks processes that compute on a CPU: set CUDA_VISIBLE_DEVICES to nothing"
)
TOLERANCE = 2e-5  # of a loss: sums in another order, over six steps of Adam


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library gives memory back as it likes")
def test_freed_memory_serves_again():
    code = """
import resource, torch
from lamm_model.training.processes.processes import reuse_memory
reuse_memory()
for _ in range(16):  # until small leftovers no longer lie between the blocks
    torch.zeros(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.zeros(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # of 8,192 pages each time


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Seven pictures and six clouds: uneven shares, and an order in which some steps see one modality only."""
    root = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    records = []
    for number in range(13):
        name, key = ("pcl", "npy") if number % 2 else ("image", "png")
        if name == "image":
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(root / f"{number}.png")
        else:
            cloud = np.concatenate([rng.normal(size=(80, 3)), rng.uniform(0, 255, (80, 3))], axis=1)
            np.save(root / f"{number}.npy", cloud.astype(np.float32))
        turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A lamp. " * (1 + number % 3)}]
        records.append({"id": str(number), name: f"{number}.{key}", "task_type": "normal", "conversations": turns})
    (root / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    return root


def settings(parts, world, sharding="none", train="adapters", records="records.jsonl", tables=None, **training):
    chosen = {
        "model": {"language_model": str(parts.language), "image_tower": str(parts.lite), "point_cloud_tower": "tiny",
                  "prompt_format": "chat", "system_message": False, "train": train},
        "adapters": {"rank": 4, "dropout": 0.0},
        "data": {"records": [str(world / records)], "row_tokens": 256, "packing": "none"},
        "training": {"max_steps": 6, "batch_rows": 2, "accumulation": 1, "precision": "fp32", "save_every": 3,
                     "log_every": 1, "learning_rate": 5e-3, **training},
        "compute": {"sharding": sharding},
    }  # fmt: skip
    for name, table in (tables or {}).items():
        chosen[name] = chosen.get(name, {}) | table
    return settings_from_tables(chosen, "test")


def together(work, processes=2):
    """Run ``work(rank)`` in forked processes that find each other as under torchrun; return what each returned."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            children.append((child, reading))
            continue
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes,
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}  # fmt: skip
        os.environ |= {name: str(value) for name, value in told.items()}
        said = b""
        try:
            said = json.dumps(work(rank)).encode()
        except LammModelError as error:
            said = json.dumps(f"{type(error).__name__}: {error}").encode()
        finally:
            if sys.exc_info()[0]:
                traceback.print_exc()
            os.write(writing, said)
            os._exit(0)
    outcomes = []
    for child, reading in children:
        with os.fdopen(reading, "rb") as pipe:
            outcomes.append(pipe.read())
        os.waitpid(child, 0)
    assert all(outcomes), "a process died"
    return [json.loads(outcome) for outcome in outcomes]


def losses(record):
    return [entry["loss"] for entry in record["log"] if "loss" in entry]


def trained_state(folder):
    model, _ = load_model(folder)
    return {name: value for name, value in model.state_dict().items() if "lora_" in name or "_projector" in name}


@pytest.fixture(scope="module")
def alone(parts, world, tmp_path_factory):
    """One process, two passes a step: the same rows in every step as two processes see."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    (record,) = together(lambda rank: finetune(settings(parts, world, accumulation=2), folder), 1)
    return losses(record), trained_state(folder / "model")


@pytest.mark.parametrize("sharding", ["none", "fsdp2"])
def test_two_processes_learn_what_one_learns(parts, world, alone, tmp_path, sharding):
    run = tmp_path / "run"
    first, second = together(lambda rank: finetune(settings(parts, world, sharding), run))
    assert first["processes"] == 2
    np.testing.assert_allclose(losses(first), alone[0], rtol=TOLERANCE)
    assert losses(first) == losses(second)
    # Adapters and projectors come whole out of the shares, and load without any process group.
    found = trained_state(run / "model")
    assert found.keys() == alone[1].keys()
    for name, value in found.items():
        torch.testing.assert_close(value, alone[1][name], rtol=0, atol=2e-3, msg=name)
    # A run that lost its last steps goes on where the checkpoint is, to the same weights.
    cut = tmp_path / "cut"
    together(lambda rank: finetune(settings(parts, world, sharding), cut, stop_after(4)))
    resumed, _ = together(lambda rank: finetune(settings(parts, world, sharding), cut))
    assert resumed["resumed_from"] == "checkpoint-3"
    assert losses(resumed) == losses(first)
    again = trained_state(cut / "model")
    assert [name for name, value in found.items() if not torch.equal(value, again[name])] == []


def stop_after(last):
    def report(step, steps, log):
        if step == last:
            raise LammModelError("stopped by the test")

    return report


def test_a_sharded_language_model_is_saved_whole(parts, world, tmp_path):
    run = tmp_path / "run"
    together(lambda rank: finetune(settings(parts, world, "fsdp2", "full", max_steps=2, save_every=1), run))
    one = tmp_path / "one"
    together(lambda rank: finetune(settings(parts, world, train="full", max_steps=2, accumulation=2), one), 1)
    shards, plain = (load_model(folder / "model")[0].state_dict() for folder in (run, one))
    assert shards.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(shards[name], value, rtol=0, atol=2e-3, msg=name)


def test_a_process_holds_its_share_of_the_layers(parts, world):
    def look(rank):
        chosen = settings(parts, world, "fsdp2")
        distributed.join()
        model = prepare_model(chosen).model
        layers = model.model.language_model.layers
        before = sum(parameter.numel() for parameter in layers.parameters())
        share_model(chosen, model)
        return [before, sum(parameter.to_local().numel() for parameter in layers.parameters())]

    for before, shares in together(look):
        assert shares == before / 2


def test_shares_hold_with_everything_at_once(parts, world, tmp_path):
    """Several passes a step, layers computed again, and an average that is evaluated after every step, and kept."""
    tables = {
        "compute": {"checkpointing": "all"},
        "evaluation": {"records": [str(world / "records.jsonl")], "every": 1},
    }
    recipe = {"tables": tables, "max_steps": 4, "average": 0.5, "save_every": 2}
    found = {}
    for name, processes, passes, sharding in (("one", 1, 4, "none"), ("two", 2, 2, "fsdp2")):
        folder = tmp_path / name
        chosen = settings(parts, world, sharding, accumulation=passes, **recipe)
        (found[name], *_) = together(lambda rank, to=folder, how=chosen: finetune(how, to), processes)
    for key in ("loss", "eval_loss", "grad_norm"):
        one, two = ([entry[key] for entry in found[name]["log"] if key in entry] for name in ("one", "two"))
        np.testing.assert_allclose(two, one, rtol=TOLERANCE, err_msg=key)
    one, two = (trained_state(tmp_path / name / "model") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=2e-3, msg=name)
    same = ("trainable_parameters", "parameters", "steps")
    assert [found["two"][key] for key in same] == [found["one"][key] for key in same]


def test_processes_that_see_other_data_all_stop(parts, world, tmp_path):
    lines = (world / "records.jsonl").read_text().splitlines()
    (world / "fewer.jsonl").write_text("\n".join(lines[:-1]))
    names = ["records.jsonl", "fewer.jsonl"]
    said = together(lambda rank: finetune(settings(parts, world, records=names[rank]), tmp_path / "run"))
    for message in said:
        assert message.startswith("UsageError: Expected every process to see the data")
        assert "process 1, rows: 12 of 12 dialogues" in message
        assert "not 13 of 13 dialogues" in message
    assert not (tmp_path / "run" / "run.json").exists()


def test_another_number_of_processes_is_another_run(parts, world, tmp_path):
    run = tmp_path / "run"
    chosen = settings(parts, world, max_steps=2, save_every=1)
    together(lambda rank: finetune(chosen, run, stop_after(2)))
    (said,) = together(lambda rank: finetune(chosen, run), 1)
    assert "dealt to 2 processes there, 1 here" in said


@pytest.fixture
def plain_rows():
    """Rows of unlike lengths without media."""

    def build(count):
        dialogues = [
            Dialogue(str(n), (), [5] * (2 + n % 4), [5] * (2 + n % 4), [0] * (2 + n % 4), 0) for n in range(count)
        ]
        return [Row([Group([dialogue])]) for dialogue in dialogues]

    return build


def load_epochs(rows, batch, rank, processes, workers=0):
    """Return the ids of every batch of two epochs as one process sees them."""
    batches = EpochBatches([row.tokens for row in rows], batch, 3, rank, processes)
    loader = TrainLoader(rows, Collator(0, dict), batches, workers)  # a loader of media that travels to workers
    seen = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        seen.append([[name for name in batch["facts"].ids if name] for batch in loader])
        assert len(seen[-1]) == len(loader)
    return seen


@pytest.mark.parametrize(("count", "batch", "processes"), [(13, 2, 2), (8, 2, 2), (9, 4, 2), (1, 2, 3), (17, 3, 4)])
def test_every_row_once_an_epoch_over_all_processes(plain_rows, count, batch, processes):
    rows = plain_rows(count)
    shares = [load_epochs(rows, batch, rank, processes) for rank in range(processes)]
    for epoch in range(2):
        ids = Counter(name for share in shares for dealt in share[epoch] for name in dealt)
        assert ids == {str(number): 1 for number in range(count)}
        assert len({len(share[epoch]) for share in shares}) == 1, "a process would wait for the others"
    assert count < 3 or shares[0][0] != shares[0][1]


def test_every_row_once_in_two_real_processes_with_workers(plain_rows):
    rows = plain_rows(13)
    alone = [load_epochs(rows, 2, rank, 2) for rank in range(2)]
    assert together(lambda rank: load_epochs(rows, 2, rank, 2, workers=2)) == alone


def test_the_memory_plan_knows_shares(pair, monkeypatch):
    model, _ = pair
    config = ComputeSettings(sharding="fsdp2")
    alone = plan_step(model, 0, config, 0, half=False).bytes
    monkeypatch.setenv("WORLD_SIZE", "8")
    shared = plan_step(model, 0, config, 0, half=False).bytes
    assert plan_step(model, 0, ComputeSettings(), 0, half=False).bytes == alone
    layers = model.model.language_model.layers
    inside = sum(parameter.numel() * 4 for parameter in layers.parameters())
    optimizer = sum(p.numel() * ADAM_BYTES for p in model.parameters() if p.requires_grad)
    # Of two layers both are gathered; each process keeps an eighth of them, and of the optimiser.
    assert alone - shared == pytest.approx(inside - inside / 8 - inside + optimizer * 7 / 8, abs=8)


@pytest.mark.parametrize("engine", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_other_engines_are_refused_with_advice(parts, world, tmp_path, monkeypatch, engine):
    monkeypatch.setenv(engine, "true")
    with pytest.raises(UsageError, match=r"compute\.sharding = 'fsdp2'"):
        finetune(settings(parts, world), tmp_path / "run")


def test_launchers_are_read_by_accelerate(tmp_path):
    from accelerate.commands.config.config_args import load_config_from_file

    found = {name: load_config_from_file(str(presets.path_of(name))) for name in presets.launchers()}
    assert {name: config.num_processes for name, config in found.items()} == {"launch-gpus": 8, "launch-nodes": 64}
