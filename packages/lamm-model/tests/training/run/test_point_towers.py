"""Each point-cloud tower in a model that is trained, saved, loaded and asked."""

import json

import pytest
import torch

from lamm_model import LammForConditionalGeneration
from lamm_model.checkpoints.checkpoint import load_model
from lamm_model.errors import UsageError
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.queries import PredictionOptions
from lamm_model.towers.configuration_point_cloud import cloud_preset, cloud_tower
from lamm_model.training.run.cache_features import cache_features
from lamm_model.training.run.finetune import finetune
from lamm_model.training.settings.settings import settings_from_tables

QUESTION = "What colour?"
TOWERS = {
    "ptv3": ("tiny-ptv3", {"grid_size": 0.5, "enc_channels": [16, 32, 32], "enc_num_head": [2, 2, 2], "num_tokens": 8}),
    "sonata": (
        "sonata",
        {"stride": [2], "enc_depths": [1, 1], "enc_channels": [16, 32], "enc_num_head": [1, 2], "grid_size": 0.5,
         "use_normal": False, "num_points": 128, "num_tokens": 8, "budget": "resampler", "positions": "fourier"},
    ),
    "utonia": (
        "utonia",
        {"stride": [2], "enc_depths": [1, 1], "enc_channels": [18, 36], "enc_num_head": [1, 2], "grid_size": 0.2,
         "num_points": 128, "num_tokens": 8, "budget": "pool", "upcast_levels": 1},
    ),
    "point-bert": (
        "point-bert",
        {"num_points": 64, "groups": 7, "group_size": 8, "group_width": 32, "hidden_size": 32,
         "num_hidden_layers": 1, "num_attention_heads": 2},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory, write_coloured):
    root = tmp_path_factory.mktemp("world")
    _, records = write_coloured(root)
    clouds = [record for record in records if "pcl" in record]
    (root / "clouds.jsonl").write_text("\n".join(json.dumps(record) for record in clouds), encoding="utf-8")
    asked = [{"id": record["id"], "pcl": record["pcl"], "query": QUESTION} for record in clouds]
    (root / "VQA_clouds.json").write_text(json.dumps(asked), encoding="utf-8")
    return root, {record["id"]: record["conversations"][1]["value"] for record in clouds}


def settings_of(root, parts, tower, learns=True, **data):
    tables = {
        "model": {
            "language_model": str(parts.language), "point_cloud_tower": str(tower), "prompt_format": "chat",
            "system_message": False, "train_point_cloud_tower": learns,
        },
        "adapters": {"rank": 8, "dropout": 0.0},
        "data": {"records": [str(root / "clouds.jsonl")], "row_tokens": 256, "packing": "mixed", **data},
        "training": {
            "max_steps": 60, "batch_rows": 4, "accumulation": 1, "precision": "fp32", "save_every": 100,
            "learning_rate": 5e-3, "warmup": 0.0, "schedule": "constant",
        },
    }  # fmt: skip
    return settings_from_tables(tables, "test")


@pytest.mark.parametrize("name", list(TOWERS))
def test_a_model_with_it_learns_is_saved_and_answers(world, parts, tmp_path, name):
    root, colours = world
    preset, changes = TOWERS[name]
    torch.manual_seed(0)
    cloud_tower(cloud_preset(preset, **changes)).save_pretrained(tmp_path / "tower")
    settings = settings_of(root, parts, tmp_path / "tower", learns=name != "point-bert")
    if name == "point-bert":  # frozen, and its features computed once
        settings = settings_of(root, parts, tmp_path / "tower", False, feature_cache=str(tmp_path / "cache"))
        (tmp_path / "cache").mkdir()
        assert cache_features(settings, tmp_path / "cache")["computed"] == 12
    finetune(settings, tmp_path / "run")
    model, _ = load_model(tmp_path / "run" / "model")
    assert model.config.point_cloud_config.model_type == cloud_preset(preset).model_type
    pair = (root / "VQA_clouds.json", tmp_path / "answers.jsonl")
    predict_files(tmp_path / "run" / "model", [pair], PredictionOptions(max_new_tokens=4, batch_size=5))
    lines = [json.loads(line) for line in pair[1].read_text(encoding="utf-8").splitlines()[1:]]
    answers = {line["id"]: line["text"] for line in lines}
    right = sum(answers[key] == colour for key, colour in colours.items())
    assert right >= 8, answers  # of 12; a third is right by chance


def test_low_rank_additions_to_a_tower_learn_alone(world, parts, tmp_path):
    root, _ = world
    preset, changes = TOWERS["utonia"]
    torch.manual_seed(0)
    own = cloud_tower(cloud_preset(preset, **changes))
    own.save_pretrained(tmp_path / "tower")
    asked = settings_of(root, parts, tmp_path / "tower", learns=False).to_tables()
    asked["model"]["point_cloud_tower_rank"] = 2
    asked["training"]["max_steps"] = 3
    finetune(settings_from_tables(asked, "test"), tmp_path / "run")
    model, _ = load_model(tmp_path / "run" / "model")
    state = model.model.point_cloud_tower.state_dict()
    for key, value in own.state_dict().items():
        name, leaf = key.rsplit(".", 1)
        assert torch.equal(state.get(f"{name}.base_layer.{leaf}", state.get(key)), value), key
    additions = {key: value for key, value in state.items() if "lora_B" in key}
    assert len(additions) == 4  # queries, keys and values, and the projection, of two blocks
    assert all(bool(value.any()) for value in additions.values())
    model.save_pretrained(tmp_path / "whole")
    whole = LammForConditionalGeneration.from_pretrained(tmp_path / "whole").model.point_cloud_tower.state_dict()
    assert all(torch.equal(whole[key], value) for key, value in state.items())
    asked["model"]["train_point_cloud_tower"] = True
    with pytest.raises(UsageError, match="point_cloud_tower_rank"):
        settings_from_tables(asked, "test")
