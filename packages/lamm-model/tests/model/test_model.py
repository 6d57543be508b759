"""The model as transformers people expect it: loss, towers, media and placeholders, saving and loading."""

import pytest
import torch

from lamm_model import LammForConditionalGeneration, LammProcessor, build_pair
from lamm_model.errors import LammModelError, UsageError

QUESTION = {"from": "human", "value": "What is in the picture?"}
ANSWER = {"from": "gpt", "value": "A red chair."}


MIXED = [("image",), ("point_cloud",), (), ("image", "point_cloud", "image")]


def test_loss_equals_the_masked_loss_over_all_rows(pair, media, batch_of):
    model, processor = pair
    batch = batch_of(processor, MIXED)
    labels = batch.pop("labels")
    logits = model(**batch).logits
    expected = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    torch.testing.assert_close(model(**batch, labels=labels).loss, expected)
    count = int((labels[:, 1:] != -100).sum())
    scaled = model(**batch, labels=labels, num_items_in_batch=2 * count).loss
    torch.testing.assert_close(scaled, expected / 2)


def test_batch_without_answers_gives_zero_loss_with_gradient(pair, media, batch_of):
    model, processor = pair
    batch = batch_of(processor, [("image",)])
    batch["labels"][:] = -100
    loss = model(**batch).loss
    loss.backward()
    assert loss.item() == 0.0


def test_cached_features_equal_raw_media(pair, media, batch_of):
    model, processor = pair
    batch = batch_of(processor, MIXED)
    direct = model(**batch).loss
    images, clouds = batch.pop("pixel_values"), batch.pop("point_clouds")
    batch["image_features"] = model.encode_images(images)
    batch["point_cloud_features"] = model.encode_point_clouds(clouds)
    assert torch.equal(model(**batch).loss, direct)


def test_mixed_batch_equals_rows_alone(pair, media, batch_of):
    model, processor = pair
    batch = batch_of(processor, MIXED)
    del batch["labels"]
    together = model(**batch).logits
    image, cloud = 0, 0
    for number, kinds in enumerate(MIXED):
        length = int(batch["attention_mask"][number].sum())
        single = {key: batch[key][number : number + 1, :length] for key in ("input_ids", "position_ids")}
        single["pixel_values"] = batch["pixel_values"][image : image + kinds.count("image")]
        single["point_clouds"] = batch["point_clouds"][cloud : cloud + kinds.count("point_cloud")]
        image, cloud = image + kinds.count("image"), cloud + kinds.count("point_cloud")
        single = {key: value for key, value in single.items() if len(value)}
        torch.testing.assert_close(model(**single).logits[0], together[number, :length], atol=2e-5, rtol=1e-4)


def test_clip_features_are_the_last_block_before_the_norm_without_class_token(pair, media):
    model, processor = pair
    pixels = processor.image_processor([media / "0.png"])["pixel_values"]
    tower = model.model.image_tower
    hidden = tower.pre_layrnorm(tower.embeddings(pixels))
    for layer in tower.encoder.layers:
        hidden = layer(hidden, None)
    torch.testing.assert_close(model.encode_images(pixels), hidden[:, 1:])
    assert model.config.image_tokens == processor.image_tokens == 4


def test_frozen_tower_stays_in_evaluation_mode(parts, cloud_config, media, batch_of):
    model, processor = build_pair(parts.language, parts.lite, cloud_config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    assert model.training
    assert not model.model.image_tower.training
    assert not model.model.point_cloud_tower.training
    model(**batch_of(processor, [("image",), ("point_cloud",)])).loss.backward()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.model.image_tower.parameters())
    assert model.model.image_projector.linear.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("drop", "words"), [("pixel_values", "got 0"), ("extra", "got 8")])
def test_media_and_placeholders_must_agree(pair, media, drop, words, batch_of):
    model, processor = pair
    batch = batch_of(processor, [("image",)])
    if drop == "extra":
        batch["pixel_values"] = batch["pixel_values"].repeat(2, 1, 1, 1)
    else:
        del batch[drop]
    with pytest.raises(LammModelError, match=f"Expected 4 image features.*{words}"):
        model(**batch)


def test_round_trip_through_auto_classes_is_bit_exact(pair, media, tmp_path, batch_of):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = pair
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert type(loaded) is LammForConditionalGeneration
    mine, theirs = model.state_dict(), loaded.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is LammProcessor
    kwargs = {"media": ["image", "point_cloud"], "task_type": "VQA"}
    assert again.encode_dialogue([QUESTION, ANSWER], **kwargs) == processor.encode_dialogue(
        [QUESTION, ANSWER], **kwargs
    )
    assert again.image_processor.to_dict() == processor.image_processor.to_dict()
    batch = batch_of(processor, MIXED)
    assert torch.equal(model(**batch).loss, loaded.eval()(**batch).loss)


def test_generation_runs_towers_once_and_equals_uncached(pair, media):
    model, processor = pair
    inputs = processor([QUESTION], images=[media / "0.png"])
    calls = []
    model.model.image_tower.register_forward_hook(lambda *_: calls.append(1))
    cached = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    assert len(calls) == 1
    uncached = model.generate(**inputs, max_new_tokens=6, do_sample=False, use_cache=False)
    assert torch.equal(cached, uncached)


def test_placeholders_may_lie_outside_the_vocabulary(parts, media, batch_of):
    model, processor = build_pair(parts.language, parts.clip)
    processor.image_token = "<|beyond|>"
    processor.tokenizer.add_tokens(["<|beyond|>"], special_tokens=True)
    inside = model(**batch_of(build_pair(parts.language, parts.clip)[1], [("image",)])).loss
    model.config.image_token_id = processor.image_token_id
    assert processor.image_token_id >= model.config.text_config.vocab_size
    batch = batch_of(processor, [("image",)])
    assert torch.equal(model(**batch).loss, inside)


def test_wrong_choices_are_named(parts):
    with pytest.raises(UsageError, match="projector_type"):
        build_pair(parts.language, parts.clip, projector_type="quadratic")


def test_mlp_projector_and_feature_norm(parts, media):
    model, processor = build_pair(parts.language, parts.clip, projector_type="mlp", image_feature_norm=True)
    scaled = model.encode_images(processor.image_processor([media / "0.png"])["pixel_values"])
    project = model.model.image_projector
    torch.testing.assert_close(project(scaled), project(scaled * 7 + 3), atol=1e-4, rtol=1e-4)
