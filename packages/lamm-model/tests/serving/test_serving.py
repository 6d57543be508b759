"""The OpenAI-compatible server, over a socket, with the real client."""

import base64
import http.client
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lamm_model.answering.decoding import decode_rows
from lamm_model.model.adapters import merged_adapters
from lamm_model.serving.engine import ChatEngine, draw
from lamm_model.serving.messages import Attachment, ChatRequest
from lamm_model.serving.server import ChatServer


@pytest.fixture(scope="module")
def model_and_processor(parts, cloud_config, with_adapters):
    from lamm_model import build_pair

    model, processor = build_pair(parts.language, parts.clip, cloud_config, seed=1)
    with_adapters(model)
    return model.eval(), processor


@pytest.fixture(scope="module")
def server(model_and_processor):
    engine = ChatEngine(*model_and_processor, batch_size=4)
    httpd = ChatServer(("127.0.0.1", 0), engine, "tiny", max_new_tokens=6)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    engine.close()


@pytest.fixture(scope="module")
def client(server):
    from openai import OpenAI

    return OpenAI(base_url=server.url, api_key="none", max_retries=0)


def data_url(path, kind="application/octet-stream"):
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def question(text, *parts):
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def picture(path):
    return {"type": "image_url", "image_url": {"url": data_url(path, "image/png")}}


def cloud(path):
    return {"type": "file", "file": {"filename": path.name, "file_data": data_url(path)}}


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


def test_the_first_of_several_requests_waits_for_the_others(client, monkeypatch):
    """Answered by itself, it would make all others wait for its whole answer."""
    sizes = []

    def counted(model, processor, rows, **options):
        sizes.append(len(rows))
        return decode_rows(model, processor, rows, **options)

    monkeypatch.setattr("lamm_model.serving.engine.decode_rows", counted)
    monkeypatch.setattr("lamm_model.serving.engine.FIRST", 5.0)  # a busy machine may be slow with the second one
    start = threading.Barrier(4)

    def ask(number):
        start.wait()
        client.chat.completions.create(model="tiny", messages=question(f"How many {number}?"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sizes) == 4
    assert sizes[0] > 1


def test_many_requests_of_one_modality_are_answered_with_merged_weights_which_are_put_back(
    model_and_processor, media, monkeypatch
):
    model, processor = model_and_processor
    before = {name: value.clone() for name, value in model.state_dict().items()}
    merged = []

    def counted(model, name):
        merged.append(name)
        return merged_adapters(model, name)

    monkeypatch.setattr("lamm_model.serving.engine.merged_adapters", counted)
    monkeypatch.setattr("lamm_model.serving.engine.WORTH_MERGING", 3)
    engine = ChatEngine(model, processor, batch_size=6)
    try:
        picture_file = Attachment("image", "0.png", (media / "0.png").read_bytes())
        asked = [ChatRequest([{"from": "human", "value": f"{marker}How many {number}?"}], files, max_new_tokens=6)
                 for marker, files in (("<image>", [picture_file]), ("", [])) for number in range(3)]  # fmt: skip
        alone = ["".join(piece.text for piece in engine.answer(request)) for request in asked]
        assert merged == []
        monkeypatch.setattr("lamm_model.serving.engine.FIRST", 5.0)  # a busy machine may be slow with them
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda one: "".join(piece.text for piece in engine.answer(one)), asked))
    finally:
        engine.close()
    assert together == alone
    assert set(merged) == {"image", "text"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


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
            r"readable picture.*\(picture\)",
        ),
        ({"n": 2}, "n = 1"),
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


def raw(server, method="POST", path="/v1/chat/completions", body=b"{}", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    names = {"content_type": "Content-Type", "content_length": "Content-Length", "authorization": "Authorization"}
    connection.request(method, path, body, {names[key]: value for key, value in headers.items()})
    reply = connection.getresponse()
    content = json.loads(reply.read())
    connection.close()
    return reply.status, content


def test_what_no_client_sends_is_refused(server):
    assert raw(server, "GET", "/health", None) == (200, {"status": "ok"})
    assert raw(server, "GET", "/other", None)[0] == 404
    assert raw(server, content_type="text/plain")[0] == 415
    assert raw(server, body=b"{", content_type="application/json")[0] == 400
    assert raw(server, body=b"", content_type="application/json", content_length=str(1 << 40))[0] == 413
    assert raw(server, path="/v1/none", content_type="application/json")[0] == 404


def test_api_key_is_asked_for(model_and_processor):
    engine = ChatEngine(*model_and_processor)
    with ChatServer(("127.0.0.1", 0), engine, "tiny", api_key="secret") as httpd:
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
        ChatServer(("127.0.0.1", server.server_port), server.engine, "tiny")


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
