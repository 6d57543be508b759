"""The OpenAI-compatible server, over a socket, with the real client."""

import json
import signal
import subprocess
import sys
import threading

import pytest
import torch
from serving_requests import cloud, picture, question, raw

from lamm_model.serving.engine import ChatEngine
from lamm_model.serving.sampling import draw
from lamm_model.serving.server import ChatServer


@pytest.fixture(scope="module")
def client(server):
    from openai import OpenAI

    return OpenAI(base_url=server.url, api_key="none", max_retries=0)


def expected(model, processor, text, count=6, **media):
    inputs = processor([{"from": "human", "value": text}], **media)
    ids = model.generate(**inputs, max_new_tokens=count, do_sample=False)
    return processor.answer_texts(ids[:, inputs["input_ids"].shape[1] :])[0], inputs["input_ids"].shape[1]


def test_picture_and_cloud_are_answered_as_by_generate(client, model_and_processor, media):
    text, length = expected(*model_and_processor, "How many lamps?", images=[media / "0.png"])
    reply = client.chat.completions.create(model="tiny", messages=question("How many lamps?", picture(media / "0.png")))
    assert reply.choices[0].message.content == text
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.prompt_tokens == length
    text, _ = expected(*model_and_processor, "How many lamps?", point_clouds=[media / "1.npy"])
    reply = client.chat.completions.create(model="tiny", messages=question("How many lamps?", cloud(media / "1.npy")))
    assert reply.choices[0].message.content == text
    assert [model.id for model in client.models.list()] == ["tiny"]


def test_stream_is_the_answer_in_pieces(client, media):
    request = {"model": "tiny", "messages": question("What?", picture(media / "0.png"), cloud(media / "0.npy"))}
    whole = client.chat.completions.create(**request, max_tokens=12)
    chunks = list(
        client.chat.completions.create(**request, max_tokens=12, stream=True, stream_options={"include_usage": True})
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert sum(bool(piece) for piece in pieces) > 1
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage


def test_requests_that_wait_together_are_answered_as_alone(client, media):
    def ask(number, answers):
        message = question(f"How many {number}?", *([picture(media / f"{number}.png")] if number < 3 else []))
        answers[number] = client.chat.completions.create(model="tiny", messages=message).choices[0].message.content

    alone, together = {}, {}
    for number in range(5):
        ask(number, alone)
    threads = [threading.Thread(target=ask, args=(number, together)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_history_system_message_stop_and_seed(client, model_and_processor, media):
    messages = [
        {"role": "system", "content": "S"},
        *question("What is it?", picture(media / "0.png")),
        {"role": "assistant", "content": "A red chair."},
        {"role": "user", "content": "Where is the <image> chair?"},
    ]
    model, processor = model_and_processor
    turns = [
        {"from": "human", "value": "<image>What is it?"},
        {"from": "gpt", "value": "A red chair."},
        {"from": "human", "value": "Where is the  chair?"},
    ]
    inputs = processor(turns, images=[media / "0.png"], system="S")
    ids = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    whole = processor.answer_texts(ids[:, inputs["input_ids"].shape[1] :])[0]
    reply = client.chat.completions.create(model="tiny", messages=messages)
    assert reply.choices[0].message.content == whole
    stopped = client.chat.completions.create(model="tiny", messages=messages, stop=[whole[2:4]])
    assert stopped.choices[0].message.content == whole[: whole.index(whole[2:4])].strip()
    assert stopped.choices[0].finish_reason == "stop"
    drawn = [
        client.chat.completions.create(model="tiny", messages=messages, temperature=1.5, seed=seed)
        for seed in (1, 1, 2, 3, 4)
    ]
    texts = [reply.choices[0].message.content for reply in drawn]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "other"}, "Expected the model 'tiny'"),
        ({"messages": []}, "JSON object with messages"),
        ({"messages": [{"role": "assistant", "content": "I"}]}, "got 'assistant' as message 1"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "text, image_url or file"),
        (
            {"messages": question("?", {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}})},
            "opens no addresses",
        ),
        (
            {"messages": question("?", {"type": "image_url", "image_url": {"url": "file:///etc/hostname"}})},
            "opens no addresses",
        ),
        (
            {"messages": question("?", {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})},
            r"readable picture.*\(a picture in memory\)",
        ),
        ({"n": 17}, "n to be a number from 1 to 16"),
        ({"logprobs": False, "top_logprobs": 2}, "logprobs to be true"),
        ({"response_format": {"type": "grammar"}}, "response_format to be text"),
        ({"max_tokens": 2.5}, "whole number"),
        ({"frequency_penalty": 1}, "without frequency_penalty"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "without tools"),
        ({"messages": [{"role": "user", "content": "chair " * 900}]}, "Expected at most 511 tokens"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(client, change, words):
    from openai import APIStatusError

    request = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], **change}
    for stream in (False, True):
        with pytest.raises(APIStatusError, match=words) as caught:
            client.chat.completions.create(**request, stream=stream)
        assert caught.value.status_code in (400, 404)
    good = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hello"}])
    assert isinstance(good.choices[0].message.content, str)


