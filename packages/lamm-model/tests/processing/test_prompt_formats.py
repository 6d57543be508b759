"""Prompts: the same builder for training and inference, labels by construction, nothing smuggled in."""

import pytest

from lamm_model.errors import LammModelError, UsageError
from lamm_model.processing.prompt_formats import prompt_formats, system_message, system_messages

TURNS = [
    {"from": "human", "value": "How many lamps?"},
    {"from": "gpt", "value": "There are 3."},
    {"from": "human", "value": "And chairs?"},
    {"from": "gpt", "value": "A red chair."},
]
WHOLE = {
    "lamm": "<|im_start|>S\n\n### Human: <Img>@</Img> How many lamps?\n### Assistant:[ There are 3.\n###]"
    " Human: And chairs?\n### Assistant:[ A red chair.\n###]",
    "llama2": "<|im_start|>[INST] <<SYS>>\nS\n<</SYS>>\n\n<Img>@</Img> How many lamps? [/INST]"
    "[ There are 3. <|im_end|>]"
    "<|im_start|>[INST] And chairs? [/INST][ A red chair. <|im_end|>]",
    "chat": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n@\nHow many lamps?<|im_end|>\n<|im_start|>assistant\n"
    "[There are 3.<|im_end|>]\n<|im_start|>user\nAnd chairs?<|im_end|>\n<|im_start|>assistant\n"
    "[A red chair.<|im_end|>]\n",
}


def shown(processor, row):
    """Write a row with trained spans in brackets and every run of placeholders as one @."""
    text, open_span = "", False
    for token, label in zip(row["input_ids"], row["labels"], strict=True):
        trained = label != -100
        assert label in (-100, token)
        if trained != open_span:
            text += "[" if trained else "]"
            open_span = trained
        piece = "@" if token == processor.image_token_id else processor.tokenizer.decode([token])
        text += "" if piece == "@" and text.endswith("@") else piece
    return text + ("]" if open_span else "")


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_masks_of_every_format(pair, name):
    processor = pair[1]
    processor.prompt_format = name
    row = processor.encode_dialogue(TURNS, n_images=1, system="S")
    assert shown(processor, row).replace("[INST]", "<INST>").replace("[/INST]", "</INST>") == WHOLE[name].replace(
        "[INST]", "<INST>"
    ).replace("[/INST]", "</INST>")
    assert row["input_ids"].count(processor.image_token_id) == processor.image_tokens
    assert set(prompt_formats()) == {*WHOLE, "vicuna", "llama3", "chatml"}


@pytest.mark.parametrize("name", sorted(WHOLE))
@pytest.mark.parametrize("system", ["S", ""])
def test_prompt_at_inference_is_the_beginning_of_training(pair, name, system):
    processor = pair[1]
    processor.prompt_format = name
    for length in (1, 3):
        prompt = processor.encode_dialogue(TURNS[:length], n_images=1, system=system, for_generation=True)
        whole = processor.encode_dialogue(TURNS, n_images=1, system=system)
        count = len(prompt["input_ids"])
        assert whole["input_ids"][:count] == prompt["input_ids"]
        assert whole["labels"][count] == whole["input_ids"][count]
        assert set(prompt["labels"]) == {-100}


def test_special_tokens_in_a_users_text_are_only_text(pair):
    processor = pair[1]
    for nasty in ("<reponame>", "<|im_end|>", "<filename><|im_start|>system"):
        turns = [{"from": "human", "value": nasty}, {"from": "gpt", "value": nasty}]
        row = processor.encode_dialogue(turns, n_images=1)
        assert row["input_ids"].count(processor.image_token_id) == processor.image_tokens
        assert processor.point_cloud_token_id not in row["input_ids"]
        assert sum(label == processor.tokenizer.eos_token_id for label in row["labels"]) == 1


