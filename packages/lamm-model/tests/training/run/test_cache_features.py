"""Cached features of frozen towers give the losses that the towers give, and are refused where they would not."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from lamm_model.errors import UsageError
from lamm_model.training.rows.feature_cache import open_cache
from lamm_model.training.run.cache_features import cache_features
from lamm_model.training.run.command import cache_features as command
from lamm_model.training.run.finetune import finetune
from lamm_model.training.settings.settings import settings_from_tables


@pytest.fixture
def world(tmp_path):
    rng = np.random.default_rng(0)
    records = []
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        cloud = np.concatenate([rng.normal(size=(2000, 3)), rng.uniform(0, 255, (2000, 3))], axis=1)
        np.save(tmp_path / f"{number}.npy", cloud.astype(np.float32))
        for key, path in (("image", f"{number}.png"), ("pcl", f"{number}.npy")):
            turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A red lamp."}]
            records.append({"id": f"{key}{number}", key: path, "task_type": "normal", "conversations": turns})
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    return tmp_path


def tables(parts, world, model=(), **data):
    return {
        "model": {"language_model": str(parts.language), "image_tower": str(parts.lite), "point_cloud_tower": "tiny",
                  "prompt_format": "chat", "system_message": False, **dict(model)},
        "adapters": {"rank": 4, "dropout": 0.0},
        "data": {"records": [str(world / "records.jsonl")], "row_tokens": 256, **data},
        "training": {"max_steps": 6, "batch_rows": 4, "accumulation": 1, "precision": "fp32", "log_every": 1},
    }  # fmt: skip


def losses(record):
    return [entry["loss"] for entry in record["log"] if "loss" in entry]


@pytest.mark.parametrize("variants", [1, 3])
def test_losses_are_equal_with_and_without(parts, world, variants):
    asked = tables(parts, world, cloud_variants=variants)
    done = cache_features(settings_from_tables(asked, "test"), world / "cache")
    assert (done["media"], done["computed"]) == (8, 4 + 4 * variants)
    assert cache_features(settings_from_tables(asked, "test"), world / "cache")["computed"] == 0
    bare = finetune(settings_from_tables(asked, "test"), world / "bare")
    asked["data"]["feature_cache"] = str(world / "cache")
    cached = finetune(settings_from_tables(asked, "test"), world / "cached")
    np.testing.assert_allclose(losses(cached), losses(bare), rtol=1e-5)


def test_each_epoch_sees_another_sampling(parts, world):
    cache_features(settings_from_tables(tables(parts, world, cloud_variants=2), "test"), world / "cache")
    cache = open_cache(world / "cache")
    first, second, third = (cache.read("point_cloud", [str(world / "0.npy")], [n]) for n in range(3))
    assert not torch.equal(first, second)
    assert torch.equal(first, third)


def test_what_does_not_fit_is_refused_by_name(parts, world):
    asked = tables(parts, world)
    cache_features(settings_from_tables(asked, "test"), world / "cache")
    cached = tables(parts, world, feature_cache=str(world / "cache"))
    trained = tables(parts, world, {"train_point_cloud_tower": True}, feature_cache=str(world / "cache"))
    more = tables(parts, world, cloud_variants=2, feature_cache=str(world / "cache"))
    half = {**cached, "training": {**cached["training"], "precision": "bf16"}}
    other = {**cached, "training": {**cached["training"], "seed": 5}}  # another random tower
    for wrong, said in (
        (trained, "point_cloud tower trained"),
        (more, "Expected 2 samplings of each cloud"),
        (half, "another precision"),
        (other, "another tower"),
    ):
        with pytest.raises(UsageError, match=said):
            finetune(settings_from_tables(wrong, "test"), world / said.replace(" ", "-"))
    with pytest.raises(UsageError, match="another precision"):
        cache_features(settings_from_tables(half, "test"), world / "cache")
    Image.new("RGB", (30, 40)).save(world / "1.png")
    with pytest.raises(UsageError, match=r"found 1 without, among them:\n.*1\.png"):
        finetune(settings_from_tables(cached, "test"), world / "changed")
    (world / "cache" / "image-00000.safetensors").write_bytes(b"torn")
    with pytest.raises(UsageError, match="Delete it and make it anew"):
        finetune(settings_from_tables(cached, "test"), world / "torn")


@pytest.mark.parametrize(
    ("manifest", "files"),
    [
        ({"signatures": []}, {}),
        ({"signatures": {"image": 1}}, {}),
        ({"variants": None}, {}),
        ({"variants": 1e999}, {}),
        ({}, []),
        ({}, {"a.png": 1}),
        ({}, {"a.png": [1, 2]}),
        ({}, {"a.png": ["x", 2, "k"]}),
    ],
)
def test_caches_of_another_shape_are_refused(tmp_path, manifest, files):
    about = {"format": "lamm-features", "version": 1, "variants": 1, "signatures": {"image": {}}}
    (tmp_path / "cache.json").write_text(json.dumps(about))
    (tmp_path / "files.json").write_text(json.dumps({"a.png": [1, 2, "k"]}))
    assert open_cache(tmp_path).files == {"a.png": (1, 2, "k")}
    (tmp_path / "cache.json").write_text(json.dumps(about | manifest))
    (tmp_path / "files.json").write_text(json.dumps(files))
    with pytest.raises(UsageError, match="make it anew"):
        open_cache(tmp_path)


def test_the_command_says_what_it_did(parts, world):
    config = world / "c.toml"
    lines = [
        f"[{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        for table, values in tables(parts, world).items()
    ]
    config.write_text("".join(lines))
    result = CliRunner().invoke(command, [str(config), "--output", str(world / "cache")], catch_exceptions=False)
    assert "8 of 8 features computed; 8 media" in result.output
