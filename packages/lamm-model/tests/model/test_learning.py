"""A tiny model learns eight pictures and eight clouds by heart and says them again, all in one batch."""

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model import AdapterSettings, add_adapters, build_pair
from lamm_model.model.adapters import trainable_parts

THINGS = ["red chair", "3 lamps", "no", "blue table", "box", "yes", "(A)", "picture"]
STEPS = 120


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Eight pictures and eight clouds, each its own."""
    root = tmp_path_factory.mktemp("shown")
    rng = np.random.default_rng(7)
    images, clouds = [], []
    for number in range(8):
        images.append(root / f"{number}.png")
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((32, 32), 0).save(images[-1])
        clouds.append(root / f"{number}.npy")
        centre, colour = rng.uniform(-1, 1, (1, 3)), rng.uniform(0, 255, (1, 3))
        cloud = np.concatenate([rng.normal(size=(80, 3)) * 0.3 + centre, np.repeat(colour, 80, axis=0)], axis=1)
        np.save(clouds[-1], cloud.astype(np.float32))
    return images, clouds


@pytest.mark.parametrize("adapters", [True, False])
def test_sixteen_dialogues_are_learnt_and_generated_in_one_mixed_batch(parts, cloud_config, shown, adapters):
    images, clouds = shown
    model, processor = build_pair(parts.language, parts.clip, cloud_config, freeze_point_cloud_tower=False)
    if adapters:
        add_adapters(model, AdapterSettings(rank=16, dropout=0.0, target_modules=["q_proj", "v_proj", "up_proj"]))
    questions = [[{"from": "human", "value": f"{mark}What is it?"}] for mark in ("<image>", "<pcl>") for _ in THINGS]
    answers = THINGS + THINGS[::-1]
    dialogues = [
        [*question, {"from": "gpt", "value": answer}] for question, answer in zip(questions, answers, strict=True)
    ]
    kinds = ["image"] * 8 + ["point_cloud"] * 8
    batch = processor.collate([processor.encode_dialogue(d, media=[k]) for d, k in zip(dialogues, kinds, strict=True)])
    batch["image_features"] = model.encode_images(processor.image_processor(images)["pixel_values"])
    batch["point_clouds"] = processor.feature_extractor(clouds)["point_clouds"]
    trained = [p for p in model.parameters() if p.requires_grad]
    allowed = ("lora_", *trainable_parts(model))
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert all(any(part in name for part in allowed) for name in names) == adapters
    optimizer = torch.optim.AdamW(trained, lr=5e-3 if adapters else 2e-3)
    model.train()
    for _ in range(STEPS):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.1
    model.eval()
    order = [
        number for both in zip(range(8), range(8, 16), strict=True) for number in both
    ]  # pictures and clouds in turn
    inputs = processor([questions[number] for number in order], images=images, point_clouds=clouds)
    ids = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    said = processor.answer_texts(ids[:, inputs["input_ids"].shape[1] :])
    assert said == [answers[number] for number in order]
