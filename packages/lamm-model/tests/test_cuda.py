"""The whole way on a CUDA device: tuned, resumed, evaluated, answered and served, with what a CPU gives beside it."""

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from lamm_model import build_pair, load_model, save_model
from lamm_model.checkpoints.checkpoint import load_for_inference
from lamm_model.cli import model as commands
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.queries import PredictionOptions
from lamm_model.serving.engine import ChatEngine
from lamm_model.serving.messages import read_request
from lamm_model.towers.point_cloud import LammPointCloudModel
from lamm_model.training.run.finetune import finetune
from lamm_model.training.settings.settings import settings_from_tables
from lamm_model.training.tower_pretraining.pretraining import TowerSettings, pretrain_tower
from lamm_model.training.tower_pretraining.questions import SceneQuestion

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SCORE = "import json,sys; r=[json.loads(l) for l in open(sys.argv[1])]; print(sum('text' in a for a in r))"


@pytest.fixture(scope="module")
def world(write_coloured, tmp_path_factory):
    """Twelve pictures and twelve clouds of one colour each, tables of held-out ones, and benchmarks of both kinds."""
    root = tmp_path_factory.mktemp("world")
    colours, records = write_coloured(root)
    (root / "records.jsonl").write_text("\n".join(map(json.dumps, records[:18])))
    (root / "held.jsonl").write_text("\n".join(map(json.dumps, records[18:])))
    asked = [{"id": f"i{n}", "image": f"{n}.png", "query": "What colour?"} for n in range(12)]
    asked += [{"id": f"c{n}", "pcl": f"{n}.npy", "query": "What colour?"} for n in range(12)]
    for record in asked:
        record |= {"gt_choices": colours, "gt_choice": 0, "task_type": "VQA"}
    (root / "VQA_held.json").write_text(json.dumps(asked))
    return root


