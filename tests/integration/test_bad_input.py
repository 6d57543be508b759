"""Bad input gets one line that says what was expected, what was found and what to do; nothing half-written stays."""

import json
import resource
import shutil

import pytest


def one_line(done, code=1):
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1, done.stderr
    return done.stderr[done.stderr.index("Error:") :]


@pytest.fixture
def question(tmp_path):
    """Write a benchmark file with one record about one medium."""

    def write(**changes):
        record = {"id": "q1", "image": "a.png", "query": "What?", "label": "circle", "task": "classification"}
        path = tmp_path / "Classification_X.json"
        path.write_text(json.dumps([{**record, **changes}]))
        return path

    return write


def test_an_unknown_task(lamm, question):
    path = question()
    done = lamm("metrics", "score", "--task", "clasification", "--benchmark", path, "--predictions", path)
    assert "classification" in one_line(done, 2)


def test_missing_media(lamm, question, tiny_models, tmp_path):
    output = tmp_path / "p.jsonl"
    files = ["--benchmark", question(), "--media-root", tmp_path / "nowhere", "--output", output]
    assert "nowhere" in one_line(lamm("model", "predict", "--model", tiny_models.tuned, *files), 1)
    assert not output.exists()


def test_an_unreadable_image(lamm, question, tiny_models, tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    done = lamm(
        "model", "predict", "--model", tiny_models.tuned, "--benchmark", question(), "--output", tmp_path / "p.jsonl"
    )
    assert "a.png" in one_line(done)


def test_an_empty_data_set(lamm, tmp_path):
    (tmp_path / "none.jsonl").write_text("")
    arguments = ["--output", tmp_path / "run", "--set", f'data.records=["{tmp_path / "none.jsonl"}"]']
    assert "found none" in one_line(lamm("model", "finetune", "tiny", *arguments))


def test_an_endpoint_that_is_down(lamm, tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": 1, "image": "a.png", "captions": ["a dog"]}) + "\n")
    arguments = ["--type", "daily_dialogue", "--annotations", tmp_path / "rows.jsonl", "--model", "m"]
    arguments += ["--endpoint", "http://127.0.0.1:9/v1", "--output", tmp_path / "out.jsonl"]
    assert "127.0.0.1:9" in one_line(lamm("data", "generate", *arguments))
    assert not (tmp_path / "out.jsonl").exists()


def test_a_checkpoint_of_another_model(lamm, question, tiny_models, tmp_path):
    wrong = tmp_path / "wrong"
    shutil.copytree(tiny_models.tuned, wrong)
    config = json.loads((wrong / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] += 1
    config["point_cloud_config"]["hidden_size"] *= 2
    (wrong / "config.json").write_text(json.dumps(config))
    done = lamm("model", "predict", "--model", wrong, "--benchmark", question(), "--output", tmp_path / "p.jsonl")
    assert one_line(done, done.returncode or 1)
    assert not (tmp_path / "p.jsonl").exists()


def test_a_full_disk(lamm, world, tmp_path):
    """A file-size limit stands for the full disk: writing fails in the same place, with the error of the system."""
    output = tmp_path / "instructions.jsonl"
    done = lamm(
        "data", "convert", "--root", world, "--output", output,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    one_line(done)
    assert not output.exists()
