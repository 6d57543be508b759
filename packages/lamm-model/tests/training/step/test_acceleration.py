"""What may be computed in any order: batches side by side must end where batches one by one end."""

import pytest
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from lamm_model.training.step.acceleration import any_order


def llama(dropout):
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=64, attention_dropout=dropout))


@pytest.mark.parametrize(
    ("make", "free"),
    [
        (lambda: llama(0.0), True),
        (lambda: llama(0.1), False),
        (lambda: nn.Dropout(0.1), False),
        (lambda: nn.BatchNorm1d(3), False),
        (lambda: nn.BatchNorm1d(3, track_running_stats=False), True),
    ],
)
def test_what_drops_or_keeps_means_needs_its_order_while_it_learns(make, free):
    assert any_order(make().train()) is free
    assert any_order(make().eval())
