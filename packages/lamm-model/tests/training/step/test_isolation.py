"""The silent trap of packed rows: what does not say who may see whom is refused, and a leak in any model is found."""

import inspect

import pytest
import torch
from transformers.masking_utils import create_chunked_causal_mask

from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.rows.collation import lay_out
from lamm_model.training.rows.packing import Row, pack_rows
from lamm_model.training.step import attention as attention_module
from lamm_model.training.step import isolation
from lamm_model.training.step.attention import SEGMENTS, choose_attention, segment_attention
from lamm_model.training.step.isolation import choose_proven, isolate, prove_isolation


@pytest.mark.parametrize("attention", ["segments", "sdpa", "eager"])
def test_a_packed_batch_without_boundaries_is_refused(tuned, dialogues_about, attention):
    """transformers would compute it, and mix the dialogues without a word."""
    model, processor = tuned
    rows = pack_rows(dialogues_about(processor, ("text",)), 512, "mixed")
    batch = lay_out(rows, processor.pad_token_id)
    batch.pop("labels")
    batch.pop("group")
    batch.pop("part")
    choose_attention("sdpa", model.model.language_model, torch.device("cpu"), half=False)
    trapped = {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}
    apart = lay_out([Row(rows[0].groups[-1:])], processor.pad_token_id)["input_ids"]
    with torch.no_grad():
        mixed = model.model(**trapped).last_hidden_state
        alone = model.model(input_ids=apart, attention_mask=torch.ones_like(apart)).last_hidden_state
    assert len(rows[0].dialogues) == 3
    assert (mixed[0, -1] - alone[0, -1]).abs().max() > 1e-3, "transformers isolates by itself now: the guard can go"
    for given in (trapped, batch):
        with pytest.raises(LammModelError, match="would see their neighbours"):
            isolate(dict(given), attention, model.config.text_config)


def test_rows_of_one_dialogue_need_nothing(tuned, dialogues_about):
    _, processor = tuned
    batch = lay_out(pack_rows(dialogues_about(processor, ("text",))[:1], 512), processor.pad_token_id)
    batch = {name: value for name, value in batch.items() if name not in ("group", "part")}
    assert isolate(dict(batch), "sdpa", None).keys() == batch.keys()


@pytest.mark.parametrize("attention", ["segments", "sdpa", "eager"])
def test_a_model_proves_that_it_isolates(tuned, attention):
    model, _ = tuned
    choose_attention(attention, model.model.language_model, torch.device("cpu"), half=False)
    assert prove_isolation(model, attention) == 0.0
    assert model.training


@pytest.mark.parametrize("attention", ["segments", "sdpa"])
def test_a_model_that_mixes_along_the_row_is_refused(tuned, attention):
    """A layer that looks at the token before it, as convolutions and recurrent layers do, goes round every mask."""
    model, _ = tuned
    choose_attention(attention, model.model.language_model, torch.device("cpu"), half=False)
    layer = model.model.language_model.layers[0].mlp
    layer.register_forward_hook(lambda module, given, out: out + 0.1 * out.roll(1, dims=1))
    with pytest.raises(LammModelError, match="not to see each other"):
        prove_isolation(model, attention)


def test_a_mask_that_lets_everyone_see_everyone_is_found(tuned, monkeypatch):
    model, _ = tuned
    choose_attention("sdpa", model.model.language_model, torch.device("cpu"), half=False)

    def careless(group, part):
        length = part.shape[1]
        return torch.ones(1, 1, length, length, dtype=torch.bool).tril()

    monkeypatch.setattr(isolation, "visible", careless)
    with pytest.raises(LammModelError, match="not to see each other"):
        prove_isolation(model, "sdpa")


def test_segments_agree_with_a_mask_for_windows_and_fewer_key_heads():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 12, 8, dtype=torch.float64) for heads in (4, 2, 2))
    starts = torch.tensor([0, 5, 12], dtype=torch.int32)
    out, _ = segment_attention(
        torch.nn.Module(), query, key, value, None, cu_seq_lens_q=starts, cu_seq_lens_k=starts, sliding_window=3
    )
    wide_key, wide_value = (x.repeat_interleave(2, dim=1) for x in (key, value))
    row = torch.arange(12)
    seen = (row[:, None] >= row) & (row[:, None] - row < 3) & ((row[:, None] >= 5) == (row >= 5))
    wanted = torch.nn.functional.scaled_dot_product_attention(query, wide_key, wide_value, attn_mask=seen)
    torch.testing.assert_close(out, wanted.transpose(1, 2), rtol=0, atol=1e-12)


def test_attention_that_segments_cannot_compute_is_refused_or_avoided(tuned):
    model, _ = tuned
    language_model = model.model.language_model
    language_model.config.attention_dropout = 0.1
    with pytest.raises(UsageError, match="attention dropout"):
        choose_attention("segments", language_model, torch.device("cpu"), half=False)
    assert choose_attention("auto", language_model, torch.device("cpu"), half=False) == "sdpa"


@pytest.mark.parametrize(
    ("sizes", "takes"), [({64}, True), ({256}, True), ({12}, False), ({512}, False), ({192, 128}, False)]
)
def test_the_kernel_takes_heads_of_eight_to_256(sizes, takes):
    assert attention_module.kernel_takes(sizes) == takes


