"""One adapter set per modality, routed token by token, in training, generation and files."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lamm_model import AdapterSettings, add_adapters, build_pair, load_model, save_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.adapters import adapter_state, merged_adapters

MIXED = [("image",), ("point_cloud",), (), ("image", "point_cloud", "image")]


@pytest.fixture
def adapted(pair):
    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4, dropout=0.0), seed=3)
    torch.manual_seed(5)
    for layer in lora_layers(model):
        for low_rank in layer.lora_B.values():
            torch.nn.init.normal_(low_rank.weight, std=0.2)
    return model.eval(), processor


def test_rows_use_their_own_set_only(adapted, media, batch_of):
    model, processor = adapted
    batch = batch_of(processor, MIXED[:3])
    del batch["labels"]
    before = model(**batch).logits
    with torch.no_grad():
        for layer in lora_layers(model):
            layer.lora_B["image"].weight.mul_(3.0)
    after = model(**batch).logits
    assert not torch.allclose(before[0], after[0], atol=1e-3)
    assert torch.equal(before[1], after[1])
    assert torch.equal(before[2], after[2])


def test_two_modality_batch_equals_separate_batches(adapted, media, batch_of):
    model, processor = adapted
    batch = batch_of(processor, [("image",), ("point_cloud",)])
    del batch["labels"]
    together = model(**batch).logits
    for number, key in enumerate(("pixel_values", "point_clouds")):
        row = {name: value[number : number + 1] for name, value in batch.items() if value.ndim == 2}
        alone = model(**row, **{key: batch[key]}).logits
        length = int(batch["attention_mask"][number].sum())
        torch.testing.assert_close(alone[0, :length], together[number, :length], atol=2e-5, rtol=1e-4)


def test_modality_ids_are_inferred_as_the_processor_writes_them(adapted, media, batch_of):
    model, processor = adapted
    batch = batch_of(processor, MIXED[:3])
    explicit = model(**batch).loss
    del batch["modality_ids"]
    assert torch.equal(model(**batch).loss, explicit)


def test_only_the_row_sets_get_gradients(adapted, media, batch_of):
    model, processor = adapted
    model.train()
    model(**batch_of(processor, [("image",)])).loss.backward()
    layer = lora_layers(model)[0]
    assert layer.lora_B["image"].weight.grad.abs().sum() > 0
    grad = layer.lora_B["point_cloud"].weight.grad
    assert grad is None or grad.abs().sum() == 0
    assert all(p.grad is None for n, p in model.model.language_model.named_parameters() if "lora_" not in n)


def test_gradient_checkpointing_keeps_the_routing(adapted, media, batch_of):
    model, processor = adapted
    batch = batch_of(processor, MIXED[:3])
    grads = []
    for checkpointing in (False, True):
        model.zero_grad()
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model(**batch, use_cache=False).loss.backward()
        grads.append([low.weight.grad.clone() for layer in lora_layers(model) for low in layer.lora_B.values()])
    assert sum(g.abs().sum() for g in grads[0]) > 0
    for plain, recomputed in zip(*grads, strict=True):
        torch.testing.assert_close(plain, recomputed, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("modality", ["image", "point_cloud"])
def test_merged_and_single_set_passes_equal_routed(adapted, media, modality, batch_of):
    model, processor = adapted
    batch = batch_of(processor, [(modality,)])
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    routed = model(**batch).loss
    layers = lora_layers(model)
    active = [layer._active_adapter for layer in layers]
    for layer in layers:
        layer._active_adapter = [modality]
    assert torch.equal(model(**batch).loss, routed)
    for layer, names in zip(layers, active, strict=True):
        layer._active_adapter = names
    with merged_adapters(model, modality):
        torch.testing.assert_close(model(**batch).loss, routed, atol=1e-5, rtol=1e-5)
    assert torch.equal(model(**batch).loss, routed)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_generation_keeps_each_rows_set(adapted, media):
    model, processor = adapted
    dialogues = [[{"from": "human", "value": f"{mark}How many lamps are there?"}] for mark in ("<image>", "<pcl>", "")]
    inputs = processor(dialogues, images=[media / "0.png"], point_clouds=[media / "1.npy"])
    together = model.generate(**inputs, max_new_tokens=8, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    media_of = [{"images": [media / "0.png"]}, {"point_clouds": [media / "1.npy"]}, {}]
    for number, dialogue in enumerate(dialogues):
        single = processor(dialogue, **media_of[number])
        alone = model.generate(**single, max_new_tokens=8, do_sample=False)[0, single["input_ids"].shape[1] :]
        assert alone.tolist() == together[number][: len(alone)].tolist()


def test_checkpoint_round_trip_is_bit_exact(adapted, media, tmp_path, batch_of):
    model, processor = adapted
    batch = batch_of(processor, MIXED)
    save_model(model, processor, tmp_path / "c")
    save_model(model, processor, tmp_path / "c")  # replaces the first
    loaded, again = load_model(tmp_path / "c")
    assert torch.equal(loaded(**batch).loss, model(**batch).loss)
    assert again.prompt_format == processor.prompt_format
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_missing_and_extra_keys_fail_with_their_names(adapted, tmp_path):
    model, processor = adapted
    save_model(model, processor, tmp_path / "c")
    path = tmp_path / "c" / "adapters" / "image" / "adapter_model.safetensors"
    state = load_file(path)
    gone = sorted(state)[0]
    state["layers.9.extra.weight"] = state.pop(gone)
    save_file(state, path)
    with pytest.raises(LammModelError, match=r"adapter_model\.safetensors is not what was written"):
        load_model(tmp_path / "c")
    (tmp_path / "c" / "checksums.json").unlink()
    with pytest.raises(LammModelError, match=r"missing keys \['layers.0.*extra keys \['layers.9.extra.weight'\]"):
        load_model(tmp_path / "c")


def test_adapter_for_another_base_model_is_refused(adapted, parts, tmp_path):
    from transformers import LlamaForCausalLM

    model, processor = adapted
    save_model(model, processor, tmp_path / "c")
    other = LlamaForCausalLM.from_pretrained(parts.language)
    with torch.no_grad():
        other.model.layers[1].mlp.up_proj.weight.add_(0.5)
    other.save_pretrained(tmp_path / "other")
    base = {"language_model": str(tmp_path / "other"), "image_tower": str(parts.clip)}
    with pytest.raises(LammModelError, match="got other weights"):
        load_model(tmp_path / "c", base=base)


def test_torn_weights_are_refused(adapted, tmp_path):
    model, processor = adapted
    save_model(model, processor, tmp_path / "c")
    path = tmp_path / "c" / "parts.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LammModelError, match=r"parts\.safetensors is not what was written"):
        load_model(tmp_path / "c")
    (tmp_path / "c" / "checksums.json").unlink()
    with pytest.raises(LammModelError, match="Expected safetensors weights"):
        load_model(tmp_path / "c")


def test_shared_set_serves_every_row(pair, media, batch_of):
    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4, modalities=["shared"]))
    model.train()
    model(**batch_of(processor, MIXED[:3])).loss.backward()
    assert lora_layers(model)[0].lora_B["shared"].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("modalities", [[], ["sound"], ["shared", "image"]])
def test_wrong_sets_are_refused(modalities):
    with pytest.raises(UsageError, match=r"modalities|shared"):
        AdapterSettings(modalities=modalities)


def test_adapting_twice_or_nothing_is_refused(adapted, parts):
    with pytest.raises(UsageError, match="without adapters"):
        add_adapters(adapted[0])
    fresh, _ = build_pair(parts.language)
    with pytest.raises(UsageError, match="no_such_layer"):
        add_adapters(fresh, AdapterSettings(target_modules=["no_such_layer"]))


def test_sets_load_in_peft(adapted, parts, tmp_path):
    from peft import PeftModel

    model, processor = adapted
    save_model(model, processor, tmp_path / "c")
    plain, _ = build_pair(parts.language, parts.clip)
    wrapped = PeftModel.from_pretrained(plain, tmp_path / "c" / "adapters" / "image")
    theirs = {k: v for k, v in wrapped.state_dict().items() if "lora_B" in k}
    mine = adapter_state(model, "image")
    assert len(theirs) == len(mine) // 2
    for key, value in theirs.items():
        short = key.split("language_model.", 1)[1].replace(".default", "")
        assert torch.equal(value, mine[short])
    assert json.loads((tmp_path / "c" / "lamm.json").read_text())["adapters"]["rank"] == 4
