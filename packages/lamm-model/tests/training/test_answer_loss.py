"""The loss in pieces is the loss, and so is its gradient."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamm_model.model import answer_loss
from lamm_model.model.answer_loss import rows_at_once, summed_answer_loss


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("size", [1, 5, 13, 40])
def test_pieces_equal_the_whole(frozen, size):
    torch.manual_seed(0)
    head = nn.Linear(16, 101, bias=False).double()
    head.weight.requires_grad_(not frozen)
    targets = torch.randint(0, 101, (40,))
    given = torch.randn(40, 16, dtype=torch.float64)
    whole, parts = given.clone().requires_grad_(), given.clone().requires_grad_()
    wanted = F.cross_entropy(head(whole), targets, reduction="sum") * 0.5
    wanted.backward()
    gradient = None if frozen else head.weight.grad.clone()
    head.weight.grad = None
    found = summed_answer_loss(parts, head, targets, size) * 0.5
    found.backward()
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=0)
    torch.testing.assert_close(parts.grad, whole.grad, rtol=1e-12, atol=1e-14)
    if gradient is not None:
        torch.testing.assert_close(head.weight.grad, gradient, rtol=1e-12, atol=1e-14)


def test_a_frozen_head_in_bfloat16_is_as_good_as_the_whole():
    torch.manual_seed(0)
    head = nn.Linear(32, 500, bias=False).requires_grad_(False)
    targets = torch.randint(0, 500, (64,))
    grads, losses = [], []
    for size in (64, 10):
        hidden = torch.randn(64, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            loss = summed_answer_loss(hidden, head, targets, size)
        loss.backward()
        assert loss.dtype == torch.float32
        losses.append(loss.item())
        grads.append(hidden.grad)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert (grads[0] - grads[1]).norm() < 2e-2 * grads[0].norm()


def test_no_piece_holds_more_logits_than_it_may(monkeypatch):
    monkeypatch.setattr(answer_loss, "LOGITS", 4000)
    assert rows_at_once(30, 100) == 30
    assert rows_at_once(50, 100) == 10
    assert rows_at_once(5, 10_000) == 1
    seen = []
    head = nn.Linear(8, 100, bias=False)
    head.register_forward_hook(lambda module, given, out: seen.append(out.numel()))
    summed_answer_loss(torch.randn(50, 8, requires_grad=True), head, torch.zeros(50, dtype=torch.long)).backward()
    assert max(seen) <= 1000
    assert sum(seen) == 2 * 50 * 100  # forward, and once more in the backward pass


def test_nothing_to_learn_is_a_zero_with_a_gradient():
    hidden = torch.randn(0, 8, requires_grad=True)
    loss = summed_answer_loss(hidden, nn.Linear(8, 10), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0.0