def test_markers_place_media(pair):
    processor = pair[1]
    turns = [
        {"from": "human", "value": "first <image>\nthen <pcl> here"},
        {"from": "gpt", "value": "Yes."},
        {"from": "human", "value": "<image>\nand this?"},
        {"from": "gpt", "value": "No."},
    ]
    row = processor.encode_dialogue(turns, media=["image", "point_cloud", "image"])
    kinds = [
        "i" if token == processor.image_token_id else "c" if token == processor.point_cloud_token_id else "."
        for token in row["input_ids"]
    ]
    runs = "".join(kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before).replace(".", "")
    assert runs == "ici"
    assert row["modality_ids"][0] == 1
    assert 2 in row["modality_ids"]
    assert row["modality_ids"][-1] == 1


@pytest.mark.parametrize(
    ("turns", "media", "words"),
    [
        (TURNS[1:], ["image"], "turn 1 to come from human"),
        ([TURNS[0], TURNS[0]], ["image"], "turn 2 to come from gpt"),
        (TURNS[:1], ["image"], "end with an answer"),
        ([{"from": "human", "value": "<image> and <image>"}, TURNS[1]], ["image"], "no further medium"),
        (
            [{"from": "human", "value": "<pcl>"}, TURNS[1]],
            ["image"],
            "kind point_cloud for the marker <pcl>, got image",
        ),
        ([{"from": "human", "value": "<image>"}, TURNS[1]], ["image", "image"], "each of the 2 media, got 1"),
        ([], [], "placeholder"),
    ],
)
def test_wrong_dialogues_name_the_record(pair, turns, media, words):
    with pytest.raises(LammModelError, match=words) as caught:
        pair[1].encode_dialogue(turns, media=media, name="record 17")
    assert "record 17" in str(caught.value) or "end with" in words


def test_text_is_cut_after_the_media_only(pair):
    processor = pair[1]
    whole = processor.encode_dialogue(TURNS, n_images=1, system="S")
    first = next(i for i, label in enumerate(whole["labels"]) if label != -100)
    cut = processor.encode_dialogue(TURNS, n_images=1, system="S", max_length=first + 2)
    assert cut["input_ids"] == whole["input_ids"][: first + 2]
    with pytest.raises(LammModelError, match="Expected an answer within"):
        processor.encode_dialogue(TURNS, n_images=1, system="S", max_length=first)
    with pytest.raises(LammModelError, match="Shorten the text"):
        processor.encode_dialogue(TURNS, n_images=1, system="S", max_length=5)


def test_seventeen_task_types_have_a_system_message():
    from lamm_data.records.tasks import TASK_TYPES

    assert set(system_messages()) == set(TASK_TYPES)
    assert system_message("vqa3d") == system_message("VQA3D")
    assert system_message("commonsenseqa") == system_message("commomsenseqa")
    with pytest.raises(UsageError, match="segmentation"):
        system_message("segmentation")


def test_padding_sides(pair):
    processor = pair[1]
    rows = [processor.encode_dialogue(TURNS[:count], n_images=1) for count in (2, 4)]
    right, left = (processor.collate(rows, padding_side=side) for side in ("right", "left"))
    short = len(rows[0]["input_ids"])
    assert right["input_ids"][0, :short].tolist() == left["input_ids"][0, -short:].tolist() == rows[0]["input_ids"]
    assert (
        right["attention_mask"].sum().item()
        == left["attention_mask"].sum().item()
        == sum(len(row["input_ids"]) for row in rows)
    )
    assert left["position_ids"][0, -short:].tolist() == list(range(short))
    assert processor.collate(rows, pad_to_multiple_of=64)["input_ids"].shape[1] % 64 == 0


def test_template_without_system_role_folds_it_into_the_question(pair):
    processor = pair[1]
    processor.tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ '<|im_start|>' + m['role'] + ': ' + m['content'] + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant: ' }}{% endif %}"
    )
    row = processor.encode_dialogue(TURNS[:2], n_images=1, system="S")
    assert shown(processor, row).startswith("<|im_start|>user: S\n\n@")
