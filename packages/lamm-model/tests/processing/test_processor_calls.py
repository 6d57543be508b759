"""The processor is called as any processor of transformers: every form of media, batches, options, chat messages."""

import base64

import numpy as np
import pytest
import torch
from PIL import Image

from lamm_model.errors import LammModelError, UsageError

ASK = "What is there?"


def same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.fixture
def shown(media):
    """Pictures and clouds by their number."""
    return [media / f"{number}.png" for number in range(3)], [media / f"{number}.npy" for number in range(3)]


def test_pictures_come_in_every_form(pair, shown):
    processor, path = pair[1], shown[0][0]
    text = f"<image>\n{ASK}"
    expected = processor(text=text, images=path)
    content = path.read_bytes()
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    pixels = np.asarray(Image.open(path))
    forms = [
        str(path), [path], [[path]], content, Image.open(path), pixels, pixels.transpose(2, 0, 1), torch.tensor(pixels),
        pixels / 255.0, pixels.astype(np.uint16) * 257, pixels[None], url,
    ]  # fmt: skip
    for form in forms:
        same(processor(text=text, images=form), expected)
    same(processor(Image.open(path), text), expected)  # transformers' order


def test_clouds_come_in_every_form(pair, shown):
    processor, path = pair[1], shown[1][0]
    expected = processor(text=f"<pcl>{ASK}", point_clouds=path)
    assert expected["point_clouds"].shape == (1, 64, 6)
    points = np.load(path)
    plain = processor(text=f"<pcl>{ASK}", point_clouds=points)
    for form in ([points], [[points]], torch.tensor(points), points[None]):
        same(processor(text=f"<pcl>{ASK}", point_clouds=form), plain)
    same(processor(text=f"<pcl>{ASK}", point_clouds=[[path]]), expected)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 4, 3)) - 0.5, "got -0.5"),
        (np.full((4, 4, 3), 2.0), "got 2 to 2"),
        (np.zeros((4, 4, 3), np.int32) + 300, "got 300"),
        (np.full((4, 4, 3), np.nan), "got nan"),
        (np.zeros((4, 5)), None),
        (np.zeros((2, 2, 2, 2)), "got shape"),
        (np.zeros((0, 4, 3), np.uint8), "got shape"),
        (3, "got int"),
        ("data:image/png,abc", "base64 data URL"),
    ],
)
def test_numbers_that_are_no_picture_are_refused_by_their_range(pair, pixels, words):
    call = lambda: pair[1].image_processor([pixels])  # noqa: E731
    if words is None:
        assert call()["pixel_values"].shape == (1, 3, 32, 32)
        return
    with pytest.raises(LammModelError, match=words):
        call()


def test_media_are_dealt_out_to_rows(pair, shown):
    processor = pair[1]
    images, clouds = shown
    texts = [f"<image><pcl>{ASK}", ASK, f"<pcl>{ASK}<image> and <image>"]
    flat = processor(text=texts, images=[images[0], images[1], images[2]], point_clouds=clouds[:2])
    nested = processor(
        text=texts, images=[[images[0]], [], [images[1], images[2]]], point_clouds=[[clouds[0]], [], [clouds[1]]]
    )
    same(flat, nested)
    assert flat["input_ids"].shape[0] == 3
    assert (flat["input_ids"] == processor.image_token_id).sum(1).tolist() == [4, 0, 8]
    dialogues = [[{"from": "human", "value": text}] for text in texts]
    marked = processor(dialogues, images=images, point_clouds=clouds[:2], system="")
    bare = [[{"from": "human", "value": ASK}]] * 2
    unmarked = processor(bare, images=[[images[0], images[1]], [images[2]]])
    assert (unmarked["input_ids"] == processor.image_token_id).sum(1).tolist() == [8, 4]
    assert marked["pixel_values"].shape[0] == 3


@pytest.mark.parametrize(
    ("texts", "images", "words"),
    [
        ([f"<image>{ASK}", ASK], [[0], [1]], r"row 2 \(0 of kind image"),
        ([f"<image>{ASK}", ASK], [0, 1], "Expected 1 media of kind image"),
        ([f"<image>{ASK}", ASK], [[0]], "got lists for 1 rows"),
        (ASK, [0], "row 1"),
        (f"<image><image>{ASK}", [0], r"2 of kind image.*got 1"),
    ],
)
def test_wrong_numbers_of_media_are_refused_by_row(pair, shown, texts, images, words):
    take = lambda item: [take(one) for one in item] if isinstance(item, list) else shown[0][item]  # noqa: E731
    with pytest.raises(LammModelError, match=words):
        pair[1](text=texts, images=take(images))


