"""Packed rows learn exactly what each dialogue would learn alone, whatever shares the row with it."""

from dataclasses import replace

import pytest
import torch

from lamm_model.model.answer_loss import IGNORED
from lamm_model.training.callbacks.guards import drop_unseen
from lamm_model.training.rows.collation import Collator, MediaLoader, lay_out, visible
from lamm_model.training.rows.packing import Dialogue, Group, Row, pack_rows
from lamm_model.training.step.acceleration import AdapterChoice
from lamm_model.training.step.attention import choose_attention
from lamm_model.training.step.isolation import isolate

MIXED = ("image", "text", "point_cloud", "image")
FORMS = {"segments": "segments", "sdpa": "mask", "eager": "mask"}


def prepared(model, processor, rows, attention, length=0):
    choose_attention(attention, model.model.language_model, torch.device("cpu"), half=False)
    collator = Collator(processor.pad_token_id, MediaLoader(processor), FORMS[attention], length)
    batch = collator(rows)
    facts = batch.pop("facts")
    for name in ("pixel_values", "point_clouds"):
        if name in batch:
            batch[name] = batch[name].double()
    return isolate(batch, attention, model.config.text_config), facts


def loss_and_gradients(model, processor, rows, attention, learnt, length=0):
    model.zero_grad()
    batch, facts = prepared(model, processor, rows, attention, length)
    choice = AdapterChoice(model)
    if not choice.choose(facts.kinds):
        batch.pop("modality_ids")
    loss = model(**batch, use_cache=False, num_items_in_batch=learnt).loss
    loss.backward()
    choice.restore()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def one_by_one(model, processor, dialogues, learnt):
    total, summed = 0.0, {}
    for dialogue in dialogues:
        loss, parts = loss_and_gradients(model, processor, [Row([Group([dialogue])])], "sdpa", learnt)
        total += loss
        for name, part in parts.items():
            summed[name] = summed.get(name, 0) + part
    return total, summed


@pytest.mark.parametrize(
    ("packing", "attention", "length"),
    [("mixed", "segments", 0), ("mixed", "segments", 450), ("mixed", "sdpa", 0), ("shared_prefix", "segments", 0),
     ("shared_prefix", "sdpa", 0), ("none", "sdpa", 0), ("none", "segments", 0)],
)  # fmt: skip
def test_packed_padded_and_one_by_one_are_equal(tuned, dialogues_about, packing, attention, length):
    """Loss and gradients in float64, to 12 digits: rows of unlike media, shared prefixes, padding."""
    model, processor = tuned
    dialogues = dialogues_about(processor, MIXED)
    learnt = sum(dialogue.learnt for dialogue in dialogues)
    rows = pack_rows(dialogues, 400, packing)
    if packing == "mixed":
        assert len(rows) == 2
        assert any(len({kind for kind, _ in row.media}) == 2 for row in rows), "no row holds both media"
    together, gradients = loss_and_gradients(model, processor, rows, attention, learnt, length)
    alone, summed = one_by_one(model, processor, dialogues, learnt)
    assert together == pytest.approx(alone, rel=1e-12)
    assert {name for name, g in gradients.items() if g.any()} == {name for name, g in summed.items() if g.any()}
    for name, gradient in gradients.items():
        # Gradients that are zero in theory (a key bias) are rounding alone.
        scale = max(float(gradient.abs().max()), 1e-6)
        torch.testing.assert_close(
            gradient, summed.get(name, torch.zeros(())).expand_as(gradient), rtol=0, atol=1e-9 * scale, msg=name
        )


@pytest.mark.parametrize("attention", ["segments", "sdpa"])
def test_an_answer_before_a_medium_counts_as_often_as_it_occurs(tuned, media, attention):
    """Two dialogues begin with the same answer and then show the same picture: both learn it, in every packing."""
    model, processor = tuned
    about = (("image", str(media / "0.png")),)
    dialogues = []
    for answer in ("A red chair.", "Yes."):
        turns = [
            ("human", "How many lamps?"),
            ("gpt", "There are 3."),
            ("human", "<image>\nAnd here?"),
            ("gpt", answer),
        ]
        row = processor.encode_dialogue([{"from": who, "value": text} for who, text in turns], media=["image"])
        end = processor.media_end(row["input_ids"])
        dialogues.append(Dialogue(answer, about, row["input_ids"], row["labels"], row["modality_ids"], end))
        assert dialogues[-1].learns_within(end), "the answer comes after the picture"
    learnt = sum(dialogue.learnt for dialogue in dialogues)
    alone, _ = one_by_one(model, processor, dialogues, learnt)
    for packing in ("none", "shared_prefix", "mixed"):
        rows = pack_rows(dialogues, 400, packing)
        loss, _ = loss_and_gradients(model, processor, rows, attention, learnt)
        assert loss == pytest.approx(alone, rel=1e-12), packing


