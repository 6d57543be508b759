"""Tiny models with random weights, built once a session: a language model with a real tokenizer, and towers."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import tiny_parts, tiny_tokenizer
from tiny_vlms import tiny_vlm


def pytest_configure():
    torch.set_num_threads(1)
    # Without a CUDA device the Triton kernels run in Triton's interpreter; that choice is made when they are imported.
    if not torch.cuda.is_available():
        os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def write_tokenizer():
    return tiny_tokenizer


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    return tiny_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="session")
def vlm_folder(tmp_path_factory):
    """Give the folder of a tiny model that sees, by its kind."""
    root = tmp_path_factory.mktemp("vlms")
    return lambda kind: root / kind if (root / kind).is_dir() else tiny_vlm(kind, root / kind)


@pytest.fixture(scope="session")
def cloud_config():
    from lamm_model import LammPointCloudConfig

    return LammPointCloudConfig.preset(
        "tiny",
        num_points=64,
        hidden_size=32,
        intermediate_size=48,
        num_attention_heads=2,
        stages=[{"centres": 6, "radius": 1.0, "neighbours": 8, "mlp": [16, 32]}],
    )


@pytest.fixture
def pair(parts, cloud_config):
    """A fresh model and processor with image (CLIP) and point-cloud towers."""
    from lamm_model import build_pair

    return build_pair(parts.language, parts.clip, cloud_config, freeze_point_cloud_tower=False, seed=1)


@pytest.fixture(scope="session")
def with_adapters():
    """Give a model adapter sets whose B matrices are not zero, so that its answers depend on them."""
    from lamm_model import AdapterSettings, add_adapters
    from lamm_model.model.adapter_layers import lora_layers

    def give(model):
        add_adapters(model, AdapterSettings(rank=4))
        torch.manual_seed(5)
        for layer in lora_layers(model):
            for low_rank in layer.lora_B.values():
                torch.nn.init.normal_(low_rank.weight, std=0.2)

    return give


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """Folder with three pictures and three clouds."""
    root = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(root / f"{number}.png")
        cloud = np.concatenate([rng.normal(size=(100, 3)), rng.uniform(0, 255, (100, 3))], axis=1)
        np.save(root / f"{number}.npy", cloud.astype(np.float32))
    return root


@pytest.fixture(scope="session")
def write_coloured():
    """Write twelve pictures and twelve clouds of one colour each; return the colours and a record about each."""
    colours = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}

    def write(root):
        rng = np.random.default_rng(0)
        records = []
        for number in range(12):
            name = list(colours)[number % 3]
            Image.new("RGB", (40, 40), colours[name]).save(root / f"{number}.png")
            cloud = np.concatenate([rng.normal(size=(80, 3)), np.tile(colours[name], (80, 1))], axis=1)
            np.save(root / f"{number}.npy", cloud.astype(np.float32))
            for key, path in (("image", f"{number}.png"), ("pcl", f"{number}.npy")):
                turns = [{"from": "human", "value": "What colour?"}, {"from": "gpt", "value": name}]
                records.append({"id": f"{key}{number}", key: path, "task_type": "normal", "conversations": turns})
        return list(colours), records

    return write


@pytest.fixture(scope="session")
def real_data():
    """Folder of other people's files; the test is skipped where it is missing."""
    root = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"the real test files are not at {root}; set LAMM_TEST_DATA")
    return root


@pytest.fixture(scope="session")
def batch_of(media):
    """Build a padded training batch: one row per tuple of media kinds."""

    def build(processor, kinds):
        dialogue = [{"from": "human", "value": "What is in the picture?"}, {"from": "gpt", "value": "A red chair."}]
        batch = processor.collate([processor.encode_dialogue(dialogue, media=list(kind)) for kind in kinds])
        flat = [medium for kind in kinds for medium in kind]
        images = [media / f"{i % 3}.png" for i, kind in enumerate(flat) if kind == "image"]
        clouds = [media / f"{i % 3}.npy" for i, kind in enumerate(flat) if kind == "point_cloud"]
        if images:
            batch["pixel_values"] = processor.image_processor(images)["pixel_values"]
        if clouds:
            batch["point_clouds"] = processor.feature_extractor(clouds)["point_clouds"]
        return batch

    return build
