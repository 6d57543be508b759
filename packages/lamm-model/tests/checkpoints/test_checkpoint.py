"""Export, description, chat: whole models out of checkpoints, and what the commands say."""

import json
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from lamm_model import AdapterSettings, add_adapters, load_model, save_model
from lamm_model.checkpoints.checkpoint import run_device
from lamm_model.checkpoints.export import export_checkpoint, split_checkpoint
from lamm_model.cli import model as commands
from lamm_model.errors import UsageError
from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.routing import MODALITY_IDS


@pytest.fixture
def checkpoint(pair, tmp_path):
    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4), seed=3)
    torch.manual_seed(5)
    for layer in lora_layers(model):
        for low_rank in layer.lora_B.values():
            torch.nn.init.normal_(low_rank.weight, std=0.2)
    save_model(model, processor, tmp_path / "checkpoint")
    return model.eval(), processor, tmp_path / "checkpoint"


def test_merged_whole_model_equals_the_checkpoint(checkpoint, batch_of, tmp_path):
    model, processor, folder = checkpoint
    export_checkpoint(folder, tmp_path / "whole", "image")
    whole, _ = load_model(tmp_path / "whole")
    assert not lora_layers(whole)
    batch = batch_of(processor, [("image",), ("image", "image")])
    torch.testing.assert_close(whole(**batch).loss, model(**batch).loss, atol=1e-5, rtol=1e-5)


