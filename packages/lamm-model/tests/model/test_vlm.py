"""A point cloud on top of models that see already: without one they stay what they are, bit for bit."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vlms import leave_out_videos, vlm_kinds
from transformers import AutoModelForImageTextToText, AutoProcessor

from lamm_model import AdapterSettings, add_adapters, build_on_vlm, save_model
from lamm_model.answering.decoding import answer_rows
from lamm_model.answering.prompt_state import MediaFeatures
from lamm_model.checkpoints.checkpoint import read_config
from lamm_model.checkpoints.export import export_checkpoint
from lamm_model.checkpoints.push import card_facts
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.hub import model_card
from lamm_model.model.routing import POINT_CLOUD
from lamm_model.processing import prompt_formats

NEW = {"max_new_tokens": 6, "do_sample": False}


def open_base(folder):
    leave_out_videos()
    return AutoModelForImageTextToText.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)


def on_top(folder, cloud_config, modalities=("point_cloud",), **settings):
    """Build on a base, with adapters whose B matrices are not zero."""
    model, processor = build_on_vlm(folder, cloud_config, seed=1, use_system=False, **settings)
    add_adapters(model, AdapterSettings(rank=4, modalities=list(modalities)))
    torch.manual_seed(5)
    for layer in lora_layers(model):
        for low_rank in layer.lora_B.values():
            torch.nn.init.normal_(low_rank.weight, std=0.2)
    return model.eval(), processor


def picture(number=0):
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def cloud(number=0):
    return np.random.default_rng(number).normal(size=(100, 6)).astype(np.float32).clip(-1, 1)


def ask(*blocks):
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    return [{"role": "user", "content": content}]


IMAGE = {"type": "image", "image": picture()}
CLOUD = {"type": "point_cloud", "point_cloud": cloud()}


def inputs(processor, *conversations):
    return processor.apply_chat_template(
        list(conversations), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        processor_kwargs={"padding": True, "padding_side": "left"},
    )  # fmt: skip


def plain_inputs(base_processor):
    """One prompt with a picture, one without."""
    return [
        inputs(base_processor, ask(IMAGE, "How many lamps are there?")),
        inputs(base_processor, ask("Where is the sofa?")),
    ]


def three_steps(model, processor):
    """Learn clouds for three steps."""
    rows = [
        processor.encode_dialogue(
            [{"from": "human", "value": "<pcl>What is it?"}, {"from": "gpt", "value": answer}], media=["point_cloud"]
        )
        for answer in ("A red chair", "A red lamp")
    ]
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=0.05)
    clouds = processor.feature_extractor([cloud(3), cloud(4)])["point_clouds"]
    model.train()
    for _ in range(3):
        loss = sum(
            model(
                input_ids=torch.tensor([row["input_ids"]]),
                labels=torch.tensor([row["labels"]]),
                point_clouds=clouds[number : number + 1],
            ).loss
            for number, row in enumerate(rows)
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


@pytest.mark.parametrize("kind", vlm_kinds())
def test_without_a_cloud_the_base_stays_bit_for_bit_also_after_clouds_were_learnt(kind, vlm_folder, cloud_config):
    base, base_processor = open_base(vlm_folder(kind))
    prompts = plain_inputs(base_processor)
    with torch.no_grad():
        logits = [base(**prompt).logits for prompt in prompts]
    answers = [base.generate(**prompt, **NEW) for prompt in prompts]
    weights = {name: value.clone() for name, value in base.state_dict().items()}
    model, processor = on_top(vlm_folder(kind), cloud_config)
    before = model(**inputs(processor, ask(CLOUD, "What is it?"))).logits
    for learns in (False, True):
        if learns:
            three_steps(model, processor)
        for prompt, expected, answer in zip(plain_inputs(processor), logits, answers, strict=True):
            assert "point_clouds" not in prompt
            with torch.no_grad():
                assert torch.equal(model(**prompt).logits, expected)
            assert torch.equal(model.generate(**prompt, **NEW), answer)
    after = model(**inputs(processor, ask(CLOUD, "What is it?"))).logits
    assert not torch.equal(before, after)  # it did learn
    own = {name.replace(".base_layer", ""): value for name, value in model.model.vlm.state_dict().items()}
    assert all(torch.equal(own[name], value) for name, value in weights.items())


@pytest.mark.parametrize("kind", vlm_kinds())
def test_cloud_and_image_in_one_row_answer_alone_as_in_a_batch_padded_on_the_left(kind, vlm_folder, cloud_config):
    model, processor = on_top(vlm_folder(kind), cloud_config)
    model.double()
    rows = [
        ask(IMAGE, CLOUD, "How many lamps are there in both, and where is the sofa?"),
        ask({"type": "point_cloud", "point_cloud": cloud(1)}, {"type": "image", "image": picture(1)}, "What is it?"),
    ]
    if not kind.startswith(("smol", "idefics", "gemma", "llava")):  # whose processors want a picture in each row
        rows += [ask({"type": "point_cloud", "point_cloud": cloud(2)}, "Where?"), ask("Yes or No?")]

    def typed(batch):
        return {
            name: value.double() if value.is_floating_point() else value
            for name, value in batch.items()
            if torch.is_tensor(value)
        }

    together = typed(inputs(processor, *rows))
    alone = [typed(inputs(processor, row)) for row in rows]
    with torch.no_grad():
        batched = model(**together).logits
        single = [model(**one).logits for one in alone]
    for number, one in enumerate(single):
        torch.testing.assert_close(batched[number, -1], one[0, -1], atol=1e-4, rtol=1e-3)
    answers = model.generate(**together, **NEW)[:, together["input_ids"].shape[1] :]
    for number, one in enumerate(alone):
        own = model.generate(**one, **NEW)[0, one["input_ids"].shape[1] :]
        filled = answers[number][: len(own)]
        assert filled.tolist() == own.tolist()
    # Another cloud, another answer: the rows see theirs.
    other = typed(inputs(processor, ask(IMAGE, {**CLOUD, "point_cloud": cloud(9)}, "How many?")))
    same = typed(inputs(processor, ask(IMAGE, CLOUD, "How many?")))
    with torch.no_grad():
        assert not torch.equal(model(**other).logits, model(**same).logits)


@pytest.mark.parametrize("kind", vlm_kinds())
def test_greedy_answers_are_those_of_passes_without_a_cache_and_beams_keep_their_cloud(kind, vlm_folder, cloud_config):
    model, processor = on_top(vlm_folder(kind), cloud_config)
    prompt = inputs(processor, ask(IMAGE, CLOUD, "How many lamps?"))
    answer = model.generate(**prompt, **NEW)[0]
    ids, rest = prompt["input_ids"], {k: v for k, v in prompt.items() if k not in ("input_ids", "attention_mask")}
    for _ in range(len(answer) - ids.shape[1]):
        types = {
            name: torch.cat([value, value.new_zeros(1, ids.shape[1] - value.shape[1])], dim=1)
            for name, value in rest.items()
            if name.endswith("token_type_ids")
        }
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **{**rest, **types}).logits[0, -1]
        logits[model.placeholder_ids()] = -torch.inf
        ids = torch.cat([ids, logits.argmax().view(1, 1)], dim=1)
    assert ids[0].tolist() == answer.tolist()
    several = model.generate(**prompt, max_new_tokens=4, num_beams=3, num_return_sequences=2)
    assert several.shape[0] == 2


@pytest.mark.parametrize("kind", ["qwen3_vl", "gemma3"])
def test_a_pipeline_answers_as_generate(kind, vlm_folder, cloud_config):
    from transformers import pipeline

    model, processor = on_top(vlm_folder(kind), cloud_config)
    answer = pipeline("image-text-to-text", model=model, processor=processor)
    for chat in (ask(IMAGE, "What is it?"), ask(CLOUD, "What is it?")):
        (reply,) = answer(text=chat, return_full_text=False, generate_kwargs=NEW)
        batch = inputs(processor, chat)
        ids = model.generate(**batch.to(model.device), **NEW)
        expected = processor.tokenizer.decode(ids[0, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        assert reply["generated_text"].strip() == expected.strip()


@pytest.mark.parametrize("kind", vlm_kinds())
def test_a_running_batch_answers_as_generate_does(kind, vlm_folder, cloud_config, media):
    model, processor = on_top(vlm_folder(kind), cloud_config)
    features, rows, expected = MediaFeatures(model, processor), [], []
    for number, kinds in enumerate([["image", "point_cloud"], ["point_cloud"], [], ["image", "image"]]):
        ends = ["png" if one == "image" else "npy" for one in kinds]
        shown = [(one, media / f"{(number + n) % 3}.{ends[n]}") for n, one in enumerate(kinds)]
        question = "How many lamps are there? " * (number + 1)
        pictures = [path for one, path in shown if one == "image"]
        turns = [{"from": "human", "value": question}]
        if kind == "llava_onevision" and len(pictures) > 1:  # shows several pictures in less detail
            with pytest.raises(LammModelError, match="reads several pictures otherwise"):
                processor.encode_dialogue(turns, media=kinds, pictures=pictures, for_generation=True)
            continue
        row = processor.encode_dialogue(turns, media=kinds, pictures=pictures, for_generation=True)
        rows.append(features.prompt_row(row, shown, NEW["max_new_tokens"]))
        blocks = [{"type": one, "path": str(path)} for one, path in shown]
        prompt = inputs(processor, ask(*blocks, question))
        assert prompt["input_ids"][0].tolist() == row["input_ids"]
        new = model.generate(**prompt, **NEW)[0, len(row["input_ids"]) :].tolist()
        expected.append([token for token in new if token not in processor.end_token_ids])
    assert answer_rows(model, processor, rows) == expected


def test_in_16_bits_the_base_stays_bit_for_bit_too(vlm_folder, cloud_config):
    _, base_processor = open_base(vlm_folder("qwen3_vl"))
    base = AutoModelForImageTextToText.from_pretrained(vlm_folder("qwen3_vl"), dtype=torch.bfloat16).eval()
    model, _ = on_top(vlm_folder("qwen3_vl"), cloud_config, dtype=torch.bfloat16)
    for prompt in plain_inputs(base_processor):
        prompt = prompt.to(torch.bfloat16)
        with torch.no_grad():
            assert torch.equal(model(**prompt).logits, base(**prompt).logits)


@pytest.mark.parametrize("kind", vlm_kinds())
def test_a_checkpoint_is_opened_by_the_auto_classes_and_answers_the_same(kind, vlm_folder, cloud_config, tmp_path):
    model, processor = on_top(vlm_folder(kind), cloud_config)
    prompt = inputs(processor, ask(IMAGE, CLOUD, "How many lamps?"))
    with torch.no_grad():
        expected = model(**prompt).logits
    save_model(model, processor, tmp_path / "model")
    opened = AutoModelForImageTextToText.from_pretrained(tmp_path / "model").eval()
    again = AutoProcessor.from_pretrained(tmp_path / "model")
    asked = inputs(again, ask(IMAGE, CLOUD, "How many lamps?"))
    assert asked.keys() == prompt.keys()
    with torch.no_grad():
        assert torch.equal(opened(**asked).logits, expected)
    assert not any(path.stat().st_size > 2_000_000 for path in (tmp_path / "model").rglob("*.safetensors"))


@pytest.mark.parametrize("kind", ["qwen3_vl", "gemma3"])  # the second with its head tied to its embedding
def test_a_whole_model_is_saved_and_loaded_exactly(kind, vlm_folder, cloud_config, tmp_path):
    model, processor = on_top(vlm_folder(kind), cloud_config)
    prompt = inputs(processor, ask(IMAGE, CLOUD, "How many lamps?"))
    model.save_pretrained(tmp_path)
    opened = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(opened(**prompt).logits, model(**prompt).logits)
    assert torch.equal(opened.generate(**prompt, **NEW), model.generate(**prompt, **NEW))


def test_it_is_not_merged_and_its_card_names_its_base(vlm_folder, cloud_config, tmp_path):
    model, processor = on_top(vlm_folder("qwen3_vl"), cloud_config)
    save_model(model, processor, tmp_path / "model")
    with pytest.raises(UsageError, match="would change what the base answers"):
        export_checkpoint(tmp_path / "model", tmp_path / "merged")
    card = model_card(read_config(tmp_path / "model"), card_facts(tmp_path / "model", "mit", {}))
    assert f"| vlm | {vlm_folder('qwen3_vl')} |" in card
    assert "reads text, images, point clouds (language model: qwen3_vl_text; adapter sets: point_cloud)" in card


def test_a_clouds_tokens_count_as_text_on_every_axis_of_the_positions(vlm_folder, cloud_config):
    model, processor = on_top(vlm_folder("qwen2_5_vl"), cloud_config)
    seen = []
    language_model = model.model.language_model
    language_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["position_ids"]), with_kwargs=True
    )
    prompt = inputs(processor, ask(IMAGE, CLOUD, "How many?"))
    model(**prompt)
    (positions,) = seen
    shown = prompt["input_ids"][0] == processor.point_cloud_token_id
    spans = positions[:, 0, shown]
    assert shown.sum() == processor.point_cloud_tokens
    assert torch.equal(spans[0], spans[1])
    assert torch.equal(spans[0], spans[2])
    assert torch.equal(spans[0].diff(), torch.ones(len(spans[0]) - 1, dtype=torch.long))


def test_an_image_set_serves_images_and_leaves_text_alone(vlm_folder, cloud_config):
    base, base_processor = open_base(vlm_folder("qwen3_vl"))
    with_image, without = plain_inputs(base_processor)
    model, processor = on_top(vlm_folder("qwen3_vl"), cloud_config, ("image", "point_cloud"), routes_images=True)
    with torch.no_grad():
        assert torch.equal(model(**without).logits, base(**without).logits)
        assert not torch.equal(model(**with_image).logits, base(**with_image).logits)
    row = processor.encode_dialogue(
        [{"from": "human", "value": "<image><pcl>What is it?"}], media=["image", "point_cloud"], pictures=[picture()],
        for_generation=True,
    )  # fmt: skip
    assert {1, 2} == set(row["modality_ids"])


@pytest.mark.parametrize("kind", vlm_kinds())
def test_training_reads_what_prompts_read_and_then_the_answer(vlm_folder, cloud_config, kind):
    _, processor = build_on_vlm(vlm_folder(kind), cloud_config, use_system=False)
    turns = [{"from": "human", "value": "<image><pcl>What is it?"}]
    media = {"media": ["image", "point_cloud"], "pictures": [picture()]}
    prompt = processor.encode_dialogue(turns, **media, for_generation=True)["input_ids"]
    asked = ask(IMAGE, CLOUD, "What is it?")
    assert inputs(processor, asked)["input_ids"][0].tolist() == prompt
    row = processor.encode_dialogue([*turns, {"from": "gpt", "value": "A red chair."}], **media)
    assert row["input_ids"][: len(prompt)] == prompt
    learnt = row["labels"][len(prompt) :]  # all that follows the prompt, the space that some templates write too
    assert set(row["labels"][: len(prompt)]) == {-100}
    assert -100 not in learnt
    assert processor.decode(learnt).strip().startswith("A red chair.")
    assert learnt[-1] in processor.end_token_ids
    assert set(row["modality_ids"]) == {POINT_CLOUD}


def test_a_call_places_clouds_where_their_markers_are(vlm_folder, cloud_config):
    _, processor = build_on_vlm(vlm_folder("qwen3_vl"), cloud_config)
    batch = processor(text=["A <pcl> here", "None"], point_clouds=[cloud()])
    counts = (batch["input_ids"] == processor.point_cloud_token_id).sum(dim=1).tolist()
    assert counts == [processor.point_cloud_tokens, 0]
    assert batch["point_clouds"].shape[0] == 1
    with pytest.raises(LammModelError, match="a cloud for each of 1 placeholders, got 0"):
        processor(text="A <pcl> here")
    with pytest.raises(LammModelError, match="1 clouds more"):
        processor.apply_chat_template(ask("Hello"), tokenize=True, point_clouds=[cloud()])


@pytest.mark.parametrize("tokenize", [False, True])
@pytest.mark.parametrize("kind", vlm_kinds()[:1])
def test_a_template_that_does_not_end_is_stopped(kind, vlm_folder, cloud_config, monkeypatch, tokenize):
    _, processor = build_on_vlm(vlm_folder(kind), cloud_config)
    monkeypatch.setattr(prompt_formats, "TEMPLATE_SECONDS", 0.5)
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    processor.base.chat_template = processor.base.tokenizer.chat_template = endless
    with pytest.raises(LammModelError, match="a chat template that ends"):
        processor.apply_chat_template(ask("Hello"), tokenize=tokenize)


@pytest.mark.parametrize("kind", vlm_kinds())
def test_a_rendered_text_and_its_media_are_what_the_template_makes_at_once(kind, vlm_folder, cloud_config):
    _, processor = build_on_vlm(vlm_folder(kind), cloud_config)
    at_once = inputs(processor, ask(IMAGE, CLOUD, "What is it?"))
    text = processor.apply_chat_template(ask(IMAGE, CLOUD, "What is it?"), add_generation_prompt=True)
    begun = text.startswith(processor.tokenizer.bos_token)
    apart = processor(text=[text], images=[[picture()]], point_clouds=[cloud()], add_special_tokens=not begun)
    assert apart.keys() == at_once.keys()
    assert all(torch.equal(apart[name], at_once[name]) for name in apart)


def test_clouds_and_placeholders_that_differ_are_refused(vlm_folder, cloud_config):
    model, processor = on_top(vlm_folder("qwen3_vl"), cloud_config)
    prompt = inputs(processor, ask(CLOUD, "What?"))
    clouds = prompt.pop("point_clouds")
    for run in (model, lambda **one: model.generate(**one, **NEW)):
        with pytest.raises(LammModelError, match=r"point-cloud placeholders in input_ids, got 0"):
            run(**prompt)
        with pytest.raises(LammModelError, match="one cloud per placeholder span"):
            run(**prompt, point_clouds=torch.cat([clouds, clouds]))


def test_what_is_no_model_that_sees_is_refused_with_the_reason(parts, cloud_config):
    with pytest.raises(UsageError, match=r"got llama .* A language model goes into model.language_model"):
        build_on_vlm(parts.language, cloud_config)


def test_a_copy_of_the_model_has_hooks_of_its_own(vlm_folder, cloud_config):
    model, processor = on_top(vlm_folder("qwen3_vl"), cloud_config)
    prompt = inputs(processor, ask(CLOUD, "What?"))
    copied = copy.deepcopy(model)
    with torch.no_grad():
        expected = model(**prompt).logits
        assert torch.equal(copied(**prompt).logits, expected)
