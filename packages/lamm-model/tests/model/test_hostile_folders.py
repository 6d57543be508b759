"""Folders of models that are not trusted: no code of theirs runs, templates end, files are what was saved."""

import json
import re
import shutil
import threading
import time

import pytest
from click.testing import CliRunner

from lamm_model import build_model, build_pair, build_processor, load_model, save_model
from lamm_model.checkpoints.checkpoint import is_lamm, locate
from lamm_model.cli import model as command
from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.command import predict_files
from lamm_model.prediction.image_text import load_image_text
from lamm_model.prediction.journal import run_header
from lamm_model.prediction.queries import PredictionOptions
from lamm_model.processing import prompt_formats

NESTED = "[" * 100_000 + "]" * 100_000
CLASSES = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoProcessor")


@pytest.fixture
def saved(pair, with_adapters, tmp_path):
    """A checkpoint, and a copy of its language model's folder that may be spoilt."""
    model, processor = pair
    with_adapters(model)
    save_model(model, processor, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def coded(tmp_path):
    """A folder whose configuration, model, tokenizer and processor are code that leaves a mark when it is run."""
    folder, mark = tmp_path / "coded", tmp_path / "it ran"
    folder.mkdir()
    about = {"model_type": "its_own", "auto_map": dict.fromkeys(CLASSES, "its_code.Own")}
    about["auto_map"]["AutoTokenizer"] = ["its_code.Own", None]
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"):
        (folder / name).write_text(json.dumps(about))
    (folder / "its_code.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Own: pass\n")
    return folder, mark


@pytest.fixture(autouse=True)
def a_terminal_that_must_not_be_asked(monkeypatch):
    def asked(*_):
        pytest.fail("a question was put to the user")

    monkeypatch.setattr("builtins.input", asked)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)


def test_no_loader_runs_code_of_a_folder_or_asks_whether_it_may(coded, parts, tmp_path):
    from lamm_model.building.building_vlm import build_on_vlm

    folder, mark = coded
    ids = {"image_token_id": 1, "point_cloud_token_id": 2}
    loaders = {
        "language model": lambda: build_model(folder, **ids),
        "image tower": lambda: build_model(parts.language, folder, **ids),
        "tokenizer": lambda: build_processor(folder),
        "pair": lambda: build_pair(folder),
        "model that sees": lambda: build_on_vlm(folder, "tiny"),
        "another family": lambda: load_image_text(folder, PredictionOptions(), "float32", "cpu"),
    }
    for name, load in loaders.items():
        with pytest.raises(LammModelError, match=r"brings code of its own .*coded") as caught:
            load()
        assert "\n" not in str(caught.value), name
        assert not mark.exists(), name


def test_a_checkpoints_processor_runs_no_code(saved, coded):
    path = saved / "tokenizer_config.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"auto_map": {"AutoTokenizer": ["its_code.Own", None]}}))
    shutil.copy(coded[0] / "its_code.py", saved)
    (saved / "checksums.json").unlink()  # as one who wants to be trusted would
    load_model(saved)  # transformers knows a tokenizer for it by itself
    assert not coded[1].exists()


def test_yes_is_said_by_name_and_recorded(coded, tmp_path):
    folder, mark = coded
    with pytest.raises(Exception, match="Own"):  # the code is run, and is none of a model
        load_image_text(folder, PredictionOptions(trust_remote_code=True), "float32", "cpu")
    assert mark.exists()
    bench = tmp_path / "VQA_x.json"
    bench.write_text("[]")
    header = run_header(folder, bench, PredictionOptions(trust_remote_code=True))
    assert header["config"]["trust_remote_code"] is True


def test_the_command_refuses_in_one_line_and_takes_the_option(coded, saved, tmp_path):
    folder, mark = coded
    bench = tmp_path / "VQA_x.json"
    bench.write_text(json.dumps([{"id": "1", "query": "What?"}]))
    line = ["predict", "--model", str(folder), "--benchmark", str(bench), "--output", str(tmp_path / "o.jsonl")]
    refused = CliRunner().invoke(command, line)
    assert refused.exit_code == 1
    assert "brings code of its own" in f"{refused.output}{refused.exception}"
    assert not mark.exists()
    CliRunner().invoke(command, [*line, "--trust-remote-code"])
    assert mark.exists()
    with pytest.raises(UsageError, match="brings no code"):
        predict_files(saved, [(bench, tmp_path / "p.jsonl")], PredictionOptions(trust_remote_code=True))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "lamm.json"])
