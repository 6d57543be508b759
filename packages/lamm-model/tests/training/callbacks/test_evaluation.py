"""Evaluation while training: held-out loss, answers scored by a real command, the best model kept, averages, plots."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model import load_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.callbacks.evaluation import run_command
from lamm_model.training.callbacks.trackers import draw_run
from lamm_model.training.run.finetune import finetune
from lamm_model.training.settings.settings import settings_from_tables

COLOURS = {"red": (220, 40, 40), "blue": (50, 60, 220)}
SCORE = "import json,sys; r=[json.loads(l) for l in open(sys.argv[1])]; print('scored'); print(len(r) - 1)"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    records = []
    for number in range(8):
        name = list(COLOURS)[number % 2]
        Image.new("RGB", (40, 40), COLOURS[name]).save(root / f"{number}.png")
        turns = [{"from": "human", "value": "What colour?"}, {"from": "gpt", "value": name}]
        records.append({"id": str(number), "image": f"{number}.png", "task_type": "normal", "conversations": turns})
    (root / "records.jsonl").write_text("\n".join(map(json.dumps, records[:6])))
    (root / "held.jsonl").write_text("\n".join(map(json.dumps, records[6:])))
    asked = [{"id": n, "image": f"{n}.png", "query": "How many chairs?", "num": 1} for n in (6, 7)]
    (root / "Counting_held.json").write_text(json.dumps(asked))
    return root


def settings(parts, world, evaluation, **training):
    tables = {
        "model": {"language_model": str(parts.language), "image_tower": str(parts.lite), "prompt_format": "chat",
                  "system_message": False},
        "adapters": {"rank": 4, "dropout": 0.1},
        "data": {"records": [str(world / "records.jsonl")], "row_tokens": 128},
        "training": {"max_steps": 6, "batch_rows": 3, "accumulation": 1, "precision": "fp32", "log_every": 1,
                     "learning_rate": 5e-3, "save_every": 2, **training},
        "evaluation": evaluation,
    }  # fmt: skip
    return settings_from_tables(tables, "test")


def column(record, name):
    return [entry[name] for entry in record["log"] if name in entry]


def weights(folder):
    model, _ = load_model(folder)
    return {name: value for name, value in model.state_dict().items() if "lora_" in name or "_projector" in name}


def test_loss_and_score_are_measured_without_touching_the_run(parts, world, tmp_path):
    judged = {"records": [str(world / "held.jsonl")], "every": 4, "benchmark": str(world / "Counting_held.json"),
              "command": [sys.executable, "-c", SCORE, "{predictions}"]}  # fmt: skip
    with_it = finetune(settings(parts, world, judged, trackers=["tensorboard"]), tmp_path / "with")
    without = finetune(settings(parts, world, {}), tmp_path / "without")
    assert column(with_it, "loss") == column(without, "loss")
    assert len(column(with_it, "eval_loss")) == 2  # steps 4 and 6
    assert column(with_it, "eval_score") == [2, 2]
    assert sorted(p.name for p in (tmp_path / "with" / "evaluations").iterdir()) == ["step-4.jsonl", "step-6.jsonl"]
    assert list((tmp_path / "with" / "tensorboard").glob("events*"))
    # The held-out loss is the one that training reports of the same dialogues at a learning rate of nothing.
    held = settings(parts, world, {"records": [str(world / "held.jsonl")], "every": 1}, learning_rate=0.0, max_steps=1)
    first = column(finetune(held, tmp_path / "held"), "eval_loss")
    data = held.data.__class__(records=(str(world / "held.jsonl"),), row_tokens=128)
    plain = settings(parts, world, {}, learning_rate=0.0, max_steps=1)
    dry = plain.__class__(plain.model, plain.adapters, data, plain.training)
    np.testing.assert_allclose(first, column(finetune(dry, tmp_path / "dry"), "loss"), rtol=1e-5)
    with Image.open(tmp_path / "with" / "loss.png") as drawn:
        assert drawn.size == (960, 3 * 360)
        colours = {colour for _, colour in drawn.getcolors(1 << 24)}
    assert {(0x1F, 0x6F, 0x8B), (0xC2, 0x38, 0x4B), (0x3B, 0x7D, 0x5B)} <= colours


def test_the_run_ends_early_with_its_best_model(parts, world, tmp_path):
    judged = {"records": [str(world / "held.jsonl")], "every": 1, "patience": 2}
    asked = settings(parts, world, judged, learning_rate=0.2, max_steps=40, warmup=0.0)  # so large that it gets worse
    record = finetune(asked, tmp_path / "run")
    losses = column(record, "eval_loss")
    best = losses.index(min(losses))
    assert record["steps"] == len(losses) == best + 3 < 40
    assert record["best_step"] == best + 1
    again = settings(parts, world, judged, learning_rate=0.0, max_steps=1)
    kept = again.model.__class__(path=str(tmp_path / "run"))
    judged_again = finetune(again.__class__(kept, again.adapters, again.data, again.training, again.compute,
                                            again.evaluation), tmp_path / "again")  # fmt: skip
    np.testing.assert_allclose(column(judged_again, "eval_loss"), min(losses), rtol=1e-4)


def test_an_average_is_kept_and_survives_a_resume(parts, world, tmp_path):
    averaged = settings(parts, world, {}, average=0.5)
    finetune(averaged, tmp_path / "run")
    finetune(settings(parts, world, {}), tmp_path / "plain")
    mean, last = weights(tmp_path / "run"), weights(tmp_path / "plain")
    name = next(name for name in mean if "lora_B" in name)
    assert not torch.equal(mean[name], last[name])
    shutil.copytree(tmp_path / "run", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "model")
    shutil.rmtree(tmp_path / "cut" / "checkpoint-6")
    assert finetune(averaged, tmp_path / "cut")["resumed_from"] == "checkpoint-4"
    again = weights(tmp_path / "cut")
    assert [name for name, value in mean.items() if not torch.equal(value, again[name])] == []


@pytest.mark.parametrize(
    ("code", "said"),
    [("print('fine')", "found 'fine'"), ("print('nan')", "found 'nan'"), ("", "found 'nothing'"),
     ("raise SystemExit('no')", "(?s)got status 1.*no")],
)  # fmt: skip
def test_a_command_that_does_not_score_is_named(tmp_path, code, said):
    with pytest.raises(LammModelError, match=said):
        run_command((sys.executable, "-c", code), "b.json", tmp_path / "p.jsonl")
    with pytest.raises(LammModelError, match="Expected a scoring command"):
        run_command(("no-such-program", "{predictions}"), "b.json", tmp_path / "p.jsonl")


def test_contradictions_and_absent_trackers_are_refused(parts, world, tmp_path, monkeypatch):
    with pytest.raises(UsageError) as error:
        settings(parts, world, {"benchmark": "x", "patience": 1, "every": 0}, trackers=["mlflow"])
    for said in ("benchmark and command together", "evaluation.every", "found 'mlflow'"):
        assert said in str(error.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="trackio not installed"):
        finetune(settings(parts, world, {}, trackers=["trackio"]), tmp_path / "run")


def test_nothing_logged_draws_nothing(tmp_path):
    assert not draw_run([{"train_runtime": 1.0, "step": 3}], tmp_path / "loss.png")
    assert draw_run([{"step": 1, "loss": 2.0}], tmp_path / "loss.png")  # one point has no extent
    assert not draw_run([{"step": 1, "eval_loss": float("nan")}], tmp_path / "loss.png")
