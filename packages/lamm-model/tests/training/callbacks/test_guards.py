"""What must hold before and in the first step."""

import pytest
import torch

from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.model.parameter_parts import part_of
from lamm_model.training.callbacks.guards import check_finite, silent_parts
from lamm_model.training.rows.packing import Dialogue
from lamm_model.training.rows.records import fault_of, rejection


def test_dialogues_that_cannot_be_learnt_are_told_apart(pair):
    _, processor = pair
    image = [processor.image_token_id] * processor.image_tokens
    tokens = [*image, 5, 6, 7]
    labels = [IGNORED] * (len(tokens) - 1) + [7]
    good = Dialogue("a", (("image", "x"),), tokens, labels, [1] * len(tokens), len(image))
    assert fault_of(good, 100, processor) == ""
    silent = Dialogue("b", good.media, tokens, [IGNORED] * len(tokens), good.modality_ids, good.prefix)
    assert fault_of(silent, 100, processor) == "no response to learn"
    assert fault_of(good, 4, processor) == "longer than row_tokens = 4"
    fewer = Dialogue("c", good.media, tokens[1:], labels[1:], good.modality_ids[1:], good.prefix - 1)
    assert fault_of(fewer, 100, processor).startswith("image tokens differ")
    other = Dialogue("d", (("point_cloud", "x"),), tokens, labels, good.modality_ids, good.prefix)
    assert "tokens differ" in fault_of(other, 100, processor)


def test_rejected_records_are_named_by_id():
    assert rejection("no response to learn", ["a", "b"]) == "2 rejected, no response to learn: a, b"
    assert rejection("too long", [str(n) for n in range(25)]).endswith("8, 9 and 15 more")


def test_a_loss_that_is_no_number_names_step_and_records():
    check_finite(torch.tensor(1.0), 1, ("a",))
    for value in (float("nan"), float("inf")):
        with pytest.raises(LammModelError, match=r"step 7 for the records a, b\."):
            check_finite(torch.tensor(value), 7, ("a", "b"))


def test_parts_without_a_gradient_and_frozen_ones_with_one_are_named(tuned):
    model, _ = tuned
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    assert silent_parts(model, {"image", "point_cloud"}) == []
    model.model.image_projector.linear.weight.grad.zero_()
    model.model.image_projector.linear.bias.grad = None
    model.lm_head.weight.grad = torch.ones_like(model.lm_head.weight)
    wrong = silent_parts(model, {"image"})
    assert wrong[0] == "image projector"
    assert "frozen, yet it got a gradient" in wrong[1]
    assert len(silent_parts(model, {"point_cloud"})) == 1


@pytest.mark.parametrize(
    ("name", "part"),
    [("model.image_projector.linear.weight", "projector"), ("model.point_cloud_tower.x", "tower"),
     ("model.language_model.layers.0.self_attn.q_proj.lora_A.image.weight", "adapter"), ("lm_head.weight", "language")],
)  # fmt: skip
def test_parts_by_name(name, part):
    assert part_of(name) == part