def curve(model, steps, loss_and_gradients_of):
    """Losses of Adam's steps whose gradients the function computes."""
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimiser = torch.optim.AdamW(named.values(), lr=3e-3)
    losses = []
    for dialogues in steps:
        loss, gradients = loss_and_gradients_of(dialogues)
        losses.append(loss)
        for name, parameter in named.items():
            parameter.grad = gradients.get(name)
        drop_unseen(model, {kind for dialogue in dialogues for kind in dialogue.modality_ids}, torch.device("cpu"))
        optimiser.step()
    return losses


def test_ten_steps_follow_the_curve_of_dialogues_alone(tuned, dialogues_about):
    """Adam divides by gradients and so enlarges what differs: in float64 the curves still agree to eight digits."""
    model, processor = tuned
    kinds = [MIXED, ("image", "text"), ("point_cloud", "image", "text"), ("text", "point_cloud"), ("image",)]
    steps = [dialogues_about(processor, kinds[number % len(kinds)]) for number in range(10)]
    begin = {name: value.clone() for name, value in model.state_dict().items()}
    curves = []
    for packing in ("mixed", "shared_prefix", ""):
        model.load_state_dict(begin)

        def compute(dialogues, packing=packing):
            learnt = sum(dialogue.learnt for dialogue in dialogues)
            if not packing:
                return one_by_one(model, processor, dialogues, learnt)
            rows = pack_rows(dialogues, 400, packing)
            return loss_and_gradients(model, processor, rows, "segments", learnt)

        curves.append(curve(model, steps, compute))
    packed, shared, alone = curves
    assert alone[-1] < alone[4] - 1  # the same dialogues five steps before: it learns
    assert packed == pytest.approx(alone, rel=1e-8)
    assert shared == pytest.approx(alone, rel=1e-8)