def test_options_of_a_tokenizer(pair, shown):
    processor = pair[1]
    texts = [f"<image>{ASK}", f"<image>{ASK} And a lamp?"]
    call = lambda **options: processor(text=texts, images=shown[0][:2], **options)  # noqa: E731
    lists = call(return_tensors=None, padding=False)
    lengths = [len(row) for row in lists["input_ids"]]
    assert lengths[0] < lengths[1]
    assert lists["attention_mask"] == [[1] * length for length in lengths]
    left, right = call(), call(padding_side="right", text_kwargs={"return_tensors": "np"})
    assert left["input_ids"][0, -lengths[0] :].tolist() == lists["input_ids"][0]
    assert right["input_ids"][0, : lengths[0]].tolist() == lists["input_ids"][0]
    assert isinstance(right["input_ids"], np.ndarray)
    assert call(padding="max_length", max_length=64)["input_ids"].shape == (2, 64)
    assert call(pad_to_multiple_of=32)["input_ids"].shape[1] % 32 == 0
    cut = call(truncation=True, max_length=lengths[0])
    assert cut["input_ids"].shape[1] == lengths[0]
    assert cut["input_ids"][1].tolist() == lists["input_ids"][1][: lengths[0]]
    with pytest.raises(LammModelError, match="max_length = 3"):
        call(truncation=True, max_length=3)
    with pytest.raises(UsageError, match="got paddding"):
        call(paddding=True)
    assert set(processor(images=shown[0])) == {"pixel_values"}


def chat(*blocks, role="user"):
    return {"role": role, "content": [*blocks, {"type": "text", "text": ASK}]}


def test_blocks_of_chat_messages(pair, shown):
    processor, path = pair[1], shown[0][0]
    code = base64.b64encode(path.read_bytes()).decode()
    render = lambda block: processor.apply_chat_template(  # noqa: E731
        [chat(block)], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    expected = render({"type": "image", "path": str(path)})
    url = f"data:image/png;base64,{code}"
    for block in (
        {"type": "image", "url": str(path)},
        {"type": "image", "image": Image.open(path)},
        {"type": "image", "base64": code},
        {"type": "image", "url": url},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": url},
    ):
        same(render(block), expected)
    with pytest.raises(LammModelError, match=r"transformers\.image_utils\.load_image"):
        render({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})
    with pytest.raises(LammModelError, match="got 'None'"):
        render({"type": "image"})
    later = processor.apply_chat_template(
        [chat({"type": "image"})], add_generation_prompt=True, tokenize=True, return_dict=True, images=[path]
    )
    same(later, expected)


def test_chat_template_has_transformers_defaults(pair, shown):
    processor = pair[1]
    one = [chat({"type": "image", "path": shown[0][0]}, {"type": "point_cloud", "path": shown[1][0]})]
    two = [{"role": "system", "content": "S"}, chat()]
    text = processor.apply_chat_template(one)
    assert isinstance(text, str)
    assert text.count(processor.image_token) == text.count(processor.point_cloud_token) == 1
    asked = processor.apply_chat_template(one, add_generation_prompt=True)
    assert asked.startswith(text)
    assert asked != text
    assert processor.apply_chat_template([one, two]) == [text, processor.apply_chat_template(two)]
    batch = processor.apply_chat_template([one, two], tokenize=True, return_dict=True)
    assert batch["input_ids"].shape[0] == 2
    assert batch["attention_mask"][1, 0] == 0
    assert torch.equal(processor.apply_chat_template([one, two], tokenize=True), batch["input_ids"])
    lists = processor.apply_chat_template(one, tokenize=True, return_tensors=None)
    assert lists == processor.apply_chat_template(one, tokenize=True).tolist()
    media = {"images": shown[0][0], "point_clouds": shown[1][0]}
    assert torch.equal(processor(text=text, **media)["input_ids"], torch.tensor(lists))


def test_answers_are_continued_and_marked(pair):
    processor = pair[1]
    open_one = [chat(), {"role": "assistant", "content": "A red"}]
    go_on = processor.apply_chat_template(open_one, continue_final_message=True)
    whole = processor.apply_chat_template([chat(), {"role": "assistant", "content": "A red chair."}])
    assert whole.startswith(go_on)
    assert go_on.endswith("A red")
    ids = processor.apply_chat_template(open_one, continue_final_message=True, tokenize=True)
    assert processor.tokenizer.decode(ids[0]) == go_on
    marked = processor.apply_chat_template(open_one, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    learnt = marked["input_ids"][marked["assistant_masks"].bool()]
    assert processor.tokenizer.decode(learnt) == "A red<|im_end|>"
    with pytest.raises(LammModelError, match="last message of the assistant"):
        processor.apply_chat_template([chat()], continue_final_message=True, tokenize=True)
    with pytest.raises(UsageError, match="got both"):
        processor.apply_chat_template(open_one, continue_final_message=True, add_generation_prompt=True)
    with pytest.raises(UsageError, match="prompt_format"):
        processor.apply_chat_template(open_one, chat_template="{{ messages }}")


def test_casting_leaves_coordinates_alone(pair, shown):
    batch = pair[1](text="<image><pcl>", images=shown[0][0], point_clouds=shown[1][0])
    clouds = batch["point_clouds"].clone()
    half = batch.to(dtype=torch.bfloat16)
    assert half["pixel_values"].dtype == torch.bfloat16
    assert half["input_ids"].dtype == torch.long
    assert torch.equal(half["point_clouds"], clouds)
