"""Export, released weights, description: whole models out of checkpoints, nothing run from a pickle."""

import json
import pickle

import pytest
import torch
from click.testing import CliRunner

from lamm_model import AdapterSettings, add_adapters, build_pair, load_model, save_model
from lamm_model.adapters import adapter_state, lora_layers
from lamm_model.checkpoints.export import export_checkpoint
from lamm_model.checkpoints.released import convert_delta, read_tensors_safely
from lamm_model.cli import model as commands
from lamm_model.errors import LammModelError, UsageError


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


def test_export_refuses_a_missing_choice_and_an_existing_folder(checkpoint, tmp_path):
    with pytest.raises(UsageError, match="--adapter, one of image, point_cloud"):
        export_checkpoint(checkpoint[2], tmp_path / "out")
    with pytest.raises(UsageError, match="sound"):
        export_checkpoint(checkpoint[2], tmp_path / "out", "sound")
    with pytest.raises(UsageError, match="exists"):
        export_checkpoint(checkpoint[2], tmp_path, "image")


def released(model, name="image"):
    """The model's weights under the names of LAMM's released files, in half precision."""
    prefix = "llama_model.base_model.model.model."
    state = {
        prefix + key.replace(".weight", ".default.weight"): value.half()
        for key, value in adapter_state(model, name).items()
    }
    projector = model.model.image_projector.linear
    state |= {"llama_proj.weight": projector.weight.half(), "llama_proj.bias": projector.bias.half()}
    return {key: value.detach().clone() for key, value in state.items()}


def test_released_delta_is_converted_with_every_key(checkpoint, parts, tmp_path):
    state = released(checkpoint[0])
    torch.save(state, tmp_path / "pytorch_model.pt")
    counts = convert_delta(tmp_path / "pytorch_model.pt", tmp_path / "c", str(parts.language), str(parts.clip))
    assert counts == {"adapter": 16, "projector": 2}
    model, processor = load_model(tmp_path / "c")
    assert processor.prompt_format == "lamm"
    mine = adapter_state(model, "image")
    for key, value in adapter_state(checkpoint[0], "image").items():
        assert torch.equal(mine[key], value.half().float())
    assert torch.equal(model.model.image_projector.linear.bias, state["llama_proj.bias"].float())


def test_delta_with_strange_or_missing_keys_is_refused(checkpoint, parts, tmp_path):
    state = released(checkpoint[0])
    bad = {**state, "opt_proj.weight": torch.zeros(1)}
    torch.save(bad, tmp_path / "bad.pt")
    with pytest.raises(LammModelError, match=r"unknown keys \['opt_proj.weight'\]"):
        convert_delta(tmp_path / "bad.pt", tmp_path / "c", str(parts.language), str(parts.clip))
    gone = next(key for key in state if "layers.1" in key)
    torch.save({key: value for key, value in state.items() if key != gone}, tmp_path / "gone.pt")
    with pytest.raises(LammModelError, match=r"missing keys \['layers.1"):
        convert_delta(tmp_path / "gone.pt", tmp_path / "c", str(parts.language), str(parts.clip))


def test_hostile_pickle_is_never_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"llama_proj.weight": Hostile()}, tmp_path / "hostile.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Hostile()))
    (tmp_path / "torn.pt").write_bytes(b"PK\x03\x04torn")
    for name in ("hostile", "raw", "torn", "missing"):
        with pytest.raises(LammModelError, match=f"{name}.pt"):
            read_tensors_safely(tmp_path / f"{name}.pt")
    assert not (tmp_path / "ran").exists()


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

    from lamm_model.memory_plan import largest_micro_batch, plan_training

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
    from lamm_model.chat import ChatSession, run_line

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
        ["chat", "--model", str(checkpoint[2]), "--image", str(media / "0.png"), "--max-new-tokens", "3"],
        input="What is it?\n/cloud nothing.npy\n/quit\n",
    )
    assert result.exit_code == 0, result.output
    assert "nothing.npy" in result.stderr


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


def test_overfits_mixed_dialogues_and_reproduces_them(parts, cloud_config, media):
    from lamm_model.prediction.decoding import PromptRow, answer_rows

    model, processor = build_pair(parts.language, parts.clip, cloud_config, freeze_point_cloud_tower=False)
    add_adapters(model, AdapterSettings(rank=16, dropout=0.0, target_modules=["q_proj", "v_proj", "up_proj"]))
    answers = ["red chair", "3", "no", "blue table", "lamps", "yes"]
    kinds = ["image"] * 3 + ["point_cloud"] * 3
    dialogues = [[{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": answer}] for answer in answers]
    batch = processor.collate([processor.encode_dialogue(d, media=[k]) for d, k in zip(dialogues, kinds, strict=True)])
    images = model.encode_images(processor.image_processor([media / f"{i}.png" for i in range(3)])["pixel_values"])
    clouds = processor.feature_extractor([media / f"{i}.npy" for i in range(3)])["point_clouds"]
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3)
    model.train()
    for _ in range(80):
        loss = model(**batch, image_features=images, point_clouds=clouds).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    features = [*images, *model.encode_point_clouds(clouds).detach()]
    rows = []
    for kind, feature in zip(kinds, features, strict=True):
        row = processor.encode_dialogue([dialogues[0][0]], media=[kind], for_generation=True)
        rows.append(PromptRow(row["input_ids"], row["modality_ids"], media=[(kind, feature)], max_new_tokens=12))
    found = answer_rows(model, rows, pad=processor.pad_token_id, end_ids=processor.end_token_ids)
    assert [processor.answer_text(ids) for ids in found] == answers
