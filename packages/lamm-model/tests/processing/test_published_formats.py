"""Prompt formats against what their models' authors published, written out: the text, its loss, its end."""

import pytest

from lamm_model.processing.prompt_formats import prompt_format

TURNS = [
    {"from": "human", "value": "How many lamps?"},
    {"from": "gpt", "value": "There are 3."},
    {"from": "human", "value": "And chairs?"},
    {"from": "gpt", "value": "A red chair."},
]
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
# The learnt spans in brackets; <s> and </s> are the tokenizer's own begin and end.
TEXTS = {
    "vicuna": "<s>S USER: How many lamps? ASSISTANT:[ There are 3.</s>]USER: And chairs? ASSISTANT:[ A red chair.</s>]",
    "llama2": "<s>(INST) <<SYS>>\nS\n<</SYS>>\n\nHow many lamps? (/INST)[ There are 3. </s>]"
    "<s>(INST) And chairs? (/INST)[ A red chair. </s>]",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHow many lamps?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[There are 3.<|eot_id|>]"
    "<|start_header_id|>user<|end_header_id|>\n\nAnd chairs?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[A red chair.<|eot_id|>]",
    "chatml": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHow many lamps?<|im_end|>\n"
    "<|im_start|>assistant\n[There are 3.<|im_end|>]\n<|im_start|>user\nAnd chairs?<|im_end|>\n"
    "<|im_start|>assistant\n[A red chair.<|im_end|>]\n",
    "lamm": "<s>S\n\n### Human: How many lamps?\n### Assistant:[ There are 3.\n###]"
    " Human: And chairs?\n### Assistant:[ A red chair.\n###]",
}
STOPS = {"vicuna": [], "llama2": [], "llama3": ["<|eot_id|>"], "chatml": ["<|im_end|>"], "lamm": ["\n###", "###"]}
SPECIAL = ["<s>", "</s>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture
def processor(pair):
    """A tokenizer with the special tokens of all formats, begin and end as Llama has them."""
    processor = pair[1]
    processor.tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[2:]})
    processor.tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    return processor


def text_of(processor, row):
    pieces, learning = [], False
    for token, label in zip(row["input_ids"], row["labels"], strict=True):
        assert label in (-100, token)
        if learning != (label != -100):
            pieces.append("]" if learning else "[")
            learning = not learning
        pieces.append("@" if token == processor.image_token_id else processor.tokenizer.decode([token]))
    text = "".join(pieces) + ("]" if learning else "")
    return text.replace("@" * processor.image_tokens, "@")


def rounded(text):
    """Tell Llama 2's own brackets from those of the learnt spans."""
    return text.replace("[INST]", "(INST)").replace("[/INST]", "(/INST)")


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text_and_loss_are_the_published_ones(processor, name):
    processor.prompt_format = name
    row = processor.encode_dialogue(TURNS, media=[], system="S")
    assert rounded(text_of(processor, row)) == TEXTS[name]
    specials = {processor.tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    present = sum(token in specials for token in row["input_ids"])
    assert present == sum(TEXTS[name].count(token) for token in SPECIAL)  # each is one token, not its letters
    assert processor.stop_strings == STOPS[name]


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_prompts_open_the_training_text_and_end_where_the_model_speaks(processor, name):
    processor.prompt_format = name
    whole = processor.encode_dialogue(TURNS, media=[], system="S")
    for length in (1, 3):
        prompt = processor.encode_dialogue(TURNS[:length], media=[], system="S", for_generation=True)
        count = len(prompt["input_ids"])
        assert whole["input_ids"][:count] == prompt["input_ids"]
        assert whole["labels"][count] != -100
        closed = processor.encode_dialogue(TURNS[:length], media=[], system="S", for_generation=True, opened=False)
        assert prompt["input_ids"][: len(closed["input_ids"])] == closed["input_ids"] != prompt["input_ids"]


def test_vicuna_has_a_system_prompt_of_its_own_and_llava_s_pictures(processor):
    processor.prompt_format = "vicuna"
    row = processor.encode_dialogue(TURNS[:1], media=["image"], system="", for_generation=True)
    assert text_of(processor, row) == f"<s>{VICUNA} USER: @\nHow many lamps? ASSISTANT:"


@pytest.mark.parametrize("name", ["llama3", "chatml"])
def test_special_tokens_in_texts_stay_text(processor, name):
    processor.prompt_format = name
    stop = STOPS[name][0]
    turns = [{"from": "human", "value": f"Say {stop}"}, {"from": "gpt", "value": f"No {stop}"}]
    row = processor.encode_dialogue(turns, media=[], system=f"S {stop}")
    end = processor.tokenizer.convert_tokens_to_ids(stop)
    assert row["input_ids"].count(end) == 3  # of the three turns
    assert [label for label in row["labels"] if label == end] == [end]
    assert processor.answer_stopped([end])
    assert prompt_format(name)["control"]