@pytest.fixture(scope="module")
def language(parts, tmp_path_factory):
    """A language model whose heads (32 wide, 4 over 2) the variable-length kernel takes."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("language")
    shutil.copytree(parts.language, folder, dirs_exist_ok=True)
    config = AutoConfig.from_pretrained(parts.language)
    config.hidden_size, config.intermediate_size, config.head_dim = 128, 256, 32
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def settings(parts, world, language, compute=(), evaluation=(), data=(), model=(), **training):
    tables = {
        "model": {"language_model": str(language), "image_tower": str(parts.lite), "point_cloud_tower": "tiny",
                  "prompt_format": "chat", "system_message": False, "train_point_cloud_tower": True, **dict(model)},
        "adapters": {"rank": 8, "dropout": 0.0},
        "data": {"records": [str(world / "records.jsonl")], "row_tokens": 256, "packing": "mixed", **dict(data)},
        "training": {"max_steps": 30, "batch_rows": 4, "accumulation": 1, "save_every": 10, "log_every": 1,
                     "learning_rate": 5e-3, **training},
        "compute": dict(compute),
        "evaluation": dict(evaluation),
    }  # fmt: skip
    return settings_from_tables(tables, "test")


def column(record, name="loss"):
    return [entry[name] for entry in record["log"] if name in entry]


def write(asked, place):
    """Write a configuration and return its path."""
    lines = []
    for table in ("model", "adapters", "data", "training"):
        lines.append(f"[{table}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in asdict(getattr(asked, table)).items()]
    (place / "asked.toml").write_text("\n".join(lines) + "\n")
    return str(place / "asked.toml")


def judged(world, every=10):
    return {"records": [str(world / "held.jsonl")], "every": every, "benchmark": str(world / "VQA_held.json"),
            "command": [sys.executable, "-c", SCORE, "{predictions}"]}  # fmt: skip


def cut(run, place, steps):
    """Copy a run as it was after so many steps."""
    shutil.copytree(run, place)
    shutil.rmtree(place / "model")
    for checkpoint in place.glob("checkpoint-*"):
        if int(checkpoint.name.split("-")[1]) > steps:
            shutil.rmtree(checkpoint)
    return place


@pytest.mark.parametrize("packing", ["none", "mixed"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_learns_is_judged_and_goes_on(parts, world, language, tmp_path, compiled, packing):
    """Images and clouds, a trained tower, an average, and answers in the midst of training; then from a checkpoint."""
    asked = settings(
        parts, world, language, {"compile": compiled}, judged(world), {"packing": packing}, average=0.5, keep_last=3
    )
    record = finetune(asked, tmp_path / "run")
    losses = column(record)
    assert record["attention"] == "segments"
    assert record["device"] == torch.cuda.get_device_name()
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])
    assert column(record, "eval_score") == [24, 24, 24]
    assert column(record, "eval_loss")[-1] < losses[0]
    assert column(record, "peak_memory_gib")[-1] > 0
    again = finetune(asked, cut(tmp_path / "run", tmp_path / "cut", 20))
    assert again["resumed_from"] == "checkpoint-20"
    assert column(again)[-10:] == losses[-10:]
    whole, resumed = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("run", "cut"))
    assert [name for name, value in whole.items() if not torch.equal(value, resumed[name])] == []


def test_compiled_losses_are_those_of_plain_layers(parts, world, language, tmp_path):
    """In float32; in bfloat16 a compiled layer rounds less often, which random weights make much of."""
    runs = {}
    for compiled, precision in ((False, "fp32"), (True, "fp32"), (True, "bf16")):
        compute = {"compile": compiled}
        asked = settings(parts, world, language, compute, max_steps=6, learning_rate=1e-3, precision=precision)
        runs[compiled, precision] = column(finetune(asked, tmp_path / f"{compiled}-{precision}"))
    np.testing.assert_allclose(runs[True, "fp32"], runs[False, "fp32"], rtol=1e-3)
    np.testing.assert_allclose(runs[True, "bf16"][:2], runs[False, "fp32"][:2], rtol=0.01)


def test_losses_are_those_of_a_cpu(parts, world, language, tmp_path):
    """In float32: the device changes nothing but rounding."""
    asked = settings(parts, world, language, max_steps=5, learning_rate=1e-3, precision="fp32")
    on_gpu = column(finetune(asked, tmp_path / "gpu"))
    command = [sys.executable, "-c", "from lamm_model.cli import model; model()", "finetune", write(asked, tmp_path)]
    away = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([*command, "--output", str(tmp_path / "cpu")], env=away, check=True)
    record = json.loads((tmp_path / "cpu" / "finetune.json").read_text())
    assert (record["device"], record["attention"]) == ("cpu", "segments")
    np.testing.assert_allclose(on_gpu, column(record), rtol=1e-3)


def test_layers_computed_again_and_narrow_heads(parts, world, tmp_path):
    """Heads of 12: no kernel takes them, a mask does; and recomputation finds the adapters that the pass used."""
    plain, again = (
        column(finetune(settings(parts, world, parts.language, {"checkpointing": kind}, max_steps=4), tmp_path / kind))
        for kind in ("none", "all")
    )
    np.testing.assert_allclose(plain, again, rtol=0.02)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cached_features_give_the_same_losses(parts, world, language, tmp_path, precision):
    frozen = {"train_point_cloud_tower": False}
    asked = settings(parts, world, language, model=frozen, max_steps=4, precision=precision)
    fill = ["cache-features", write(asked, tmp_path), "--output", str(tmp_path / "cache")]
    ran = CliRunner().invoke(commands, fill, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    cached = settings(
        parts, world, language, data={"feature_cache": str(tmp_path / "cache")}, model=frozen, max_steps=4,
        precision=precision,
    )  # fmt: skip
    bare, read = (column(finetune(one, tmp_path / name)) for name, one in (("bare", asked), ("cached", cached)))
    np.testing.assert_allclose(read, bare, rtol=2e-2 if precision == "bf16" else 1e-4)


@pytest.fixture(scope="module")
def folder(parts, language, cloud_config, with_adapters, tmp_path_factory):
    model, processor = build_pair(language, parts.clip, cloud_config, seed=1, freeze_point_cloud_tower=False)
    with_adapters(model)
    place = tmp_path_factory.mktemp("checkpoint") / "c"
    save_model(model, processor, place)
    return place


def answers(folder, world, output, options, **given):
    output.parent.mkdir(exist_ok=True)
    predict_files(folder, [(world / "VQA_held.json", output)], options, **given)
    return [json.loads(line) for line in output.read_text().splitlines()[1:]]


def chances(found):
    return np.array([answer["probabilities"] for answer in found])


def test_answers_are_those_of_a_cpu(folder, world, tmp_path):
    options = PredictionOptions(probabilities=True, two_pass=True, max_new_tokens=8, batch_size=5)
    on_cpu, on_gpu = (answers(folder, world, tmp_path / f"{d}.jsonl", options, device=d) for d in ("cpu", "cuda"))
    assert [a["text"] for a in on_gpu] == [a["text"] for a in on_cpu]
    np.testing.assert_allclose(chances(on_gpu), chances(on_cpu), atol=1e-4)


@pytest.mark.parametrize("quantize", ["none", "8bit", "4bit"])
def test_answers_in_fewer_bits_are_those_of_a_cpu(folder, world, tmp_path, quantize):
    if quantize != "none":
        pytest.importorskip("bitsandbytes")
    options = PredictionOptions(probabilities=True, max_new_tokens=8)
    found = {
        (device, dtype): chances(
            answers(folder, world, tmp_path / device / dtype, options, device=device, dtype=dtype, quantize=quantize)
        )
        for device, dtype in (("cpu", "float32"), ("cuda", "float32"), ("cuda", "bfloat16"))
    }
    exact = found["cpu", "float32"]
    assert exact.shape == (24, 3)
    assert np.abs(found["cuda", "float32"] - exact).mean() < (1e-5 if quantize == "none" else 0.02)
    assert np.abs(found["cuda", "bfloat16"] - exact).mean() < 0.15


def test_generate_by_hand(folder, world):
    model, processor = load_model(folder)
    turns = [[{"from": "human", "value": "<image>What colour?"}], [{"from": "human", "value": "<pcl>What colour?"}]]
    inputs = processor(turns, images=[world / "0.png"], point_clouds=[world / "0.npy"])
    on_cpu = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    on_gpu = model.to("cuda").generate(**inputs.to("cuda"), max_new_tokens=8, do_sample=False)
    assert torch.equal(on_gpu.cpu(), on_cpu)


def data_url(path):
    return f"data:application/octet-stream;base64,{base64.b64encode(path.read_bytes()).decode()}"


def reply(engine, world, **options):
    shown = [
        {"type": "image_url", "image_url": {"url": data_url(world / "0.png")}},
        {"type": "file", "file": {"filename": "0.npy", "file_data": data_url(world / "0.npy")}},
        {"type": "text", "text": "What?"},
    ]
    request = read_request({"messages": [{"role": "user", "content": shown}], **options}, 8)
    return "".join(piece.text for piece in engine.answer(request))


def test_the_server_answers_as_on_a_cpu_and_draws_by_seed(folder, world):
    found = {}
    for device in ("cpu", "cuda"):
        engine = ChatEngine(*load_for_inference(folder, device=device))
        found[device] = reply(engine, world)
        drawn = [reply(engine, world, temperature=1.5, top_p=0.95, seed=seed) for seed in (1, 1, 2, 3, 4)]
        engine.close()
        assert drawn[0] == drawn[1]
        assert len(set(drawn)) > 1
    assert found["cuda"] == found["cpu"]


def test_it_chats(folder, world):
    shown = f"/image {world / '0.png'}\nWhat colour?\n/reset\n/cloud {world / '0.npy'}\nWhat colour?\n"
    chat = ["chat", "--model", str(folder), "--max-tokens", "6", "--dtype"]
    found = {}
    for device in ("cpu", "cuda"):
        ran = CliRunner().invoke(commands, [*chat, "float32", "--device", device], input=shown, catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
        assert "Error" not in ran.stderr
        found[device] = ran.stdout
    assert found["cuda"] == found["cpu"]


def test_a_tower_is_pretrained_on_the_device(world, tmp_path, monkeypatch):
    seen = set()
    forward = LammPointCloudModel.forward

    def watched(self, clouds, *args, **kwargs):
        seen.add(clouds.device.type)
        return forward(self, clouds, *args, **kwargs)

    monkeypatch.setattr(LammPointCloudModel, "forward", watched)
    questions = [
        SceneQuestion(str(world / f"{n}.npy"), "What colour?", ("red", "green", "blue")[n % 3]) for n in range(12)
    ]
    numbers = pretrain_tower(questions, tmp_path / "tower", TowerSettings(epochs=20, batch=6, learning_rate=3e-3))
    assert seen == {"cuda"}
    assert numbers["accuracy"] > 0.9
    assert LammPointCloudModel.from_pretrained(tmp_path / "tower").device.type == "cpu"
