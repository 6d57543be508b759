"""Other models over HTTP: a real socket and the real client; the server stands in for a model nobody here has."""

import base64
import io
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_llm import UsageError
from lamm_model.errors import LammModelError
from lamm_model.prediction.command import predict, predict_files
from lamm_model.prediction.keep_going import EndpointRefusedError, failures_file
from lamm_model.prediction.queries import PredictionOptions


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.keys.append(self.headers["Authorization"])
        if self.server.failures:
            self.send_error(self.server.failures.pop())
            threading.Timer(0.3, self.server.go_on.set).start()  # time for the client to read the refusal first
            return
        self.server.go_on.wait()
        content = body["messages"][-1]["content"]
        images = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
        sizes = [Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).size for url in images]
        message = {"role": "assistant", "content": f" {content[-1]['text']} {sizes} "}
        reply = {
            "id": "1", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }  # fmt: skip
        payload = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.requests, httpd.keys, httpd.failures, httpd.go_on = [], [], [], threading.Event()
    httpd.go_on.set()
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def ask(server, media, out, name="", **options):
    path = media / "Counting_remote.json"
    records = [{"id": i, "image": f"{i}.png", "query": f"How many {i}?", "system": "Count."} for i in range(3)]
    path.write_text(json.dumps(records))
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return predict_files("llava", [(path, out)], PredictionOptions(batch_size=2, **options), endpoint=url, name=name)


def test_pictures_and_questions_arrive_and_answers_are_kept_in_order(server, media, tmp_path):
    ask(server, media, tmp_path / "p.jsonl", system="record")
    header, *answers = map(json.loads, (tmp_path / "p.jsonl").read_text().splitlines())
    assert header["config"]["name"] == "llava"
    assert [answer["text"] for answer in answers] == [f"How many {i}? [(50, 40)]" for i in range(3)]
    first = server.requests[0]
    assert first["temperature"] == 0
    assert first["max_tokens"] == 16
    assert first["messages"][0] == {"role": "system", "content": "Count."}


def test_blind_requests_hold_no_picture(server, media, tmp_path):
    ask(server, media, tmp_path / "p.jsonl", blind=True)
    assert all(len(request["messages"][-1]["content"]) == 1 for request in server.requests)


def test_a_run_has_a_name_which_a_finished_file_takes(server, media, tmp_path):
    def called(path):
        return json.loads(path.read_text().splitlines()[0])["model"]

    ask(server, media, tmp_path / "p.jsonl")
    ask(server, media, tmp_path / "b.jsonl", blind=True)
    assert (called(tmp_path / "p.jsonl"), called(tmp_path / "b.jsonl")) == ("llava", "llava (blind)")
    before = (tmp_path / "p.jsonl").read_text()
    (result,) = ask(server, media, tmp_path / "p.jsonl", name="mine")
    assert result["asked"] == 0
    assert (tmp_path / "p.jsonl").read_text() == before.replace('"model": "llava"', '"model": "mine"', 1)
    ask(server, media, tmp_path / "p.jsonl")  # an earlier name stays
    assert called(tmp_path / "p.jsonl") == "mine"


def test_failing_endpoint_names_the_record_and_keeps_what_was_answered(server, media, tmp_path):
    server.failures += [400]
    server.go_on.clear()
    with pytest.raises(LammModelError, match=r"Expected an answer from http.*id '"):
        ask(server, media, tmp_path / "p.jsonl")
    assert not (tmp_path / "p.jsonl").exists()
    (result,) = ask(server, media, tmp_path / "p.jsonl")
    assert result["asked"] == 2  # of the two that were under way, one was answered


def test_a_slow_answer_holds_up_no_other(server, bench, tmp_path):
    """The first request is answered only after all others have been: with rounds of two it would wait in vain."""
    begin = Handler.do_POST

    class Held(Handler):
        def do_POST(self):
            with server.first:
                mine, server.first_taken = not server.first_taken, True
            if mine:
                assert server.others.wait(30)
            begin(self)
            server.answered += not mine
            if server.answered == 5:
                server.others.set()

    server.first, server.first_taken, server.others, server.answered = threading.Lock(), False, threading.Event(), 0
    server.RequestHandlerClass = Held
    url = f"http://127.0.0.1:{server.server_port}/v1"
    (result,) = predict_files("x", [(bench, tmp_path / "p.jsonl")], PredictionOptions(batch_size=2), endpoint=url)
    assert result["asked"] == 6
    assert server.others.is_set()


