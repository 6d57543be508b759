"""Generation with media of its own in every row: beams, several answers, sampling, caches; each as the row alone."""

import copy

import pytest
import torch
from transformers import DynamicCache

from lamm_model.errors import LammModelError
from lamm_model.model.adapter_layers import RoutingHook
from lamm_model.model.routing import ModalityRouting

ROWS = [("i0", "i1"), (), ("c1",), ("i2", "c0", "i1")]


@pytest.fixture(params=[False, True], ids=["bare", "adapters"])
def exact(pair, request, with_adapters):
    """A model in float64, so that a row in a batch is the row alone."""
    model, processor = pair
    if request.param:
        with_adapters(model)
    return model.double().eval(), processor


def inputs_of(processor, media, rows):
    dialogues, images, clouds = [], [], []
    for row in rows:
        marks = "".join({"i": "<image>", "c": "<pcl>"}[name[0]] for name in row)
        dialogues.append([{"from": "human", "value": f"{marks}What is there?"}])
        images += [media / f"{name[1]}.png" for name in row if name[0] == "i"]
        clouds += [media / f"{name[1]}.npy" for name in row if name[0] == "c"]
    batch = processor(dialogues, images=images, point_clouds=clouds)
    return {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}


def answers(model, processor, inputs, **options):
    """Return the new tokens of every row, what follows the end taken off."""
    ids = model.generate(**inputs, max_new_tokens=6, **options)[:, inputs["input_ids"].shape[1] :].tolist()
    end = processor.tokenizer.eos_token_id
    pad = processor.pad_token_id
    return [row[: row.index(end)] if end in row else [token for token in row if token != pad] for row in ids]


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 3},
        {"num_beams": 4, "num_return_sequences": 2},
        {"do_sample": True, "top_k": 1, "num_return_sequences": 3},
        {"do_sample": False, "use_cache": False},
        {"do_sample": False, "cache_implementation": "static"},
    ],
    ids=["beams", "beam returns", "returns", "no cache", "static"],
)
def test_rows_of_a_batch_answer_as_alone(exact, media, options):
    model, processor = exact
    together = answers(model, processor, inputs_of(processor, media, ROWS), **options)
    alone = [answers(model, processor, inputs_of(processor, media, [row]), **options) for row in ROWS]
    assert together == [answer for row in alone for answer in row]
    assert len({tuple(answer) for answer in together}) > 1


def test_rows_keep_their_media_when_they_are_repeated(exact, media):
    model, processor = exact
    inputs = inputs_of(processor, media, ROWS)
    ids, expanded = model._expand_inputs_for_generation(expand_size=2, **inputs)
    rows = torch.tensor([row for row in range(len(ROWS)) for _ in range(2)])
    assert torch.equal(ids, inputs["input_ids"][rows])
    assert torch.equal(expanded["pixel_values"], inputs["pixel_values"][[0, 1, 0, 1, 2, 3, 2, 3]])
    assert torch.equal(expanded["point_clouds"], inputs["point_clouds"][[0, 0, 1, 1]])
    with pytest.raises(LammModelError, match="Expected 4 media"):
        model._expand_inputs_for_generation(expand_size=2, **{**inputs, "pixel_values": inputs["pixel_values"][:3]})


