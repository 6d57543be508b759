"""Files are read whole, every fault is said with its place, and records are paired by id."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamm_metrics.errors import LammMetricsError, UsageError
from lamm_metrics.records.files import FileFaultsError
from lamm_metrics.records.predictions import Prediction, read_predictions
from lamm_metrics.records.tasks import pair, read_references

RECORD = {"id": 1, "label": "cat"}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def faults(call, *arguments):
    with pytest.raises(FileFaultsError) as raised:
        call(*arguments)
    return raised.value


def test_json_lines_with_header_and_the_published_list_read_alike(tmp_path):
    lines = '{"lamm": "predictions", "model": "m"}\n{"id": 1, "text": "a"}\n\n{"id": "x", "text": {"neck": "[0, 1]"}}\n'
    found = read_predictions(write(tmp_path / "p.jsonl", lines))
    assert found.header["model"] == "m"
    assert found.records == {"1": Prediction("1", "a"), "x": Prediction("x", {"neck": "[0, 1]"})}
    published = '[{"id": 1, "text": "a", "delta_path": "somewhere"}, {"id": "x", "text": {"neck": "[0, 1]"}}]'
    assert read_predictions(write(tmp_path / "p.json", published)).records == found.records


def test_byte_order_mark_and_line_separators_inside_strings(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes("\ufeff".encode() + '{"id": 1, "text": "a\u2028b"}\r\n'.encode())
    assert read_predictions(path).records["1"].text == "a\u2028b"


def test_truncated_json_lines_says_the_line(tmp_path):
    error = faults(read_predictions, write(tmp_path / "p.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "te'))
    assert "p.jsonl" in str(error)
    assert "line 2" in str(error)
    assert "truncated" in str(error)


def test_all_faults_are_said_at_once(tmp_path):
    lines = [
        '{"id": 1, "text": 5}',
        '{"text": "no id"}',
        '{"id": 3, "boxes": [{"label": "cat", "box": [1, 2, 3]}]}',
        '{"id": 4, "number": NaN}',
        '{"id": 5, "number": 1e999}',
        '{"id": 6}',
        '{"id": 7, "text": "a"}',
        '{"id": 7, "text": "b"}',
        '"just text"',
    ]
    error = faults(read_predictions, write(tmp_path / "p.jsonl", "\n".join(lines)))
    assert len(error.faults) == 8
    text = str(error)
    for part in ("'1'", "line 2", "'3'", "line 4", "got NaN", "'5'", "'6'", "more than once: '7'", "line 9"):
        assert part in text


def test_first_ten_faults_and_the_count(tmp_path):
    lines = ['{"text": "a"}' if i % 2 else '{"id": 1, "text": 5}' for i in range(25)]
    error = faults(read_predictions, write(tmp_path / "p.jsonl", "\n".join(lines)))
    assert "25 faults" in str(error)
    assert "and 15 more" in str(error)
    assert "line 11" not in str(error)


def test_a_fault_that_all_lines_share_is_said_once_with_the_count_and_the_fix(tmp_path):
    error = faults(read_predictions, write(tmp_path / "p.jsonl", "\n".join('{"text": "a"}' for _ in range(25))))
    assert str(error).count("expected one key of an id") == 1
    assert "(records read: 25)" in str(error)
    assert "--id-key KEY" in str(error)
    numbers = "\n".join(f'{{"id": {i}, "text": {i}}}' for i in range(25))
    error = faults(read_predictions, write(tmp_path / "p.jsonl", numbers))
    assert len(error.faults) == 25
    assert str(error).count("to be a string") == 1
    assert "25 faults, all alike: line 1, id '0'" in str(error)
    assert "line 10, id '9' and 15 more" in str(error)


def test_bytes_that_are_no_utf8_say_the_line(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b'{"id": 1, "text": "a"}\n{"id": 2, "text": "\xff"}\n')
    with pytest.raises(LammMetricsError, match=r"line 2.*UTF-8, got byte 0xff"):
        read_predictions(path)
    path.write_bytes(b'[{"id": 1, "text": "a"},\n{"id": 2, "text": "\xff"}]\n')
    with pytest.raises(LammMetricsError, match=r"UTF-8, got byte 0xff.*line 2"):
        read_predictions(path)


def test_much_nonsense_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"nonsense\n" * 2_000_000)
    start = time.process_time()
    error = faults(read_predictions, path)
    assert time.process_time() - start < 2
    assert "1000 faults or more" in str(error)
    path.write_bytes(b"[" + b"1," * 500_000 + b"1]")
    assert len(faults(read_predictions, path).faults) == 1000
    assert len(faults(read_references, path, "vqa").faults) == 1000


def test_shards_put_together_keep_their_headers(tmp_path):
    shard = '{"lamm": "predictions", "model": "m"}\n{"id": %d, "text": "a"}\n'
    found = read_predictions(write(tmp_path / "p.jsonl", shard % 1 + shard % 2))
    assert (list(found.records), found.header["model"]) == (["1", "2"], "m")
    assert "generation" in str(faults(read_predictions, write(tmp_path / "q.jsonl", '{"lamm": "generation"}')))


def test_deep_nesting_is_a_fault_not_a_crash(tmp_path):
    faults(read_predictions, write(tmp_path / "p.jsonl", '{"id": 1, "text": ' + "[" * 100_000))
    faults(read_references, write(tmp_path / "r.json", "[" * 100_000), "vqa")


def test_references_of_another_task_are_recognised(tmp_path):
    path = write(tmp_path / "Counting_X.json", json.dumps([{"id": 1, "num": 3, "query": "how many"}]))
    error = faults(read_references, path, "classification")
    assert "`label`" in str(error)
    assert "counting" in str(error)


@pytest.mark.parametrize(
    ("task", "record", "said"),
    [
        ("classification", {"label": ""}, "label"),
        ("classification", {"label": "cat", "labels": "cat"}, "labels"),
        ("vqa", {"gt_choice": 3, "gt_choices": ["a", "b"]}, "gt_choice"),
        ("vqa", {"gt_choice": True, "gt_choices": ["a", "b"]}, "gt_choice"),
        ("vqa", {"gt_choice": 0}, "gt_choices"),
        ("caption", {"sentences": []}, "sentences"),
        ("counting", {"num": -1}, "num"),
        ("counting", {"num": float("nan")}, "num"),
        ("ocr", {"word_list": [1]}, "word_list"),
        ("detection", {"object": [{"label": "cat", "bbox": [0, 0, 1]}]}, "[4]"),
        ("detection3d", {"object": [{"label": "cat", "bbox": [0, 0, 1, float("inf"), 1, 1]}]}, "finite"),
        ("keypoint_detection", {"gt_joints": [[1, 2, 1]]}, "image_size"),
        ("locating", {"points": [[1, 2]]}, "image_size"),
        ("visual_grounding3d", {"gt_bbox": [1, 2]}, "gt_bbox"),
        ("yes_no", {"label": "maybe"}, "yes or no"),
    ],
)
def test_faulty_truth_says_the_id_and_the_key(task, record, said):
    error = faults(read_references, [{"id": "r7", **record}], task)
    assert "r7" in str(error)
    assert said in str(error)


def test_unknown_task_is_misuse():
    with pytest.raises(UsageError, match="classification"):
        read_references([RECORD], "telepathy")


def test_data_set_comes_from_the_file_name(tmp_path):
    path = write(tmp_path / "Facial_Classification_CelebA(Smile).json", json.dumps([{"id": 1, "attr": "1"}]))
    assert read_references(path, "facial_classification").dataset == "CelebA(Smile)"


def test_missing_and_unknown_ids_are_listed_ten_and_counted():
    references = read_references([{"id": i, "label": "cat"} for i in range(30)], "classification")
    answers = read_predictions([{"id": f"x{i}", "text": ""} for i in range(12)])
    error = faults(pair, references, answers)
    assert "(30 in all)" in str(error)
    assert "(12 in all)" in str(error)
    assert "'x9'" in str(error)
    assert "'x10'" not in str(error)


def test_missing_answers_can_count_as_failed():
    references = read_references([RECORD, {"id": 2, "label": "dog"}], "classification")
    paired = pair(references, read_predictions([{"id": 1, "text": "cat"}]), "failed")
    assert paired["2"] == Prediction("2")
    with pytest.raises(UsageError, match="error or failed"):
        pair(references, read_predictions([]), "ignore")


def test_records_are_paired_by_id_never_by_position():
    references = read_references([{"id": i, "label": str(i)} for i in range(5)], "classification")
    answers = read_predictions([{"id": i, "text": str(i)} for i in reversed(range(5))])
    assert all(prediction.text == key for key, prediction in pair(references, answers).items())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_read_or_raise_our_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "p.jsonl"
    path.write_bytes(data)
    for read in (read_predictions, lambda source: read_references(source, "detection")):
        with contextlib.suppress(LammMetricsError):
            read(path)


KEYS = st.sampled_from(
    [
        "id",
        "text",
        "boxes",
        "points",
        "box",
        "point",
        "label",
        "score",
        "probabilities",
        "choice",
        "number",
        "object",
        "bbox",
        "gt_joints",
        "image_size",
        "gt_bbox",
        "num",
        "word_list",
        "sentences",
        "gt_choice",
        "gt_choices",
        "lamm",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(st.lists(JSON, max_size=4), st.sampled_from(["detection", "vqa", "locating", "keypoint_detection", "counting"]))
def test_any_json_reads_or_raises_our_error(records, task):
    for read in (read_predictions, lambda source: read_references(source, task)):
        with contextlib.suppress(LammMetricsError):
            read(records)