def test_heads_that_the_kernel_does_not_take_get_a_mask(tuned, monkeypatch):
    """The tests' language model has heads of 12; `auto` must not choose what would stop in the first pass on a GPU."""
    language_model = tuned[0].model.language_model
    monkeypatch.setattr(attention_module, "kernel_runs", lambda device: True)
    gpu = torch.device("cuda")
    assert choose_attention("auto", language_model, gpu, half=True) == "sdpa"
    language_model.config.head_dim = 16
    assert choose_attention("auto", language_model, gpu, half=True) == "segments"

    def kernel(*given):
        raise AssertionError("the kernel was called")

    monkeypatch.setattr(attention_module, "_by_kernel", kernel)
    starts = torch.tensor([0, 3], dtype=torch.int32)
    for size, called in ((12, False), (16, True)):
        heads = [torch.randn(1, 2, 3, size, dtype=torch.bfloat16) for _ in range(3)]
        bounds = {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts}
        if called:
            with pytest.raises(AssertionError, match="kernel was called"):
                segment_attention(torch.nn.Module(), *heads, None, **bounds)
        else:
            assert segment_attention(torch.nn.Module(), *heads, None, **bounds)[0].shape == (1, 3, 2, size)


def test_generation_goes_on_with_ordinary_attention(tuned):
    model, _ = tuned
    model.eval()
    ids = torch.tensor([[5, 6, 7, 8], [0, 0, 9, 10]])
    mask = (ids != 0).long()
    answers = []
    for attention in ("sdpa", "segments"):
        choose_attention(attention, model.model.language_model, torch.device("cpu"), half=False)
        answers.append(model.generate(ids, attention_mask=mask, max_new_tokens=6, do_sample=False))
    assert model.model.language_model.config._attn_implementation == SEGMENTS
    assert torch.equal(*answers)


SHAPE = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def patterned(name, **changes):
    """Return a tiny text model whose attention has a pattern of its own."""
    from transformers import AutoConfig

    from lamm_model.model.configuration_lamm import LammConfig
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration

    torch.manual_seed(0)
    config = AutoConfig.for_model(name, **{**SHAPE, "pad_token_id": 0, **changes})
    model = LammForConditionalGeneration(LammConfig(text_config=config, image_token_id=88, point_cloud_token_id=89))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


FEWER = {"num_key_value_heads": 2, "head_dim": 8}
PATTERNS = {
    "mistral": {"sliding_window": 6, **FEWER},
    "gemma2": {"sliding_window": 6, "attn_logit_softcapping": 0.5, "query_pre_attn_scalar": 8, **FEWER},
    "gemma3_text": {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"], **FEWER},
    "gpt_oss": {"sliding_window": 6, **FEWER, "num_local_experts": 4, "num_experts_per_tok": 2},
    "llama4_text": {
        "attention_chunk_size": 6, "layer_types": ["chunked_attention", "full_attention"], "no_rope_layers": [1, 1],
        "num_local_experts": 2, "intermediate_size_mlp": 48, **FEWER,
    },
}  # fmt: skip
REFUSED = {  # what each form cannot compute, and says so
    ("gemma2", "sdpa"): "soft", ("gpt_oss", "sdpa"): "sinks", ("llama4_text", "segments"): "chunks",
}  # fmt: skip


CHUNKS = pytest.mark.skipif(
    "block_sequence_ids" not in inspect.signature(create_chunked_causal_mask).parameters,
    reason="this transformers cannot mask Llama 4's chunks from outside: install a newer one",
)
EACH = [pytest.param(name, marks=CHUNKS if name == "llama4_text" else ()) for name in PATTERNS]


@pytest.mark.parametrize("attention", ["segments", "sdpa", "eager"])
@pytest.mark.parametrize("name", EACH)
def test_windows_chunks_soft_caps_and_sinks_are_kept_or_the_form_is_refused(name, attention):
    model = patterned(name, **PATTERNS[name])
    if (name, attention) in REFUSED:
        with pytest.raises(LammModelError, match="Set "):
            choose_proven(model, attention, torch.device("cpu"), False, "mixed")
        return
    assert choose_proven(model, attention, torch.device("cpu"), False, "mixed") == attention
    config = model.model.language_model.config
    assert 6 in (getattr(config, "sliding_window", None), getattr(config, "attention_chunk_size", None))


@pytest.mark.parametrize("name", EACH)
def test_auto_takes_the_first_form_that_proves_right(name):
    chosen = choose_proven(patterned(name, **PATTERNS[name]), "auto", torch.device("cpu"), False, "mixed")
    assert chosen == ("sdpa" if name == "llama4_text" else "segments")


def test_a_mask_without_the_models_window_is_found(monkeypatch):
    """What was done before: the mask of the packing took the place of the model's own."""
    model = patterned("mistral", **PATTERNS["mistral"])
    monkeypatch.setattr(isolation, "patterns_alone", lambda config, length, device: None)
    with pytest.raises(LammModelError, match="half of its hidden states differ"):
        choose_proven(model, "sdpa", torch.device("cpu"), False, "mixed")


@pytest.mark.parametrize("name", ["bloom", "falcon"])
def test_a_model_that_counts_positions_by_the_row_trains_one_dialogue_a_row(name):
    shape = {"bloom": {"n_layer": 2, "n_head": 4}, "falcon": {"alibi": True, "new_decoder_architecture": False}}
    model = patterned(name, **shape[name])
    with pytest.raises(LammModelError, match=r"Set data\.packing = 'none'"):
        choose_proven(model, "auto", torch.device("cpu"), False, "shared_prefix")
    assert choose_proven(model, "auto", torch.device("cpu"), False, "none") in ("sdpa", "eager")
