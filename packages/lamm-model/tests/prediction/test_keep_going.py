"""A sample that cannot be answered is failed with its trace; the others are answered as if it were not there."""

import json

import pytest

from lamm_model.errors import LammModelError
from lamm_model.prediction.keep_going import ENOUGH, KeepGoing
from lamm_model.prediction.queries import Query


def query(name):
    return Query(key=name, record_id=name, part="", question="What?", media=(), task="counting", task_type="counting")


class Answering:
    """Answers in batches of four; the named samples raise, as a model's own code would."""

    def __init__(self, bad):
        self.bad, self.asked = set(bad), 0

    def answer(self, queries):
        for start in range(0, len(queries), 4):
            batch = queries[start : start + 4]
            self.asked += 1
            if self.bad & {one.key for one in batch}:
                raise ZeroDivisionError("no depth\nhere")
            yield [(one, {"text": one.key}) for one in batch]


def answers_of(source, names, folder):
    going = KeepGoing(source, folder / "p.failures.jsonl")
    return {one.key: answer for batch in going.answer([query(name) for name in names]) for one, answer in batch}


def test_only_the_bad_samples_fail_and_the_rest_costs_few_more_calls(tmp_path):
    names = [f"s{number:03d}" for number in range(200)]
    source = Answering({"s017", "s018", "s150"})
    found = answers_of(source, names, tmp_path)
    assert found.keys() == set(names)
    failed = {name for name, answer in found.items() if "error" in answer}
    assert failed == source.bad
    assert found["s017"] == {"text": "", "error": "ZeroDivisionError: no depth here"}
    assert all(found[name] == {"text": name} for name in names if name not in failed)
    assert source.asked < 2 * 50
    traces = [json.loads(line) for line in (tmp_path / "p.failures.jsonl").read_text().splitlines()]
    assert [entry["id"] for entry in traces] == ["s017", "s018", "s150"]
    assert all("Traceback" in entry["trace"] and "in answer" in entry["trace"] for entry in traces)


def test_a_model_that_answers_nothing_is_no_row_of_bad_samples(tmp_path):
    names = [f"s{number}" for number in range(ENOUGH + 5)]
    with pytest.raises(LammModelError, match=f"each of the first {ENOUGH}"):
        answers_of(Answering(names), names, tmp_path)


def test_a_failed_joint_is_named_in_its_record(tmp_path):
    from lamm_model.prediction.journal import Journal
    from lamm_model.prediction.queries import Benchmark

    parts = [
        Query(f"r\t{part}", "r", part, "Where?", (), "keypoint_detection", "keypoint_detection")
        for part in ("neck", "left hip")
    ]
    journal = Journal(tmp_path / "p.jsonl", {"lamm": "predictions", "config": {}})
    journal.open()
    journal.add([(parts[0].key, {"text": "[0.5, 0.5]"}), (parts[1].key, {"text": "", "error": "KeyError: 'x'"})])
    assert journal.finish(Benchmark(["r"], parts))
    record = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[1])
    assert record == {"id": "r", "text": {"neck": "[0.5, 0.5]", "left hip": ""}, "error": "left hip: KeyError: 'x'"}