def test_eager_attention_agrees_up_to_its_float32_softmax(tuned, dialogues_about):
    model, processor = tuned
    dialogues = dialogues_about(processor, MIXED)
    learnt = sum(dialogue.learnt for dialogue in dialogues)
    rows = pack_rows(dialogues, 256, "mixed")
    losses = [loss_and_gradients(model, processor, rows, name, learnt)[0] for name in ("eager", "segments")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def hidden_states(model, processor, rows, attention):
    batch, _ = prepared(model, processor, rows, attention)
    batch.pop("labels")
    with torch.no_grad():
        return model.model(**batch, use_cache=False).last_hidden_state[0]


@pytest.mark.parametrize("attention", ["segments", "sdpa", "eager"])
def test_changing_one_dialogue_leaves_the_others_bit_for_bit(tuned, dialogues_about, attention):
    model, processor = tuned
    row = pack_rows(dialogues_about(processor, ("image", "point_cloud", "text")), 4096, "mixed")[0]
    before = hidden_states(model, processor, [row], attention)
    place = 0
    for group in row.groups:
        for number, dialogue in enumerate(group.dialogues):
            size = len(dialogue.input_ids) - (group.prefix if number else 0)
            own = slice(place + (0 if number else group.prefix), place + size)
            changed = [*dialogue.input_ids[:-4], 30, 31, 32, 33]
            kept = [replace(d, input_ids=changed) if d is dialogue else d for d in group.dialogues]
            other = Row([Group(kept) if g is group else g for g in row.groups])
            after = hidden_states(model, processor, [other], attention)
            same = (before == after).all(-1)
            assert not same[own].all(), "the change did nothing"
            same[own] = True
            assert same.all(), f"{(~same).nonzero().flatten().tolist()} moved with dialogue {dialogue.id}/{number}"
            place += size


def test_a_broken_mask_is_noticed(tuned, dialogues_about, monkeypatch):
    """The tests above can fail: with an ordinary causal mask, or one long segment, neighbours leak."""
    model, processor = tuned
    dialogues = dialogues_about(processor, ("image",))
    rows = pack_rows(dialogues, 512)
    batch, _ = prepared(model, processor, rows, "sdpa")
    right = model(**batch, use_cache=False).loss.item()
    batch["attention_mask"] = torch.ones_like(batch["attention_mask"]).tril()
    assert abs(model(**batch, use_cache=False).loss.item() - right) > 1e-4
    batch, _ = prepared(model, processor, pack_rows(dialogues, 512, "none"), "segments")
    assert model(**batch, use_cache=False).loss.item() == pytest.approx(right, rel=1e-12)
    total = batch["input_ids"].shape[1]
    batch |= {"cu_seq_lens_q": torch.tensor([0, total]), "cu_seq_lens_k": torch.tensor([0, total])}
    assert abs(model(**batch, use_cache=False).loss.item() - right) > 1e-4


def test_layout_of_a_row():
    a = Dialogue("a", (), [7, 7, 1, 2], [IGNORED, IGNORED, IGNORED, 2], [1, 1, 1, 1], 2)
    b = Dialogue("b", (), [7, 7, 3, 4, 5], [IGNORED, IGNORED, IGNORED, 4, 5], [1, 1, 1, 1, 1], 2)
    short = Dialogue("c", (("image", "x"),), [9, 8], [IGNORED, 8], [2, 2], 1)
    laid = lay_out(pack_rows([a, b, short], 99), pad_id=0)
    assert laid["input_ids"].tolist() == [[7, 7, 1, 2, 3, 4, 5], [9, 8, 0, 0, 0, 0, 0]]
    assert laid["position_ids"].tolist()[0] == [0, 1, 2, 3, 2, 3, 4]
    assert laid["labels"].tolist()[0] == [IGNORED, IGNORED, IGNORED, 2, IGNORED, 4, 5]
    seen = visible(laid["group"], laid["part"])
    assert seen.shape == (2, 1, 7, 7)
    assert seen[0, 0, 6].tolist() == [True, True, False, False, True, True, True]
    assert seen[0, 0, 3].tolist() == [True, True, True, True, False, False, False]
    assert seen.any(-1).all()


def test_layout_of_segments():
    a = Dialogue("a", (), [7, 7, 1, 2], [IGNORED, IGNORED, IGNORED, 2], [1, 1, 1, 1], 2)
    b = Dialogue("b", (), [7, 7, 3, 4, 5], [IGNORED, IGNORED, IGNORED, 4, 5], [1, 1, 1, 1, 1], 2)
    short = Dialogue("c", (("image", "x"),), [9, 8], [IGNORED, 8], [2, 2], 1)
    laid = lay_out(pack_rows([a, b, short], 99), 0, "segments", length=6)
    assert laid["input_ids"].tolist() == [[7, 7, 1, 2, 3, 4, 5, 9, 8, 0, 0, 0]]
    assert laid["cu_seq_lens_q"].tolist() == [0, 4, 7, 9, 12]
    assert laid["cu_seq_lens_k"].tolist() == [0, 4, 9, 11, 14]
    assert laid["key_index"].tolist() == [0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11]
    assert lay_out(pack_rows([a], 99), 0, "segments", length=600)["cu_seq_lens_q"].tolist() == [0, 4, 260, 516, 600]
    assert "key_index" not in lay_out(pack_rows([a, short], 99), 0, "segments")


def test_rows_keep_to_the_ceiling_and_to_their_medium():
    many = [Dialogue(str(n), (("image", str(n // 4)),), [1] * 10, [IGNORED] * 9 + [1], [1] * 10, 6) for n in range(8)]
    rows = pack_rows(many, row_tokens=15)
    assert [len(row.dialogues) for row in rows] == [2, 2, 2, 2]
    assert all(row.tokens <= 15 for row in rows)
    assert sorted(d.id for row in rows for d in row.dialogues) == [str(n) for n in range(8)]


def test_mixed_rows_are_full_and_hold_every_dialogue_once():
    sizes = [20 + (n * 37) % 300 for n in range(500)]
    many = [
        Dialogue(str(n), (("image", str(n // 2)),), [1] * size, [1] * size, [1] * size, 5)
        for n, size in enumerate(sizes)
    ]
    rows = pack_rows(many, 1024, "mixed")
    assert all(row.tokens <= 1024 for row in rows)
    assert sorted(int(d.id) for row in rows for d in row.dialogues) == list(range(500))
    assert sum(row.tokens for row in rows) > 0.95 * 1024 * len(rows)
    assert [[d.id for d in row.dialogues] for row in rows] == [
        [d.id for d in row.dialogues] for row in pack_rows(many, 1024, "mixed")
    ]
