"""The plan recomputes as few layers as fit, says what would fit when nothing does, and changes no gradient."""

from types import SimpleNamespace

import pytest
import torch

from lamm_model.errors import UsageError
from lamm_model.model.memory_plan import GIB
from lamm_model.training.rows.collation import Collator, MediaLoader
from lamm_model.training.rows.packing import pack_rows
from lamm_model.training.settings.tables import ComputeSettings
from lamm_model.training.step.acceleration import AdapterChoice
from lamm_model.training.step.attention import choose_attention
from lamm_model.training.step.isolation import isolate
from lamm_model.training.step.recomputation import free_memory, plan_step, recompute

AUTO = ComputeSettings()


def test_fewer_bytes_more_recomputed_layers(tuned):
    model, _ = tuned
    roomy = plan_step(model, 4096, AUTO, 100 * GIB, half=True)
    assert roomy.recomputed == 0
    lean = plan_step(model, 4096, ComputeSettings(checkpointing="all"), 0, half=True)
    assert lean.recomputed == 2
    assert lean.bytes < roomy.bytes
    between = int((lean.bytes + (roomy.bytes - lean.bytes) * 0.6) / 0.9)
    assert plan_step(model, 4096, AUTO, between, half=True).recomputed == 1
    assert plan_step(model, 4096, ComputeSettings(checkpointing="some", checkpointed_layers=1), 0, True).recomputed == 1
    assert "1 of 2 layers" in str(plan_step(model, 4096, AUTO, between, half=True))


def test_what_cannot_fit_is_said_with_what_would(tuned):
    model, _ = tuned
    lean = plan_step(model, 4096, ComputeSettings(checkpointing="all"), 0, half=True).bytes
    with pytest.raises(UsageError, match=r"At most [12]\d\d\d tokens would"):
        plan_step(model, 4096, AUTO, int(lean * 0.6 / 0.9), half=True)
    with pytest.raises(UsageError, match="quantize"):
        plan_step(model, 4096, AUTO, 1000, half=True)


def test_a_given_limit_is_the_budget():
    assert free_memory(ComputeSettings(memory=2.0), torch.device("cpu")) == 2 * GIB
    assert free_memory(AUTO, torch.device("cpu")) == 0


def gradients(model, batch, kinds):
    model.zero_grad()
    choice = AdapterChoice(model)
    choice.choose(kinds)
    loss = model(**batch, use_cache=False).loss
    choice.choose(frozenset({1, 2}))  # what the next batch wants must not reach this one's backward pass
    choice.choose(kinds)
    loss.backward()
    choice.restore()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kinds", [("image", "point_cloud"), ("image",)])
def test_recomputed_layers_give_the_same_gradients(tuned, dialogues_about, kinds):
    model, processor = tuned
    language_model = model.model.language_model
    choose_attention("segments", language_model, torch.device("cpu"), half=False)
    rows = pack_rows(dialogues_about(processor, kinds), 512, "mixed")
    batch = Collator(processor.pad_token_id, MediaLoader(processor), "segments")(rows)
    facts = batch.pop("facts")
    media = ("pixel_values", "point_clouds")
    batch = {k: v.double() if k in media else v for k, v in isolate(batch, "segments", None).items()}
    model.config.freeze_point_cloud_tower = True
    model.train()  # a tower with dropout would draw twice
    calls = []
    hook = language_model.layers[0].self_attn.register_forward_hook(lambda *given: calls.append(1))
    plain = gradients(model, batch, facts.kinds)
    assert len(calls) == 1
    recompute(language_model, 2)
    again = gradients(model, batch, facts.kinds)
    assert len(calls) == 3, "the layer was not computed again"
    hook.remove()
    assert plain.keys() == again.keys()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_recomputed_layers_are_spread(tuned):
    class Layer:
        gradient_checkpointing = False

    stack = SimpleNamespace(layers=[Layer() for _ in range(8)])
    recompute(stack, 3)
    assert [number for number, layer in enumerate(stack.layers) if layer.gradient_checkpointing] == [2, 5, 7]
    recompute(stack, 0)
    assert not any(layer.gradient_checkpointing for layer in stack.layers)


def test_layers_that_cannot_are_named():
    with pytest.raises(UsageError, match="object"):
        recompute(SimpleNamespace(layers=[object()]), 1)