def test_files_nested_beyond_reason_are_refused_in_words(saved, name):
    (saved / "checksums.json").unlink()
    (saved / name).write_text(NESTED)
    with pytest.raises(LammModelError) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)
    assert "model" in str(caught.value)


@pytest.mark.parametrize("content", [NESTED, "[]", "{", '"text"'])
def test_a_configuration_that_is_none_is_refused_in_words(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(LammModelError, match=r"config\.json"):
        is_lamm(tmp_path)


@pytest.mark.parametrize(("name", "size"), [("config.json", 1 << 25), ("tokenizer.json", 1 << 29)])
def test_huge_files_are_refused_before_they_are_read(saved, name, size):
    with (saved / name).open("r+b") as file:
        file.truncate(size)
    with pytest.raises(LammModelError, match=rf"at most \d+ MiB, got {size >> 20} MiB .*{name}"):
        locate(saved)


def test_a_changed_byte_of_any_file_is_refused_by_name(saved):
    names = sorted(str(path.relative_to(saved)) for path in saved.rglob("*") if path.is_file())
    assert "checksums.json" in names
    for name in (name for name in names if name not in ("checksums.json", "lamm.json", "config.json")):
        path = saved / name
        whole = path.read_bytes()
        position = len(whole) // 2
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(LammModelError, match="is not what was written") as caught:
            load_model(saved)
        assert name in str(caught.value)
        path.unlink()
        with pytest.raises(LammModelError, match="missing") as caught:
            load_model(saved)
        assert name in str(caught.value)
        path.write_bytes(whole)
    load_model(saved)


def test_files_beside_and_folders_without_checksums_are_taken(saved):
    (saved / "README.md").write_text("A card.")
    load_model(saved)
    (saved / "checksums.json").unlink()
    (saved / "README.md").unlink()
    load_model(saved)


def test_checksums_lead_nowhere_outside(saved):
    (saved / "checksums.json").write_text(json.dumps({"../../../etc/passwd": "0"}))
    with pytest.raises(LammModelError, match="missing"):
        load_model(saved)


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
GROWING = "{% set n = namespace(t='" + "x" * 64 + "') %}{% for a in range(60) %}{% set n.t = n.t + n.t %}{% endfor %}"
TEMPLATES = {
    "endless": (ENDLESS, "a chat template that ends"),
    "slow filter": ("{% for a in range(99999) %}{{ lipsum(n=99999) | length }}{% endfor %}", "that ends"),
    "growing": (GROWING, "that ends"),
    "power": ("{{ 10 ** (10 ** 9) }}", "one with powers"),
    "spread power": ("{{ f(2, (3) ** 999999999) }}", "one with powers"),
    "nested": ("{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", "can be rendered|chat template"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_that_do_not_end_are_stopped_in_words(pair, monkeypatch, name):
    template, words = TEMPLATES[name]
    _, processor = pair
    monkeypatch.setattr(prompt_formats, "TEMPLATE_SECONDS", 1.0)
    processor.tokenizer.chat_template = template
    began, failed = time.monotonic(), []

    def render():  # in a thread too: a server's are not the main one
        try:
            prompt_formats._apply(processor.tokenizer, [{"role": "user", "content": "?"}], True)
        except LammModelError as fault:
            failed.append(str(fault))

    thread = threading.Thread(target=render)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert time.monotonic() - began < 20
    assert len(failed) == 1
    assert re.search(words, failed[0])


def test_templates_may_spread_arguments_and_write_asterisks(pair):
    _, processor = pair
    processor.tokenizer.chat_template = (
        "{% macro m(a=1, b=2) %}**{{ a }}{{ b }}**{% endmacro %}{{ m(**{'a': 3}) }}{{ m(b=1, **{'a': 3}) }}{{ '**' }}"
    )
    assert prompt_formats._apply(processor.tokenizer, [{"role": "user", "content": "?"}], True) == "**32****31****"
