"""TRL's SFTTrainer trains on rows with pictures and with clouds; pinned in constraints.txt."""

import pytest
import torch
from PIL import Image

from lamm_model import ChatCollator
from lamm_model.model.answer_loss import IGNORED

datasets = pytest.importorskip("datasets", reason="install the group peers-model")
trl = pytest.importorskip("trl", reason="install the group peers-model")


def arguments(folder, **options):
    return trl.SFTConfig(
        str(folder), max_steps=4, per_device_train_batch_size=2, learning_rate=1e-2, use_cpu=True, report_to="none",
        save_strategy="no", logging_steps=1, disable_tqdm=True, max_length=None, bf16=False, **options,
    )  # fmt: skip


def losses_of(trainer):
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("layout", ["messages", "prompt"])
def test_rows_with_pictures(pair, media, tmp_path, layout):
    from peft import LoraConfig

    model, processor = pair
    question = [{"role": "user", "content": "What is in the picture?"}]
    answer = [{"role": "assistant", "content": "A red chair."}]
    row = {"messages": question + answer} if layout == "messages" else {"prompt": question, "completion": answer}
    rows = [{"images": [Image.open(media / f"{number}.png")], **row} for number in (0, 1)]
    lora = LoraConfig(r=4, target_modules=r".*language_model.*(q_proj|v_proj)", modules_to_save=["image_projector"])
    trainer = trl.SFTTrainer(
        model=model,
        args=arguments(tmp_path, gradient_checkpointing=layout == "prompt"),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=processor,
        peft_config=lora if layout == "prompt" else None,
    )
    batch = trainer.data_collator([dict(row) for row in rows])
    assert batch["pixel_values"].shape[0] == 2
    learnt = batch["labels"][0][batch["labels"][0] != IGNORED]
    if layout == "prompt":  # only what completes it
        assert processor.tokenizer.decode(learnt).strip() == "A red chair.<|im_end|>"
    losses = losses_of(trainer)
    assert losses[-1] < losses[0]


def test_rows_with_clouds_and_pictures(pair, media, tmp_path):
    model, processor = pair
    rows = []
    for block in (
        {"type": "point_cloud", "path": str(media / "1.npy")},
        {"type": "image", "path": str(media / "0.png")},
    ):
        question = {"role": "user", "content": [block, {"type": "text", "text": "What is there?"}]}
        answer = {"role": "assistant", "content": [{"type": "text", "text": "A red chair."}]}
        rows.append({"messages": [question, answer]})
    collator = ChatCollator(processor)
    trainer = trl.SFTTrainer(
        model=model,
        args=arguments(tmp_path, remove_unused_columns=False, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=processor,
        data_collator=collator,
    )
    losses = losses_of(trainer)
    assert losses[-1] < losses[0]
    batch = collator(rows)
    assert batch["point_clouds"].shape[0] == batch["pixel_values"].shape[0] == 1
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        assert processor.tokenizer.decode(labels[labels != IGNORED]) == "A red chair.<|im_end|>"
        assert torch.equal(ids[labels != IGNORED], labels[labels != IGNORED])


def test_placeholders_are_no_labels(pair, batch_of):
    model, processor = pair
    batch = batch_of(processor, [("image",), ("point_cloud", "image")])
    expected = model(**batch).loss
    media = (batch["input_ids"] == processor.image_token_id) | (batch["input_ids"] == processor.point_cloud_token_id)
    batch["labels"] = torch.where(media, batch["input_ids"], batch["labels"])
    assert torch.equal(model(**batch).loss, expected)


def test_long_rows_are_cut_behind_their_media(pair, media):
    processor = pair[1]
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}
    row = {"prompt": [question], "completion": [{"role": "assistant", "content": "A lamp. " * 30}]}
    rows = [{**row, "images": [media / "0.png"]}]
    whole, cut = ChatCollator(processor)(rows), ChatCollator(processor, max_length=100)(rows)
    assert cut["input_ids"].shape == (1, 100)
    assert torch.equal(cut["labels"], whole["labels"][:, :100])
