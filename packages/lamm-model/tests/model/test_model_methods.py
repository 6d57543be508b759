"""What any transformers model can do: tie, resize, cast, recompute, run without gradients, wear peft's adapters."""

import pytest
import torch
from PIL import Image

from lamm_model import load_model
from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.quantization import is_quantised

MIXED = [("image",), ("point_cloud",), (), ("image", "point_cloud")]


def test_embeddings_are_tied_resized_and_given(pair, batch_of):
    model, processor = pair
    table = model.get_input_embeddings()
    assert table is model.model.language_model.embed_tokens is model.model.get_input_embeddings()
    assert model.get_output_embeddings().weight is table.weight
    batch = batch_of(processor, MIXED)
    before = model(**batch).loss
    size = table.num_embeddings
    model.resize_token_embeddings(size + 7)
    model.tie_weights()
    assert model.get_input_embeddings().num_embeddings == model.lm_head.out_features == size + 7
    assert model.config.text_config.vocab_size == size + 7
    assert model.lm_head.weight is model.get_input_embeddings().weight
    head = model.lm_head.weight
    with torch.no_grad():
        head[size:] = 0.0
    assert torch.isfinite(model(**batch).loss)
    batch.pop("labels")
    assert model(**batch).logits.shape[-1] == size + 7
    model.resize_token_embeddings(size)
    torch.testing.assert_close(model(**batch_of(processor, MIXED)).loss, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_casts_compute_near_the_whole(pair, batch_of, with_adapters, media, dtype):
    model, processor = pair
    with_adapters(model)
    model.eval()
    batch = batch_of(processor, MIXED)
    whole = model(**batch).loss.item()
    clouds = model.encode_point_clouds(batch["point_clouds"])
    model.half() if dtype == torch.float16 else model.to(dtype)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert abs(model(**batch).loss.item() - whole) < 0.1 * whole
    # Coordinates stay whole: the same points are sampled.
    near = model.encode_point_clouds(batch["point_clouds"])
    assert (near - clouds).abs().max() < 0.1 * clouds.abs().max()
    with torch.inference_mode():
        inputs = processor(text="<image><pcl>What?", images=media / "0.png", point_clouds=media / "1.npy")
        ids = model.generate(**inputs.to(dtype=dtype), max_new_tokens=3, do_sample=False)
    assert ids.shape[1] > inputs["input_ids"].shape[1]


def test_recomputation_changes_no_gradient(pair, batch_of):
    model, processor = pair
    batch = batch_of(processor, MIXED)
    gradients = []
    for recomputed in (False, True):
        model.zero_grad()
        model.train()
        if recomputed:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model(**batch, use_cache=False).loss.backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


@pytest.mark.parametrize("where", ["whole", "language model"])
def test_peft_wraps_the_model_or_its_language_model(pair, batch_of, media, where, tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model

    model, processor = pair
    batch = batch_of(processor, MIXED)
    before = model.eval()(**batch).loss
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    if where == "whole":
        wrapped = get_peft_model(model, config)
    else:
        model.model.language_model = get_peft_model(model.model.language_model, config)
        wrapped = model
    changed = wrapped.eval()(**batch).loss
    assert changed != before
    inputs = processor(text="<image>What?", images=media / "0.png")
    ids = wrapped.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert ids.shape[1] > inputs["input_ids"].shape[1]
    wrapped.train()
    wrapped(**batch).loss.backward()
    assert all(layer.lora_B["default"].weight.grad.abs().sum() > 0 for layer in lora_layers(model.model.language_model))
    holder = wrapped if where == "whole" else model.model.language_model
    holder.save_pretrained(tmp_path)
    with holder.disable_adapter():
        assert torch.equal(wrapped.eval()(**batch).loss, before)
    bare = holder.unload()
    again = PeftModel.from_pretrained(bare, tmp_path)
    if where == "language model":
        model.model.language_model = again
    torch.testing.assert_close((again if where == "whole" else model).eval()(**batch).loss, changed)


def test_pipeline_answers_batches_and_goes_on(pair, media):
    from transformers import pipeline

    model, processor = pair
    ask = pipeline("image-text-to-text", model=model, processor=processor)

    def answers(return_full_text=False, **given):
        return ask(
            **given, return_full_text=return_full_text, generate_kwargs={"do_sample": False, "max_new_tokens": 4}
        )

    chats = [
        [{"role": "user", "content": [{"type": "image", "image": Image.open(media / f"{number}.png")},
                                      {"type": "text", "text": "What is there?"}]}]
        for number in (0, 1)
    ]  # fmt: skip
    chats.append([{"role": "user", "content": [{"type": "point_cloud", "path": str(media / "1.npy")},
                                               {"type": "text", "text": "What?"}]}])  # fmt: skip
    together = [reply[0]["generated_text"] for reply in answers(text=chats)]
    assert together == [answers(text=chat)[0]["generated_text"] for chat in chats]
    begun = [*chats[0], {"role": "assistant", "content": [{"type": "text", "text": "A red"}]}]
    (reply,) = answers(text=begun, return_full_text=True)
    assert reply["generated_text"][-1]["content"][-1]["text"].startswith("A red")
    text = processor.apply_chat_template(chats[0], add_generation_prompt=True)
    (plain,) = answers(images=[Image.open(media / "0.png")], text=text)
    assert plain["generated_text"] == together[0]


def test_whole_models_with_adapters_are_quantised_but_for_them(pair, with_adapters, batch_of, tmp_path):
    pytest.importorskip("bitsandbytes", reason="extra: quantize")
    model, processor = pair
    with_adapters(model)
    model.eval().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    small, _ = load_model(tmp_path, quantize="4bit")
    assert is_quantised(small.model.language_model)
    assert not is_quantised(small.model.image_tower)
    assert not is_quantised(small.model.image_projector)
    assert all(type(low) is torch.nn.Linear for layer in lora_layers(small) for low in layer.lora_A.values())
    exact, near = model(**batch_of(processor, MIXED)).loss.item(), small(**batch_of(processor, MIXED)).loss.item()
    assert 0 < abs(near - exact) < 0.3 * exact