def test_scores_are_the_logits_of_the_whole_row(exact, media):
    model, processor = exact
    inputs = inputs_of(processor, media, ROWS)
    options = {"do_sample": False, "output_scores": True, "return_dict_in_generate": True}
    found = model.generate(**inputs, max_new_tokens=3, suppress_tokens=[7], **options)
    width = inputs["input_ids"].shape[1]
    mask = torch.cat([inputs["attention_mask"], torch.ones(len(ROWS), 2, dtype=torch.long)], dim=1)
    given = {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    kinds = torch.cat([inputs["modality_ids"], inputs["modality_ids"][:, -1:].expand(-1, 2)], dim=1)
    pictures = {key: inputs[key] for key in ("pixel_values", "point_clouds")}
    whole = model(input_ids=found.sequences[:, : width + 2], modality_ids=kinds, **given, **pictures).logits.float()
    open_rows = found.sequences[:, width] != processor.tokenizer.eos_token_id
    for step, scores in enumerate(found.scores):
        assert torch.isinf(scores[:, [7, *model.placeholder_ids()]]).all()
        kept = torch.isfinite(scores) & open_rows[:, None] if step else torch.isfinite(scores)
        torch.testing.assert_close(scores[kept], whole[:, width - 1 + step][kept])


def test_suppressed_tokens_of_the_configuration_stay_suppressed(exact, media):
    model, processor = exact
    inputs = inputs_of(processor, media, ROWS[:1])
    first = answers(model, processor, inputs, do_sample=False)[0][0]
    model.generation_config.suppress_tokens = [first]
    assert answers(model, processor, inputs, do_sample=False)[0][0] != first


def test_a_dialogue_goes_on_from_its_cache(exact, media):
    model, processor = exact
    inputs = inputs_of(processor, media, [("i0", "i1")])
    options = {"do_sample": False, "max_new_tokens": 4, "return_dict_in_generate": True}
    first = model.generate(**inputs, past_key_values=DynamicCache(config=model.config.text_config), **options)
    later = inputs_of(processor, media, [("i2",)])
    joined = {"input_ids": torch.cat([first.sequences, later["input_ids"]], dim=1)}
    joined["attention_mask"] = torch.ones_like(joined["input_ids"])
    pictures = torch.cat([inputs["pixel_values"], later["pixel_values"]])
    fresh = model.generate(**joined, pixel_values=pictures, **options).sequences
    for given in (pictures, later["pixel_values"]):
        cache = copy.deepcopy(first.past_key_values)
        assert torch.equal(
            model.generate(**joined, pixel_values=given, past_key_values=cache, **options).sequences, fresh
        )
    with pytest.raises(LammModelError, match="Expected input_ids of the whole dialogue"):
        model.generate(**later, past_key_values=first.past_key_values, **options)


def test_candidates_are_checked_with_their_media(exact, media):
    model, processor = exact
    inputs = inputs_of(processor, media, [("i0", "c1")])
    plain = answers(model, processor, inputs, do_sample=False)
    assert answers(model, processor, inputs, do_sample=False, prompt_lookup_num_tokens=3) == plain
    assert answers(model, processor, inputs, do_sample=False, assistant_model=model) == plain


def test_assistants_that_see_no_media_are_refused(exact, media, parts):
    from transformers import AutoModelForCausalLM

    model, processor = exact
    other = AutoModelForCausalLM.from_pretrained(parts.language)
    with pytest.raises(
        LammModelError, match="Expected an assistant_model that sees the same media, got one of type llama"
    ):
        answers(model, processor, inputs_of(processor, media, ROWS[:1]), assistant_model=other)


def test_what_hides_the_media_is_refused(pair, media, with_adapters):
    model, processor = pair
    inputs = inputs_of(processor, media, ROWS[2:3])
    embeds = model.model.embed(inputs["input_ids"], point_clouds=inputs["point_clouds"].float())
    kinds, mask = inputs["modality_ids"], inputs["attention_mask"]
    assert model(inputs_embeds=embeds, attention_mask=mask).logits is not None  # without adapters nothing is chosen
    with_adapters(model)
    model.eval()
    routed = model(inputs_embeds=embeds, attention_mask=mask, modality_ids=kinds)
    whole = model(**{**inputs, "point_clouds": inputs["point_clouds"].float()})
    torch.testing.assert_close(routed.logits, whole.logits)
    for call in (model, model.generate):
        with pytest.raises(LammModelError, match="Expected modality_ids with inputs_embeds"):
            call(inputs_embeds=embeds, attention_mask=mask)
    with pytest.raises(LammModelError, match="Expected media to be part of inputs_embeds"):
        model(inputs_embeds=embeds, modality_ids=kinds, point_clouds=inputs["point_clouds"].float())
    with pytest.raises(LammModelError, match="Expected modality_ids with a cache"):
        model(input_ids=inputs["input_ids"][:, -1:], past_key_values=whole["past_key_values"])
    options = {"max_new_tokens": 4, "do_sample": False}
    prompt = inputs["input_ids"].shape[1]
    inputs["point_clouds"] = inputs["point_clouds"].float()
    expected = model.generate(**inputs, **options)[:, prompt:]
    found = model.generate(inputs_embeds=embeds, attention_mask=mask, modality_ids=kinds, **options)
    assert torch.equal(found, expected)
    with pytest.raises(LammModelError, match="use_cache"):
        model.generate(inputs_embeds=embeds, attention_mask=mask, modality_ids=kinds, use_cache=False, **options)


def test_masks_are_made_for_each_device():
    routing = ModalityRouting(enabled=True, modality_ids=torch.tensor([[1, 2]]))
    hook = RoutingHook(routing, 1)
    hook(None, None, torch.ones(1, 2, 3))
    assert hook(None, None, torch.ones(1, 2, 3, device="meta")).device.type == "meta"
    assert {key[2].type for key in routing.masks} == {"cpu", "meta"}
