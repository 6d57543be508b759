"""Requests: the same key for the same question, made in parts or whole; what the key knows of images."""

import asyncio
import base64

import pytest

from lamm_llm import (
    FORMATS,
    FormatLadder,
    RequestMould,
    UnsupportedError,
    UsageError,
    closed_object,
    image_part,
    make_request,
    response_format,
    user_message,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
PREFIX = [{"role": "system", "content": "Be brief. \u00e9 \U0001f600"}]


@pytest.mark.parametrize("query", ["What?", "", 'quoted "text"\n', "\u65e5\u672c", "a" * 5000])
@pytest.mark.parametrize("answer_format", FORMATS)
def test_a_mould_makes_the_request_that_the_whole_payload_makes(query, answer_format):
    payload = {"model": "m", "messages": PREFIX, "max_tokens": 7, "temperature": 0.5}
    whole = {**payload, "messages": [*PREFIX, {"role": "user", "content": query}]}
    assert RequestMould(payload, answer_format, 3).request(query) == make_request(whole, answer_format, 3)


def test_what_decides_the_answer_decides_the_key():
    payload = {"model": "m", "messages": PREFIX, "max_tokens": 7}
    keys = {make_request({**payload, **change}).key for change in ({}, {"model": "n"}, {"max_tokens": 8})}
    assert len(keys | {make_request(payload, seed=1).key}) == 4
    assert make_request(payload).key == make_request(payload, "json_object").key


def request(*messages, seed=0):
    return make_request({"model": "m", "messages": list(messages), "max_tokens": 10}, seed=seed)


def test_an_image_is_sent_as_it_is(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    url = image_part(path)["image_url"]["url"]
    assert url == "data:image/jpeg;base64," + base64.b64encode(JPEG).decode()
    assert image_part(PNG)["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"RIFF1234WAVE"])
def test_what_is_no_image_is_refused(content):
    with pytest.raises(UsageError, match="Expected a JPEG, PNG, GIF or WebP image"):
        image_part(content)


def test_another_picture_is_another_request():
    first, second = (request(user_message("What is it?", [image])) for image in (PNG, JPEG))
    assert first.key != second.key
    assert first.key == request(user_message("What is it?", [PNG])).key
    assert request(user_message("What is it?")).key not in {first.key, second.key}


def test_the_key_knows_an_image_by_its_hash_and_the_estimate_does_not_count_its_bytes():
    large = request(user_message("What is it?", [PNG + bytes(3_000_000)]))
    assert large.prompt_tokens < 2000
    assert large.payload["messages"][0]["content"][0]["type"] == "image_url"


def test_addresses_of_images_are_part_of_the_key_as_they_are():
    parts = [{"type": "image_url", "image_url": {"url": f"https://example.org/{name}.png"}} for name in "ab"]
    keys = {request({"role": "user", "content": [part]}).key for part in parts}
    assert len(keys) == 2


def ladder_server(refused, sent):
    """Answers requests in their format, but for those formats that it does not know."""

    async def send(asked):
        if asked.format in refused:
            raise UnsupportedError("response_format", "unknown")
        return f"answer in {asked.format}"

    def build(answer_format):
        return make_request({"model": "m", "messages": [], "max_tokens": 5, "format": answer_format}, answer_format)

    return lambda ladder: asyncio.run(ladder.ask(build, send, sent)), build


def test_a_ladder_asks_in_the_strictest_format_that_the_server_knows():
    sent = []
    ask, _ = ladder_server({"json_schema"}, sent)
    ladder = FormatLadder()
    assert [ask(ladder), ask(ladder)] == ["answer in json_object"] * 2
    assert [request.format for request in sent] == ["json_schema", "json_object", "json_object"]


def test_a_ladder_asks_again_in_the_format_of_the_earlier_answer():
    ask, build = ladder_server((), [])
    assert ask(FormatLadder(asked_before={build("text").key})) == "answer in text"
    assert ask(FormatLadder(asked_before={"other"})) == "answer in json_schema"


@pytest.mark.parametrize("wanted", ["json_schema", "auto"])
def test_a_format_that_has_to_be_kept_is_not_left(wanted):
    sent = []
    ask, _ = ladder_server(set(FORMATS), sent)
    with pytest.raises(UnsupportedError):
        ask(FormatLadder(wanted))
    assert [request.format for request in sent] == (["json_schema"] if wanted == "json_schema" else list(FORMATS))


def test_the_formats_are_asked_for_by_one_parameter():
    schema = closed_object({"name": {"type": "string"}})
    strict = response_format("json_schema", "answer", schema)["response_format"]
    assert strict == {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    assert (schema["required"], schema["additionalProperties"]) == (["name"], False)
    assert response_format("text", "answer", schema) == {}


def png(width, height):
    return b"\x89PNG\r\n\x1a\n" + bytes([0, 0, 0, 13]) + b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02"


def jpeg(width, height, kind=0xC0):
    before = b"\xff\xd8" + b"\xff\xe1" + (302).to_bytes(2) + bytes(300) + b"\xff\xc4\x00\x04\x00\x00"
    return before + bytes([0xFF, kind, 0, 17, 8]) + height.to_bytes(2) + width.to_bytes(2) + bytes(10)


@pytest.mark.parametrize("made", [png, jpeg, lambda *size: jpeg(*size, kind=0xC2)])
def test_the_tokens_of_an_image_are_estimated_by_its_size(made):
    large, small = (request(user_message("?", [made(*size)])) for size in ((1500, 1000), (30, 20)))
    assert large.tokens - small.tokens == 1500 * 1000 // 750 - 1


@pytest.mark.parametrize("torn", [jpeg(9, 9)[:-15], jpeg(9, 9)[:3], png(9, 9)[:20], PNG[:8]])
def test_an_image_without_a_readable_size_counts_as_one_of_a_megapixel(torn):
    known, unknown = (request(user_message("?", [image])) for image in (png(9, 9), torn))
    assert unknown.tokens - known.tokens == 1024 - 1
