"""The towers' linear layer: by oneDNN the same product as torch's, and torch's own wherever a gradient is asked for."""

import pytest
import torch
from torch.nn import functional as F

from lamm_model.kernels import linear
from lamm_model.kernels.linear import Linear, is_worth_onednn


@pytest.fixture
def calls(monkeypatch):
    """How often oneDNN was asked."""
    count, real = [], linear.onednn_linear
    monkeypatch.setattr(linear, "onednn_linear", lambda *arguments: count.append(1) or real(*arguments))
    return count


def layer_and_rows(bias=True, shape=(3, 200, 48)):
    torch.manual_seed(0)
    return Linear(48, 144, bias=bias), torch.randn(*shape)


@pytest.mark.parametrize("bias", [True, False])
def test_prediction_multiplies_by_onednn_and_equals_torch(calls, bias):
    layer, rows = layer_and_rows(bias)
    with torch.no_grad():
        for batch in (rows, rows.transpose(0, 1), rows[..., :0].new_empty(0, 48)):
            torch.testing.assert_close(layer(batch), F.linear(batch, layer.weight, layer.bias), rtol=2e-6, atol=2e-6)
    assert len(calls) == (2 if is_worth_onednn(1 << 20, torch.float32) else 0)


def test_training_keeps_torchs_product_and_its_gradient(calls):
    layer, rows = layer_and_rows()
    layer(rows).sum().backward()
    assert layer.weight.grad is not None
    frozen = layer.requires_grad_(False)
    frozen(rows.clone().requires_grad_()).sum().backward()
    assert calls == []


def test_other_precisions_and_autocast_keep_torchs_product(calls):
    layer, rows = layer_and_rows()
    with torch.no_grad():
        assert layer.bfloat16()(rows.bfloat16()).dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16):
            assert layer.float()(rows).dtype == torch.bfloat16
    assert calls == []