def test_language_model_alone_loads_as_a_causal_model(checkpoint, parts, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    export_checkpoint(checkpoint[2], tmp_path / "lm", "point_cloud", language_model_only=True)
    loaded, report = AutoModelForCausalLM.from_pretrained(tmp_path / "lm", output_loading_info=True)
    assert not any(report.values())
    plain = AutoModelForCausalLM.from_pretrained(parts.language)
    ids = torch.tensor([AutoTokenizer.from_pretrained(tmp_path / "lm")("a red chair").input_ids])
    assert not torch.allclose(loaded(ids).logits, plain(ids).logits, atol=1e-3)
    with torch.no_grad():
        routed = checkpoint[0](input_ids=ids, modality_ids=torch.full_like(ids, MODALITY_IDS["point_cloud"])).logits
    torch.testing.assert_close(loaded(ids).logits, routed, atol=1e-5, rtol=1e-4)


def test_export_to_vllm_says_how_to_serve_and_refuses_letterboxed_pictures(checkpoint, tmp_path):
    model, processor, folder = checkpoint
    arguments = ["export", str(folder), "--to", "vllm", "--adapter", "image", "--output"]
    result = CliRunner().invoke(commands, [*arguments, str(tmp_path / "whole")])
    assert result.exit_code == 0, result.output
    assert f"vllm serve {tmp_path / 'whole'}" in result.output
    processor.image_processor.resize = "letterbox"
    save_model(model, processor, folder)
    with pytest.raises(UsageError, match="letterboxed"):
        export_checkpoint(folder, tmp_path / "other", "image", to="vllm")
    assert not (tmp_path / "other").exists()


def test_export_refuses_a_missing_choice_and_an_existing_folder(checkpoint, tmp_path):
    with pytest.raises(UsageError, match="--adapter with one of image, point_cloud, got none"):
        export_checkpoint(checkpoint[2], tmp_path / "out")
    with pytest.raises(UsageError, match="sound"):
        export_checkpoint(checkpoint[2], tmp_path / "out", "sound")
    with pytest.raises(UsageError, match="exists"):
        export_checkpoint(checkpoint[2], tmp_path, "image")


@pytest.mark.parametrize("device", ["nix", "cuda:99", "hip:7"])
def test_a_device_that_is_not_here_is_named_in_one_line(device):
    if device.startswith("cuda") and torch.cuda.device_count() > 99:
        pytest.skip("needs a machine with fewer GPUs")
    with pytest.raises(UsageError, match=rf"torch can use here, got '{device}' \([^\n]*\)\.$"):
        run_device(device)
    assert isinstance(CliRunner().invoke(commands, ["kernels", "--device", device]).exception, UsageError)


def test_info_describes_without_loading_weights(checkpoint):
    model, _, folder = checkpoint
    (folder / "parts.safetensors").unlink()
    result = CliRunner().invoke(commands, ["info", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())
    assert facts["trainable parameters"].startswith(f"{sum(p.numel() for p in model.parameters() if p.requires_grad)} ")
    assert facts["tokens per image"] == 4
    assert facts["tokens per point cloud"] == 7  # six centres and the token of the whole


def test_memory_plan_matches_hand_arithmetic():
    from types import SimpleNamespace

    from lamm_model.model.memory_plan import largest_micro_batch, plan_training

    text = SimpleNamespace(
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, intermediate_size=11008, vocab_size=32000
    )
    plan = plan_training(text, 6_738_415_616, 33_554_432, 1024)
    assert plan.weights == 2 * 6_738_415_616
    assert plan.activations == 1024 * 32 * (8 * 4096 + 4 * 11008) * 2
    assert plan.logits == 256 * 32000 * 10
    most = largest_micro_batch(text, 6_738_415_616, 33_554_432, 24 << 30, checkpointing=False)
    assert plan_training(text, 6_738_415_616, 33_554_432, most).total <= 0.9 * (24 << 30)
    assert plan_training(text, 6_738_415_616, 33_554_432, most + 8).total > 0.9 * (24 << 30)


def test_chat_remembers_shows_and_resets(checkpoint, media):
    from lamm_model.chat.command import ChatSession, run_line

    model, processor, _ = checkpoint
    session = ChatSession(model, processor, max_new_tokens=5)
    session.show("image", media / "0.png")
    first = "".join(session.ask("What is in the picture?"))
    inputs = processor([{"from": "human", "value": "What is in the picture?"}], images=[media / "0.png"])
    tokens = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert first.strip() == processor.answer_texts(tokens[:, inputs["input_ids"].shape[1] :])[0]
    session.show("point_cloud", media / "1.npy")
    assert isinstance("".join(session.ask("And <image> here?")), str)
    assert [turn["from"] for turn in session._turns] == ["human", "gpt"] * 2
    assert run_line(session, "/reset")
    assert session._turns == []
    assert run_line(session, f"/image {media / 'no.png'}")
    assert not run_line(session, "/quit")


def test_chat_command_reads_questions_from_standard_input(checkpoint, media):
    result = CliRunner().invoke(
        commands,
        ["chat", "--model", str(checkpoint[2]), "--image", str(media / "0.png"), "--max-tokens", "3"],
        input="What is it?\n/cloud nothing.npy\n/quit\n",
    )
    assert result.exit_code == 0, result.output
    assert "nothing.npy" in result.stderr


def test_chat_shows_clouds_of_every_format_and_says_what_to_install(checkpoint, media, monkeypatch):
    cloud = np.load(media / "1.npy")
    np.savetxt(media / "1.xyz", cloud, header="x y z r g b" if cloud.shape[1] == 6 else "x y z")
    (media / "1.laz").write_bytes(b"LASF")
    monkeypatch.setitem(sys.modules, "laspy", None)
    result = CliRunner().invoke(
        commands,
        ["chat", "--model", str(checkpoint[2]), "--device", "cpu", "--max-tokens", "2"],
        input=f"/cloud {media / '1.xyz'}\n/cloud {media / '1.laz'}\n/quit\n",
    )
    assert result.exit_code == 0, result.output
    assert f"shown: {media / '1.xyz'}" in result.output
    assert "pip install 'lamm-data[las]'" in result.output


def test_help_of_every_command_is_listed_without_torch():
    import subprocess
    import sys

    code = (
        "import sys; from click.testing import CliRunner; from lamm_model.cli import model;"
        "r = CliRunner().invoke(model, ['--help']); assert r.exit_code == 0, r.output;"
        "assert 'predict' in r.output; CliRunner().invoke(model, ['predict', '--help'], catch_exceptions=False);"
        "bad = {'torch', 'numpy', 'transformers', 'PIL', 'peft'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_split_checkpoints_answer_as_the_whole_one(checkpoint, batch_of, tmp_path):
    model, processor, folder = checkpoint
    result = CliRunner().invoke(
        commands, ["export", str(folder), "--each-adapter", "--output", str(tmp_path / "parts")]
    )
    assert result.exit_code == 0, result.output
    for name in ("image", "point_cloud"):
        alone, own = load_model(tmp_path / "parts" / name)
        assert list(lora_layers(alone)[0].lora_A) == [name]
        batch = batch_of(processor, [(name,)])
        assert torch.equal(alone(**batch).loss, model(**batch).loss)
        other = "point_cloud" if name == "image" else "image"
        assert alone.model.get_submodule("language_model") is not None
        assert getattr(alone.model, f"{other}_tower") is None
        assert getattr(own, f"{other}_tokens") == 0
    with pytest.raises(UsageError, match="several adapter sets"):
        split_checkpoint(tmp_path / "parts" / "image", tmp_path / "again")


def test_answering_plan_matches_hand_arithmetic():
    from types import SimpleNamespace

    from lamm_model.model.memory_plan import plan_inference

    text = SimpleNamespace(hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8)
    assert plan_inference(text, 1000, 10) == 2 * (1000 + 10 * 2 * 32 * 8 * 128)
