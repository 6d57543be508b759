"""What people of transformers do with any model: chat template, pipeline, Trainer, peft."""

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model.errors import LammModelError

QUESTION = "What is in the picture?"


def messages(*blocks):
    return [{"role": "user", "content": [*blocks, {"type": "text", "text": QUESTION}]}]


def test_chat_template_gives_the_same_inputs_as_the_processor(pair, media):
    processor = pair[1]
    picture, cloud = media / "0.png", media / "1.npy"
    chat = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "image", "path": str(picture)}, {"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "point_cloud", "path": cloud}, {"type": "text", "text": "And <pcl>?"}]},
    ]
    found = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)
    turns = [
        {"from": "human", "value": "<image>Hello"},
        {"from": "gpt", "value": "Yes."},
        {"from": "human", "value": "<pcl>And ?"},
    ]
    expected = processor(turns, images=[picture], point_clouds=[cloud], system="S")
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())
    ids = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=True)
    assert torch.equal(ids, expected["input_ids"])
    text = processor.apply_chat_template(chat, add_generation_prompt=True)
    assert torch.equal(processor(text=text, images=picture, point_clouds=cloud)["input_ids"], expected["input_ids"])
    both = processor.apply_chat_template([chat, messages()], tokenize=True, return_dict=True)
    assert both["input_ids"].shape[0] == 2
    assert len(both["pixel_values"]) == 1


@pytest.mark.parametrize("block", [{"type": "video", "path": "x"}, {"type": "image", "url": "http://127.0.0.1/x.png"}])
def test_chat_template_refuses_what_it_cannot_show(pair, block):
    with pytest.raises(LammModelError, match="Expected"):
        pair[1].apply_chat_template(messages(block), tokenize=True)


def test_pipeline_answers_as_generate(pair, media):
    from transformers import pipeline

    model, processor = pair
    ask = pipeline("image-text-to-text", model=model, processor=processor)
    chat = messages({"type": "image", "image": Image.open(media / "0.png")})
    (reply,) = ask(text=chat, max_new_tokens=5, return_full_text=False, generate_kwargs={"do_sample": False})
    inputs = processor([{"from": "human", "value": QUESTION}], images=[media / "0.png"])
    ids = model.generate(**inputs.to(model.device), max_new_tokens=5, do_sample=False)  # the pipeline chose the device
    expected = processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert reply["generated_text"].strip() == expected.strip()


def test_trainer_trains_it_and_peft_wraps_it(pair, media, tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import Trainer, TrainingArguments

    model, processor = pair
    answer = {"from": "gpt", "value": "A red chair."}
    rows = [
        {"row": processor.encode_dialogue([{"from": "human", "value": QUESTION}, answer], media=[kind]), "file": file}
        for kind, file in (("image", "0.png"), ("point_cloud", "1.npy"))
    ]

    def collate(items):
        batch = processor.collate([item["row"] for item in items])
        images = [media / item["file"] for item in items if item["file"].endswith("png")]
        clouds = [np.load(media / item["file"]) for item in items if item["file"].endswith("npy")]
        return {
            **batch,
            **processor.image_processor(images),
            **processor.feature_extractor(clouds, names=["1.npy"] * len(clouds)),
        }

    config = LoraConfig(r=4, target_modules=r".*language_model.*(q_proj|v_proj)", modules_to_save=["image_projector"])
    wrapped = get_peft_model(model, config)
    arguments = TrainingArguments(
        str(tmp_path / "run"), max_steps=4, per_device_train_batch_size=2, learning_rate=1e-2, use_cpu=True,
        report_to="none", remove_unused_columns=False, save_strategy="no", logging_steps=1, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(wrapped, arguments, train_dataset=rows, data_collator=collate)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0]
    assert not model.model.image_tower.training
    wrapped.save_pretrained(tmp_path / "adapter")
    trained = wrapped.eval()(**collate(rows)).loss
    merged = wrapped.merge_and_unload().eval()
    torch.testing.assert_close(merged(**collate(rows)).loss, trained, atol=1e-4, rtol=1e-4)
    merged.save_pretrained(tmp_path / "whole")
    assert isinstance(wrapped, PeftModel)
