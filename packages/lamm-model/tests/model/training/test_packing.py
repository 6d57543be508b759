"""Rows that share a prefix learn exactly what each dialogue would learn alone."""

import pytest
import torch

from lamm_model import AdapterSettings, add_adapters
from lamm_model.training.data import Collator
from lamm_model.training.packing import IGNORED, Dialogue, lay_out, pack_rows

QUESTIONS = [
    ("What is in the picture?", "A red chair."),
    ("How many lamps are there?", "There are 3 lamps, and a blue table."),
    ("Is there a box?", "Yes."),
]


@pytest.fixture
def tuned(pair):
    """A float64 model with adapters whose B matrices are not zero, so that routing matters."""
    model, processor = pair
    add_adapters(model, AdapterSettings(rank=4, alpha=4, dropout=0.0))
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return model.double().train(), processor


def dialogues_about(media, processor, kinds=("image", "image", "point_cloud")):
    found = []
    for number, kind in enumerate(kinds):
        path = str(media / f"{number}.{'png' if kind == 'image' else 'npy'}")
        for question, answer in QUESTIONS:
            turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
            row = processor.encode_dialogue(turns, media=[kind], name=f"{number}")
            placeholders = {processor.image_token_id, processor.point_cloud_token_id}
            last = max(place for place, token in enumerate(row["input_ids"]) if token in placeholders)
            found.append(
                Dialogue(f"{number}", ((kind, path),), row["input_ids"], row["labels"], row["modality_ids"], last + 1)
            )
    return found


def loss_and_gradients(model, collator, rows, learnt):
    model.zero_grad()
    batch = collator(rows)
    batch.pop("ids")
    for name in ("pixel_values", "point_clouds"):
        if name in batch:
            batch[name] = batch[name].double()
    loss = model(**batch, use_cache=False, num_items_in_batch=learnt).loss
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_shared_rows_equal_dialogues_one_by_one(tuned, media):
    model, processor = tuned
    collator = Collator(processor)
    dialogues = dialogues_about(media, processor)
    learnt = sum(dialogue.learnt for dialogue in dialogues)
    shared = pack_rows(dialogues, row_tokens=512)
    assert len(shared) == 3
    together, gradients = loss_and_gradients(model, collator, shared, learnt)
    alone, summed = 0.0, {}
    for row in pack_rows(dialogues, row_tokens=512, share=False):
        loss, parts = loss_and_gradients(model, collator, [row], learnt)
        alone += loss
        summed = {name: summed.get(name, 0) + part for name, part in parts.items()} | {
            name: part for name, part in summed.items() if name not in parts
        }
    assert together == pytest.approx(alone, rel=1e-12)
    assert gradients.keys() == summed.keys()
    for name, gradient in gradients.items():
        # Llama's RMSNorm computes in float32 whatever the dtype: equal up to its rounding.
        # Gradients that are zero in theory (a key bias) are rounding alone.
        scale = max(float(gradient.abs().max()), 1e-4)
        torch.testing.assert_close(gradient, summed[name], rtol=0, atol=1e-5 * scale, msg=lambda m, n=name: f"{n}: {m}")


def test_neighbours_in_a_row_cannot_see_each_other(tuned, media):
    """Changing one dialogue's text must not move the loss of another in the same row."""
    model, processor = tuned
    first, second = dialogues_about(media, processor, kinds=("image",))[:2]
    changed = Dialogue(
        first.id, first.media, [*first.input_ids[:-3], 30, 31, 32], [IGNORED] * len(first.labels), first.modality_ids,
        first.prefix,
    )  # fmt: skip
    silent = Dialogue(
        first.id, first.media, first.input_ids, [IGNORED] * len(first.labels), first.modality_ids, first.prefix
    )
    collator = Collator(processor)
    losses = [
        loss_and_gradients(model, collator, pack_rows([neighbour, second], 512), second.learnt)[0]
        for neighbour in (silent, changed)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_a_broken_mask_is_noticed(tuned, media):
    """The test above can fail: with an ordinary causal mask the neighbour leaks."""
    model, processor = tuned
    dialogues = dialogues_about(media, processor, kinds=("image",))
    rows = pack_rows(dialogues, 512)
    batch = lay_out(rows, processor.pad_token_id)
    batch["pixel_values"] = processor.image_processor([dialogues[0].media[0][1]])["pixel_values"].double()
    right = model(**batch, use_cache=False).loss.item()
    batch["attention_mask"] = torch.ones_like(batch["attention_mask"]).tril()
    assert abs(model(**batch, use_cache=False).loss.item() - right) > 1e-4


def test_layout_of_a_row():
    a = Dialogue("a", (), [7, 7, 1, 2], [IGNORED, IGNORED, IGNORED, 2], [1, 1, 1, 1], 2)
    b = Dialogue("b", (), [7, 7, 3, 4, 5], [IGNORED, IGNORED, IGNORED, 4, 5], [1, 1, 1, 1, 1], 2)
    short = Dialogue("c", (("image", "x"),), [9, 8], [IGNORED, 8], [2, 2], 1)
    laid = lay_out(pack_rows([a, b, short], 99), pad_id=0)
    assert laid["input_ids"].tolist() == [[7, 7, 1, 2, 3, 4, 5], [9, 8, 0, 0, 0, 0, 0]]
    assert laid["position_ids"].tolist()[0] == [0, 1, 2, 3, 2, 3, 4]
    assert laid["labels"].tolist()[0] == [IGNORED, IGNORED, IGNORED, 2, IGNORED, 4, 5]
    sees = laid["attention_mask"][0, 0]
    assert sees[6].tolist() == [True, True, False, False, True, True, True]
    assert sees[3].tolist() == [True, True, True, True, False, False, False]
    assert laid["attention_mask"].shape == (2, 1, 7, 7)


def test_rows_keep_to_the_ceiling_and_to_their_medium():
    many = [Dialogue(str(n), (("image", str(n // 4)),), [1] * 10, [IGNORED] * 9 + [1], [1] * 10, 6) for n in range(8)]
    rows = pack_rows(many, row_tokens=15)
    assert [len(row.dialogues) for row in rows] == [2, 2, 2, 2]
    assert all(row.tokens <= 15 for row in rows)
    assert sorted(d.id for row in rows for d in row.dialogues) == [str(n) for n in range(8)]
