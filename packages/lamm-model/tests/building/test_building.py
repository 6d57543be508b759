"""Parts that do not fit together are refused by name, before anything is trained or asked."""

import pytest
from transformers import LlamaForCausalLM, ViTConfig, ViTModel

from lamm_model import AdapterSettings, LammImageProcessor, add_adapters, build_pair
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapters import adapter_settings


def test_a_language_model_whose_head_does_more_is_refused(parts, monkeypatch):
    plain = LlamaForCausalLM.forward

    def shifted(self, *args, **kwargs):
        out = plain(self, *args, **kwargs)
        out.logits = out.logits.flip(-1)
        return out

    monkeypatch.setattr(LlamaForCausalLM, "forward", shifted)
    with pytest.raises(LammModelError, match=r"got llama, whose logits differ from that by .*%"):
        build_pair(parts.language, parts.clip)


def test_a_tower_that_cannot_read_its_processors_pictures_is_refused(parts, tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(**sizes, image_size=32, patch_size=16)).save_pretrained(tmp_path)
    LammImageProcessor(size=48).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"48 x 48 pixels that its processor gives, got vit"):
        build_pair(parts.language, tmp_path)


def test_names_that_fit_no_layer_are_refused_and_those_there_are_listed(parts):
    model, _ = build_pair(parts.language, parts.clip)
    with pytest.raises(UsageError, match=r"named \['c_attn'\], got q_proj, k_proj, v_proj, o_proj, gate_proj"):
        add_adapters(model, AdapterSettings(target_modules=["q_proj", "c_attn"]))
    add_adapters(model, AdapterSettings(rank=2))
    assert adapter_settings(model).target_modules == ["q_proj", "k_proj", "v_proj", "o_proj"]
