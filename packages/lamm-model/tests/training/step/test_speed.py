"""Speeds are counted by the stated convention."""

import pytest

from lamm_model.training.rows.packing import BatchFacts
from lamm_model.training.step.speed import SpeedMeter, flops_per_token, peak_memory


def test_speeds_since_the_last_look():
    now = [0.0]
    meter = SpeedMeter(4e6, clock=lambda: now[0])
    meter.add(BatchFacts(("a", "b"), tokens=100, alone=160, kinds=frozenset({1})))
    meter.wait(0.5)
    now[0] = 2.0
    first = meter.look()
    assert (first["tokens_per_second"], first["dialogue_tokens_per_second"]) == (50.0, 80.0)
    assert (first["samples_per_second"], first["loader_wait"]) == (1.0, 0.25)
    assert first["model_tflops"] == pytest.approx(50 * 4e6 / 1e12, abs=1e-4)
    now[0] = 3.0
    assert meter.look()["tokens_per_second"] == 0.0


def test_four_a_weight_while_frozen_six_while_it_learns(pair):
    model, _ = pair
    language = model.model.language_model
    model.requires_grad_(False)
    # The test's model ties its head to its embedding, so the embedding's weights count once, as the head.
    weights = sum(p.numel() for p in language.parameters())
    assert flops_per_token(model) == 4 * weights
    language.requires_grad_(True)
    assert flops_per_token(model) == 6 * weights


def test_llama_7b_costs_26_gigaflop_a_token():
    import torch
    from transformers import LlamaConfig

    from lamm_model import LammConfig, LammForConditionalGeneration

    text = LlamaConfig(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32)
    with torch.device("meta"):
        model = LammForConditionalGeneration(LammConfig(text_config=text)).requires_grad_(False)
    assert flops_per_token(model) == pytest.approx(26.4e9, rel=2e-3)


def test_memory_is_counted_in_bytes():
    assert peak_memory() > 50 << 20
