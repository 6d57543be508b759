"""What a run is called where nobody names it, and answers that are read again as they were written."""

import json

import pytest

from lamm_model.errors import LammModelError, UsageError
from lamm_model.prediction.journal import Journal, model_identity, run_name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my-run/model", "my-run"),
        ("my-run", "my-run"),
        ("my-run/checkpoint-20", "my-run/checkpoint-20"),
        ("my-run/untuned", "my-run/untuned"),
        ("exported", "exported"),
    ],
)
def test_a_run_is_called_after_its_folder(tmp_path, folder, name):
    (tmp_path / folder).mkdir(parents=True)
    if folder.startswith("my-run"):
        (tmp_path / "my-run" / "run.json").write_text("{}")
    assert run_name(tmp_path / folder) == name
    assert run_name(tmp_path / folder, blind=True) == f"{name} (blind)"


def test_models_of_the_hub_and_of_endpoints_are_called_by_their_names():
    assert run_name("org/model-7b") == "org/model-7b"
    assert run_name("org/model-7b", blind=True, endpoint="http://localhost/v1") == "org/model-7b (blind)"


def test_another_model_differs_also_in_the_last_byte_of_a_large_file(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(3 << 20))
    before = model_identity(tmp_path)
    assert model_identity(tmp_path) == before
    weights.write_bytes(bytes((3 << 20) - 1) + b"x")
    assert model_identity(tmp_path) != before


HEADER = {"lamm": "predictions", "model": "m", "config": {"seed": 0}}
TEXT = "A dog.\u2028Two \U0001f600."


@pytest.fixture
def journal(tmp_path):
    """A journal with two answers."""
    made = Journal(tmp_path / "p.jsonl", HEADER)
    made.open()
    made.add([("a", {"text": TEXT}), ("b", {"text": "", "error": "odd"})])
    made.close()
    return made


def read(journal):
    again = Journal(journal.output, HEADER)
    again.open()
    again.close()
    return again.answers


def test_answers_are_read_as_they_were_written(journal):
    assert read(journal) == {"a": {"text": TEXT}, "b": {"text": "", "error": "odd"}}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"A dog.", b"A cat.", "its text was changed"),
        (b"A dog.", b"A \xff\xfe.", "its text was changed"),
        (b'"v":2', b'"v":9', "its version is 9"),
        (b'{"v":2', b'{"v":2,"note":1', "its text was changed"),
    ],
)
def test_changed_answers_are_named_by_their_line(journal, old, new, words):
    journal.path.write_bytes(journal.path.read_bytes().replace(old, new, 1))
    with pytest.raises(LammModelError, match=rf"p\.jsonl\.journal, line 2, got damaged text: {words}"):
        read(journal)


@pytest.mark.parametrize(
    "line",
    [
        '{"key": "a", "text": "x", "mood": 1}',
        '{"text": "x"}',
        '{"key": [], "text": "x"}',
        '{"key": "a"}',
        "[1]",
        "{",
        "[" * 9999,
    ],
)
def test_lines_of_another_shape_are_named_and_those_without_a_version_go_on(journal, line):
    old = json.dumps({"key": "c", "text": "x"})
    journal.path.write_text(f"{json.dumps(HEADER)}\n{old}\n")
    assert read(journal) == {"c": {"text": "x"}}
    journal.path.write_text(f"{json.dumps(HEADER)}\n{old}\n{line}\n")
    with pytest.raises(LammModelError, match="line 3, got damaged text"):
        read(journal)


@pytest.mark.parametrize("line", ['{"lamm": ' + "[" * 99_999, "[]", "1", ""])
def test_a_first_line_that_is_no_header_is_refused(journal, line):
    journal.path.write_text(f"{line}\n")
    with pytest.raises(UsageError, match="got another file"):
        read(journal)
