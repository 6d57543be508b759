"""What is saved is what is loaded, through transformers' own classes, by people who only imported this package."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from lamm_model import AdapterSettings, LammForConditionalGeneration, add_adapters, build_pair, load_model, save_model
from lamm_model.errors import UsageError
from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.adapters import adapter_settings, merged_adapters

MIXED = [("image",), ("point_cloud",), (), ("image", "point_cloud", "image")]


def logits(model, batch):
    batch = {name: value for name, value in batch.items() if name != "labels"}
    double = model.dtype == torch.float64
    return model(**{k: v.double() if double and v.is_floating_point() else v for k, v in batch.items()}).logits


def types(model):
    return {name: parameter.dtype for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("shard", ["50GB", "20KB"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_adapters_are_loaded_where_they_were(pair, with_adapters, batch_of, tmp_path, dtype, shard):
    model, processor = pair
    with_adapters(model)
    model.to(dtype).eval()
    model.save_pretrained(tmp_path / "m", max_shard_size=shard)
    assert (len(list((tmp_path / "m").glob("*.safetensors"))) > 1) == (shard == "20KB")
    loaded, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "m", output_loading_info=True)
    assert not any(report.values())
    assert type(loaded) is LammForConditionalGeneration
    assert adapter_settings(loaded) == adapter_settings(model)
    assert types(loaded) == types(model)
    assert loaded.lm_head.weight is loaded.get_input_embeddings().weight
    batch = batch_of(processor, MIXED)
    loaded.to(dtype)  # as `model.to` did: of the rotations' frequencies too, which no file holds
    assert torch.equal(logits(loaded, batch), logits(model, batch))
    body = AutoModel.from_pretrained(tmp_path / "m")
    assert torch.equal(next(body.parameters()), next(model.model.parameters()))
    with merged_adapters(loaded, "image"), merged_adapters(model, "image"):
        assert torch.equal(logits(loaded, batch), logits(model, batch))


def test_parts_keep_types_of_their_own(parts, cloud_config, with_adapters, batch_of, tmp_path):
    model, processor = build_pair(parts.language, parts.clip, cloud_config, dtype=torch.bfloat16)
    with_adapters(model)
    model.eval().save_pretrained(tmp_path)
    assert len(set(types(model).values())) == 2
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert types(loaded) == types(model)
    batch = batch_of(processor, MIXED)
    assert torch.equal(logits(loaded, batch), logits(model, batch))
    wide = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float64)
    assert set(types(wide).values()) == {torch.float64}


def test_run_folders_open_through_auto_classes(pair, with_adapters, batch_of, tmp_path):
    model, processor = pair
    with_adapters(model)
    save_model(model.eval(), processor, tmp_path / "run" / "model")
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "run" / "model", device_map="cpu")
    batch = batch_of(processor, MIXED)
    assert torch.equal(logits(loaded, batch), logits(model, batch))
    assert type(AutoProcessor.from_pretrained(tmp_path / "run" / "model")) is type(processor)
    assert AutoConfig.from_pretrained(tmp_path / "run" / "model").model_type == "lamm"
    assert type(AutoModel.from_pretrained(tmp_path / "run" / "model")) is type(model.model)
    for options in ({"device_map": {"model": 0, "lm_head": 1}}, {"quantization_config": {"load_in_4bit": True}}):
        with pytest.raises(UsageError, match="save_pretrained"):
            AutoModelForImageTextToText.from_pretrained(tmp_path / "run" / "model", **options)


def test_whole_models_are_spread_over_devices(pair, with_adapters, batch_of, tmp_path):
    model, processor = pair
    with_adapters(model)
    model.eval().save_pretrained(tmp_path)
    spread = AutoModelForImageTextToText.from_pretrained(tmp_path, device_map="auto")
    batch = {name: value.to(spread.device) for name, value in batch_of(processor, MIXED).items()}
    torch.testing.assert_close(logits(spread, batch).cpu(), logits(model, batch_of(processor, MIXED)))


def test_whole_models_with_adapters_are_loaded_split_and_saved_again(pair, with_adapters, batch_of, tmp_path):
    model, processor = pair
    with_adapters(model)
    model.eval().save_pretrained(tmp_path / "whole")
    processor.save_pretrained(tmp_path / "whole")
    loaded, _ = load_model(tmp_path / "whole")
    batch = batch_of(processor, MIXED)
    assert torch.equal(logits(loaded, batch), logits(model, batch))
    with pytest.raises(UsageError, match="without adapters"):
        add_adapters(loaded)


def test_new_models_with_adapters_begin_as_without(pair):
    model, _ = pair
    add_adapters(model, AdapterSettings(rank=4))
    fresh = LammForConditionalGeneration(model.config)
    assert len(lora_layers(fresh)) == len(lora_layers(model)) > 0
    assert not any(low.weight.any() for layer in lora_layers(fresh) for low in layer.lora_B.values())


def test_merging_undoes_what_it_did_and_nothing_else(pair, with_adapters, batch_of):
    model, processor = pair
    with_adapters(model)
    batch = batch_of(processor, [("image",)])
    before = logits(model.eval(), batch)
    with merged_adapters(model, "image"):
        inside = logits(model, batch)
        with pytest.raises(UsageError, match="got merged or disabled ones"), merged_adapters(model, "image"):
            pass
        assert torch.equal(logits(model, batch), inside)
    assert torch.equal(logits(model, batch), before)


def test_building_leaves_the_random_state_of_every_device(parts, cloud_config, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    model, _ = build_pair(parts.language, parts.clip, cloud_config)
    before = torch.get_rng_state()
    add_adapters(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert not seeded


def test_the_folder_says_which_package_it_needs(pair, tmp_path):
    model, processor = pair
    model.save_pretrained(tmp_path / "m")
    processor.save_pretrained(tmp_path / "m")
    hint = (tmp_path / "m" / "import_lamm_model.py").read_text()
    settings = json.loads((tmp_path / "m" / "config.json").read_text())
    assert settings["auto_map"]["AutoModelForImageTextToText"] == "import_lamm_model.LammForConditionalGeneration"
    assert {line.split()[0] for line in hint.splitlines()} == {"#", "from"}
    assert "pip install lamm-model" in hint
    names = {}
    exec(hint, names)
    assert {value.split(".")[1] for value in settings["auto_map"].values()} <= names.keys()
    opened = "from transformers import AutoModelForImageTextToText as A; import lamm_model; A.from_pretrained({!r})"
    forgot = "from transformers import AutoConfig as A; A.from_pretrained({!r})"
    forgot_again = "from transformers import AutoProcessor as A; A.from_pretrained({!r})"
    trusted = (
        "from transformers import AutoModelForImageTextToText as A, AutoProcessor as P; folder = {!r};"
        "kinds = [type(c.from_pretrained(folder, trust_remote_code=True)) for c in (A, P)];"
        "import lamm_model; assert kinds == [lamm_model.LammForConditionalGeneration, lamm_model.LammProcessor], kinds"
    )
    folder = str(tmp_path / "m")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code.format(folder)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")},
        )
        for code in (opened, trusted, forgot, forgot_again)
    ]  # fmt: skip
    opened, trusted, *forgotten = ((run.communicate()[1].decode(), run.returncode) for run in runs)
    assert opened[1] == 0, opened[0]
    assert trusted[1] == 0, trusted[0]
    for message, code in forgotten:
        assert code == 1
        assert "trust_remote_code=True" in message


def test_importing_the_package_stays_cheap():
    code = "import sys, lamm_model; print(sorted({'torch', 'transformers', 'numpy', 'peft'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_saved_weights_are_named_plainly(pair, tmp_path):
    model, _ = pair
    model.save_pretrained(tmp_path)
    assert not any("base_layer" in name or "lora" in name for name in load_file(tmp_path / "model.safetensors"))