def test_hostile_cloud_is_refused(client, tmp_path):
    import numpy as np
    from openai import BadRequestError

    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    np.save(tmp_path / "room.npy", np.array([[Hostile()] * 3], dtype=object), allow_pickle=True)
    with pytest.raises(BadRequestError, match=r"room\.npy"):
        client.chat.completions.create(model="tiny", messages=question("?", cloud(tmp_path / "room.npy")))
    assert not (tmp_path / "ran").exists()


def test_what_no_client_sends_is_refused(server):
    assert raw(server, "GET", "/health", None) == (200, {"status": "ok"})
    assert raw(server, "GET", "/other", None)[0] == 404
    assert raw(server, content_type="text/plain")[0] == 415
    assert raw(server, body=b"{", content_type="application/json")[0] == 400
    assert raw(server, body=b"", content_type="application/json", content_length=str(1 << 40))[0] == 413
    assert raw(server, path="/v1/none", content_type="application/json")[0] == 404


def test_api_key_is_asked_for(model_and_processor):
    engine = ChatEngine(*model_and_processor)
    httpd = ChatServer(("127.0.0.1", 0), engine, "tiny", api_key="secret")
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    assert raw(httpd, "GET", "/v1/models", None)[0] == 401
    assert raw(httpd, "GET", "/v1/models", None, authorization="Bearer wrong")[0] == 401
    assert raw(httpd, "GET", "/v1/models", None, authorization="Bearer secret")[0] == 200
    assert raw(httpd, content_type="application/json")[0] == 401
    httpd.shutdown()
    engine.close()


def test_taken_port_is_named(server, model_and_processor):
    from lamm_model.errors import LammModelError

    with pytest.raises(LammModelError, match=str(server.server_port)):
        ChatServer(("127.0.0.1", server.server_port), ChatEngine(*model_and_processor), "tiny")


def test_drawing_keeps_to_the_likeliest_share():
    logits = torch.log(torch.tensor([0.1, 0.6, 0.3]))
    generator = torch.Generator().manual_seed(0)
    drawn = [int(draw(logits, 1.0, 1.0, generator)) for _ in range(2000)]
    assert abs(drawn.count(1) / 2000 - 0.6) < 0.05
    assert {int(draw(logits, 1.0, 0.5, generator)) for _ in range(200)} == {1}
    assert {int(draw(logits, 1.0, 0.8, generator)) for _ in range(200)} == {1, 2}
    assert {int(draw(logits, 1.0, 0.0, generator)) for _ in range(50)} == {1}


