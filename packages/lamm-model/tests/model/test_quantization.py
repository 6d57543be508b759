"""The language model in 4 and 8 bits: bitsandbytes runs on a CPU too."""

import importlib.util

import pytest
import torch

from lamm_model import AdapterSettings, add_adapters, build_pair, load_model, save_model
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.quantization import is_quantised, quantization_config


@pytest.fixture
def needs_bitsandbytes():
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed (extra: quantize)")


def moved(batch, model):
    """Put a batch where a quantised model is: on a GPU, where there is one."""
    return {name: value.to(model.device) for name, value in batch.items()}


@pytest.mark.parametrize("kind", ["4bit", "8bit"])
def test_quantised_checkpoint_answers_nearly_as_the_whole_one(needs_bitsandbytes, pair, batch_of, tmp_path, kind):
    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4, dropout=0.0), seed=3)
    torch.manual_seed(5)
    for layer in lora_layers(model):
        for low_rank in layer.lora_B.values():
            torch.nn.init.normal_(low_rank.weight, std=0.2)
    save_model(model, processor, tmp_path / "c")
    small, _ = load_model(tmp_path / "c", quantize=kind)
    assert is_quantised(small.model.language_model)
    assert not is_quantised(small.model.image_tower)
    assert type(small.model.image_projector.linear) is torch.nn.Linear
    assert all("bnb" in type(layer).__module__ for layer in lora_layers(small))
    batch = batch_of(processor, [("image",), ("point_cloud",), ()])
    assert {p.device.type for p in small.parameters()} == {"cuda" if torch.cuda.is_available() else "cpu"}
    exact, rounded = model.eval()(**batch).loss.item(), small(**moved(batch, small)).loss.item()
    assert 0 < abs(rounded - exact) < 0.3 * exact


def test_quantised_base_is_trained_and_saved(needs_bitsandbytes, parts, batch_of, tmp_path):
    model, processor = build_pair(parts.language, parts.clip, quantize="4bit")
    add_adapters(model, AdapterSettings(rank=4, dropout=0.0, modalities=["image"]))
    model.train()
    batch = moved(batch_of(processor, [("image",)]), model)
    model(**batch).loss.backward()
    gradients = [layer.lora_B["image"].weight.grad for layer in lora_layers(model)]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    assert model.model.image_projector.linear.weight.grad.abs().sum() > 0
    save_model(model, processor, tmp_path / "c")
    again, _ = load_model(tmp_path / "c", quantize="4bit")
    torch.testing.assert_close(again(**batch).loss, model.eval()(**batch).loss)
    whole, _ = load_model(tmp_path / "c")
    assert not is_quantised(whole)


def test_another_base_is_still_refused(needs_bitsandbytes, pair, parts, tmp_path):
    from transformers import LlamaForCausalLM

    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4))
    save_model(model, processor, tmp_path / "c")
    other = LlamaForCausalLM.from_pretrained(parts.language)
    with torch.no_grad():
        other.model.norm.weight.add_(0.5)
    other.save_pretrained(tmp_path / "other")
    base = {"language_model": str(tmp_path / "other"), "image_tower": str(parts.clip)}
    with pytest.raises(LammModelError, match="got other weights"):
        load_model(tmp_path / "c", base=base, quantize="4bit")


def test_settings_follow_the_papers():
    assert quantization_config("none", torch.float32) is None
    with pytest.raises(UsageError, match="none, 8bit, 4bit"):
        quantization_config("3bit", torch.float32)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LammModelError, match=r"lamm-model\[quantize\]"):
        quantization_config("4bit", torch.float32)
