"""The same benchmark asked of a model of another family: a tiny LLaVA with random weights, saved and loaded."""

import json

import pytest
import torch

from lamm_model.checkpoints.checkpoint import model_folder
from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.queries import PredictionOptions

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}{{ '<image>\n' if part['type'] == 'image' else part['text'] }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"


def build_llava(folder, write_tokenizer, template=TEMPLATE):
    from transformers import (
        AutoTokenizer,
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    torch.manual_seed(0)
    write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        initializer_range=0.3,
    )  # fmt: skip
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    model = LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_id=image_id, image_token_index=image_id)
    )
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llava(tmp_path_factory, write_tokenizer):
    return build_llava(tmp_path_factory.mktemp("llava"), write_tokenizer)


def write(path, records):
    path.write_text(json.dumps(records))
    return path


def answers(path):
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


@pytest.fixture
def bench(media):
    records = [{"id": i, "image": f"{i % 3}.png", "query": f"How many {'red ' * (i % 4)}chairs?"} for i in range(7)]
    records += [{"id": "two", "image": ["0.png", "1.png"], "query": "Which is red?"}, {"id": "text", "query": "Why?"}]
    return write(media / "Counting_llava.json", records)


def test_batched_answers_equal_single_ones_and_generate(llava, bench, media, tmp_path):
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from lamm_model.processing.prompt_formats import system_message

    for size in (1, 4):
        predict_files(llava, [(bench, tmp_path / f"{size}.jsonl")], PredictionOptions(batch_size=size))
    batched = answers(tmp_path / "4.jsonl")
    assert batched == answers(tmp_path / "1.jsonl")
    assert [answer["id"] for answer in batched] == [*map(str, range(7)), "two", "text"]
    model, processor = AutoModelForImageTextToText.from_pretrained(llava).eval(), AutoProcessor.from_pretrained(llava)
    prompt = (
        f"<|im_start|>system\n{system_message('counting')}<|im_end|>\n"
        "<|im_start|>user\n<image>\nHow many red chairs?<|im_end|>\n<|im_start|>assistant\n"
    )
    inputs = processor(text=prompt, images=Image.open(media / "1.png"), return_tensors="pt", add_special_tokens=False)
    ids = model.generate(**inputs, max_new_tokens=16, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert processor.decode(ids, skip_special_tokens=True).strip() == batched[1]["text"]


def test_pictures_matter_and_are_withheld_when_blind(llava, bench, tmp_path):
    predict_files(llava, [(bench, tmp_path / "seen.jsonl")], PredictionOptions())
    predict_files(llava, [(bench, tmp_path / "blind.jsonl")], PredictionOptions(blind=True))
    seen, blind = answers(tmp_path / "seen.jsonl"), answers(tmp_path / "blind.jsonl")
    assert [a["text"] for a in seen[:8]] != [a["text"] for a in blind[:8]]
    assert seen[8] == blind[8]


def test_option_probabilities_and_two_passes(llava, media, tmp_path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    choices = ["a red chair", "blue"]
    record = {"id": 1, "image": "0.png", "query": "Which?", "gt_choices": choices}
    path = write(media / "VQA_llava.json", [record])
    options = PredictionOptions(probabilities=True, two_pass=True, max_new_tokens=4, system="none")
    predict_files(llava, [(path, tmp_path / "p.jsonl")], options)
    (answer,) = answers(tmp_path / "p.jsonl")
    assert "\nThe answer is " in answer["text"]
    model, processor = AutoModelForImageTextToText.from_pretrained(llava).eval(), AutoProcessor.from_pretrained(llava)
    from PIL import Image

    scores = []
    for choice in choices:
        text = f"<|im_start|>user\n<image>\nWhich?<|im_end|>\n<|im_start|>assistant\n{choice}"
        inputs = processor(text=text, images=Image.open(media / "0.png"), return_tensors="pt", add_special_tokens=False)
        ids = inputs["input_ids"][0]
        count = len(processor.tokenizer(choice, add_special_tokens=False)["input_ids"])
        logits = model(**inputs).logits[0].log_softmax(-1)
        picked = [float(logits[len(ids) - count + i - 1, ids[len(ids) - count + i]]) for i in range(count)]
        scores.append(sum(picked) / count)
    expected = torch.tensor(scores).softmax(0)
    torch.testing.assert_close(torch.tensor(answer["probabilities"]), expected, atol=1e-4, rtol=1e-4)


def test_template_without_system_role_gets_it_in_the_question(tmp_path, media, write_tokenizer):
    folder = build_llava(tmp_path / "llava", write_tokenizer, NO_SYSTEM + TEMPLATE)
    path = write(media / "Caption_llava.json", [{"id": 1, "image": "0.png", "query": "What?", "system": "Look."}])
    options = PredictionOptions(system="record", max_new_tokens=3)
    predict_files(folder, [(path, tmp_path / "p.jsonl")], options)
    assert len(answers(tmp_path / "p.jsonl")) == 1


def test_what_it_cannot_do_is_refused(llava, media, tmp_path):
    path = write(media / "VQA_cloud_llava.json", [{"id": "c", "pcl": "0.npy", "query": "What?"}])
    with pytest.raises(LammModelError, match=r"got a point cloud \(id 'c'\)"):
        predict_files(llava, [(path, tmp_path / "p.jsonl")], PredictionOptions())
    path = write(media / "VQA_long_llava.json", [{"id": "long", "image": "0.png", "query": "chair " * 700}])
    with pytest.raises(LammModelError, match=r"Expected at most \d+ tokens.*'long'"):
        predict_files(llava, [(path, tmp_path / "l.jsonl")], PredictionOptions())
    with pytest.raises(UsageError, match="quantize"):
        predict_files(llava, [(path, tmp_path / "q.jsonl")], PredictionOptions(), quantize="4bit")
    (tmp_path / "none").mkdir()
    with pytest.raises(LammModelError, match=r"without config\.json"):
        model_folder(tmp_path / "none")


def test_unknown_hub_name_is_named(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(LammModelError, match=r"nobody/no-such-model"):
        model_folder("nobody/no-such-model")


def test_folder_of_another_kind_is_refused(parts, media, tmp_path):
    path = write(media / "Caption_wrong.json", [{"id": 1, "image": "0.png", "query": "What?"}])
    with pytest.raises(LammModelError, match="image-text-to-text model of transformers"):
        predict_files(parts.language, [(path, tmp_path / "p.jsonl")], PredictionOptions())