def test_command_serves_until_it_is_told_to_end(model_and_processor, media, tmp_path):
    from openai import OpenAI

    from lamm_model import save_model

    save_model(*model_and_processor, tmp_path / "tiny")
    code = "from lamm_model.cli import model; model()"
    command = [sys.executable, "-c", code, "serve", "--model", str(tmp_path / "tiny"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), process.stderr.read()
        url, _, name = line.split()
        client = OpenAI(base_url=url, api_key="none", max_retries=0)
        messages = question("How many lamps?", cloud(media / "1.npy"))
        reply = client.chat.completions.create(model=name, messages=messages, max_tokens=6)
        text, _ = expected(*model_and_processor, "How many lamps?", point_clouds=[media / "1.npy"])
        assert reply.choices[0].message.content == text
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()


def test_several_answers_are_drawn_and_counted_once(client):
    request = {"model": "tiny", "messages": question("What?"), "temperature": 1.5, "seed": 3, "max_tokens": 12}
    reply = client.chat.completions.create(**request, n=3)
    texts = [choice.message.content for choice in reply.choices]
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len(set(texts)) > 1
    alone = client.chat.completions.create(**{**request, "seed": 4})
    assert alone.choices[0].message.content == texts[1]
    assert reply.usage.prompt_tokens == alone.usage.prompt_tokens
    assert reply.usage.completion_tokens > alone.usage.completion_tokens
    pieces = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(**request, n=3, stream=True):
        for choice in chunk.choices:
            pieces[choice.index] += choice.delta.content or ""
    assert list(pieces.values()) == texts


def test_log_probabilities_are_those_of_the_model(client, model_and_processor):
    model, processor = model_and_processor
    asked = {"model": "tiny", "messages": question("What?"), "logprobs": True, "top_logprobs": 3, "max_tokens": 5}
    reply = client.chat.completions.create(**asked)
    inputs = processor([{"from": "human", "value": "What?"}])
    ids = model.generate(**inputs, max_new_tokens=5, do_sample=False)[0]
    with torch.no_grad():
        logits = model(input_ids=ids[None]).logits[0].clone()
    logits[:, model.placeholder_ids()] = -torch.inf
    start, scores = inputs["input_ids"].shape[1], logits.log_softmax(dim=-1)
    content = reply.choices[0].logprobs.content
    assert content
    for number, found in enumerate(content):
        expected_scores = scores[start + number - 1]
        assert found.logprob == pytest.approx(float(expected_scores[ids[start + number]]), abs=1e-4)
        assert [one.logprob for one in found.top_logprobs] == pytest.approx(
            expected_scores.topk(3).values.tolist(), abs=1e-4
        )
        assert found.top_logprobs[0].token == found.token
    assert "".join(found.token for found in content).strip() == reply.choices[0].message.content
    streamed = [
        found.logprob
        for chunk in client.chat.completions.create(**asked, stream=True)
        if chunk.choices and chunk.choices[0].logprobs
        for found in chunk.choices[0].logprobs.content
    ]
    assert streamed == pytest.approx([found.logprob for found in content], abs=1e-4)


def test_answers_keep_to_a_json_schema(client):
    """A model of random weights writes what the schema allows and nothing else."""
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "lamp", "schema": schema, "strict": True}}
    for options in ({}, {"temperature": 2.0, "seed": 1}, {"temperature": 2.0, "seed": 2}):
        reply = client.chat.completions.create(
            model="tiny", messages=question("What?"), response_format=wanted, max_tokens=60, **options
        )
        found = json.loads(reply.choices[0].message.content)
        assert found["colour"] in ("red", "blue")
        assert found["count"] in range(10)
        assert list(found) == ["colour", "count"]
        assert reply.choices[0].finish_reason == "stop"


def test_without_its_packages_the_command_says_what_to_install(monkeypatch):
    from click.testing import CliRunner

    from lamm_model.cli import model
    from lamm_model.errors import UsageError

    for name in ("starlette", "uvicorn"):
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "lamm_model.serving.server", raising=False)
            patch.delitem(sys.modules, "lamm_model.serving.answers", raising=False)
            for loaded in [one for one in sys.modules if one.partition(".")[0] == name]:
                patch.delitem(sys.modules, loaded)
            patch.setitem(sys.modules, name, None)
            ran = CliRunner().invoke(model, ["serve", "--model", "nowhere"])
        assert isinstance(ran.exception, UsageError)
        assert str(ran.exception).endswith("pip install 'lamm-model[serve]'.")