def test_point_clouds_are_refused(media, tmp_path):
    path = media / "VQA_remote.json"
    path.write_text(json.dumps([{"id": "cloud", "pcl": "0.npy", "query": "What?"}]))
    with pytest.raises(LammModelError, match="no point clouds"):
        predict_files("x", [(path, tmp_path / "p.jsonl")], PredictionOptions(), endpoint="http://127.0.0.1:9/v1")


@pytest.fixture
def bench(media, tmp_path):
    shutil.copytree(media, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "Counting_keep.json"
    records = [{"id": i, "image": f"{i % 3}.png", "query": f"How many {i}?"} for i in range(6)]
    path.write_text(json.dumps(records))
    return path


def test_the_command_goes_on_counts_and_keeps_the_trace(server, bench, tmp_path):
    out = tmp_path / "out" / "p.jsonl"
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    records = json.loads(bench.read_text())
    records[2]["image"] = bad.name
    bench.write_text(json.dumps(records))
    url = f"http://127.0.0.1:{server.server_port}/v1"
    words = ["--model", "m", "--benchmark", str(bench), "--output", str(out), "--endpoint", url]
    stopped = CliRunner().invoke(predict, words)
    assert isinstance(stopped.exception, LammModelError)
    done = CliRunner().invoke(predict, [*words, "--keep-going"])
    assert done.exit_code == 0
    assert "1 sample failed" in done.stderr
    answers = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    assert [answer["id"] for answer in answers] == [str(i) for i in range(6)]
    assert answers[2]["text"] == ""
    assert "bad.png" in answers[2]["error"]
    assert not any("error" in answer for answer in answers[:2] + answers[3:])
    (entry,) = [json.loads(line) for line in failures_file(out).read_text().splitlines()]
    assert entry["id"] == "2"


def test_an_endpoint_that_is_not_there_stops_the_run(bench, tmp_path):
    with pytest.raises(EndpointRefusedError, match=r"Expected a server at http://127.0.0.1:9/v1, got none"):
        predict_files(
            "m", [(bench, tmp_path / "p.jsonl")], PredictionOptions(), endpoint="http://127.0.0.1:9/v1", keep_going=True
        )


def test_a_failing_server_is_asked_again(server, bench, tmp_path):
    server.failures += [500, 503]
    url = f"http://127.0.0.1:{server.server_port}/v1"
    (result,) = predict_files("x", [(bench, tmp_path / "p.jsonl")], PredictionOptions(batch_size=1), endpoint=url)
    assert result["asked"] == 6
    assert len(server.requests) == 8


def test_other_picture_formats_are_sent_as_png(server, media, tmp_path):
    Image.new("RGB", (7, 5)).save(media / "odd.bmp")
    path = media / "Counting_odd.json"
    path.write_text(json.dumps([{"id": 0, "image": "odd.bmp", "query": "How many?"}]))
    url = f"http://127.0.0.1:{server.server_port}/v1"
    predict_files("x", [(path, tmp_path / "p.jsonl")], PredictionOptions(), endpoint=url)
    (part, _) = server.requests[0]["messages"][-1]["content"]
    assert part["image_url"]["url"].startswith("data:image/png;base64,")
    assert json.loads((tmp_path / "p.jsonl").read_text().splitlines()[1])["text"] == "How many? [(7, 5)]"


@pytest.mark.parametrize("secret", ["me:s3cret@", "?api_key=s3cret", "?sig=s3cret"])
def test_an_address_with_a_secret_reaches_no_file(media, tmp_path, secret):
    (media / "Counting_a.json").write_text('[{"id": 0, "image": "0.png", "query": "How many?"}]')
    url = f"http://{secret}127.0.0.1:9/v1" if "@" in secret else f"http://127.0.0.1:9/v1{secret}"
    options = ["--model", "m", "--benchmark", media / "Counting_a.json", "--output", tmp_path / "p" / "p.jsonl"]
    result = CliRunner().invoke(predict, [str(word) for word in [*options, "--endpoint", url]])
    assert isinstance(result.exception, UsageError)
    assert "Expected an endpoint without user name" in str(result.exception)
    assert "s3cret" not in str(result.exception) + result.output
    assert not (tmp_path / "p").exists()


def test_a_key_goes_to_the_endpoint_that_it_is_named_for(server, media, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("MINE", "mine-12345")
    ask(server, media, tmp_path / "p.jsonl")
    assert not any("sk-of-openai" in key for key in server.keys)
    server.keys.clear()
    (path,) = media.glob("Counting_remote.json")
    url = f"http://127.0.0.1:{server.server_port}/v1"
    pairs = [(path, tmp_path / "q.jsonl")]
    predict_files("llava", pairs, PredictionOptions(), endpoint=url, api_key_env="MINE")
    assert set(server.keys) == {"Bearer mine-12345"}
