"""The wrapper gives torchmetrics the numbers of the metric within, also step by step and over processes."""

import json
import subprocess
import sys

import pytest

from lamm_metrics import LammMetricsError, make_metric, torch_metric

pytest.importorskip("torchmetrics", reason="needs torchmetrics: `nox -s bridges`")


def batches(bench, size=2):
    records = json.loads(bench.file.read_text())
    answers = [one["text"] for one in bench.by_id]
    return [(records[i : i + size], answers[i : i + size]) for i in range(0, len(records), size)]


def numbers(found):
    return {name: value.item() for name, value in found.items()}


def test_the_numbers_are_those_of_our_own_score(shop):
    wrapped = torch_metric(make_metric("accuracy", "vqa"))
    steps = [wrapped(*batch) for batch in batches(shop)]
    assert numbers(wrapped.compute()) == shop.shown()
    assert steps[0]["accuracy"].item() == 0.5
    wrapped.reset()
    wrapped.update(*batches(shop)[1])
    assert wrapped.compute()["accuracy"].item() == 1.0


PROCESS = """
import json, sys, torch
from lamm_metrics import make_metric, torch_metric
rank, meet, rows = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
torch.distributed.init_process_group("gloo", init_method="file://" + meet, rank=rank, world_size=2)
wrapped = torch_metric(make_metric("accuracy", "vqa"))
for record, answer in rows[rank::2]:
    wrapped.update([record], [answer])
found = wrapped.compute()
assert len(wrapped.read) == len(rows) // 2
print(json.dumps({name: value.item() for name, value in found.items()}))
torch.distributed.destroy_process_group()
"""


def test_processes_hand_each_other_what_they_read(shop, tmp_path):
    rows = [row for records, answers in batches(shop, 1) for row in zip(records, answers, strict=True)]
    rows.append(rows[0])  # a sampler repeats records, so that each process has as many
    words = [sys.executable, "-c", PROCESS]
    started = [
        subprocess.Popen([*words, str(rank), str(tmp_path / "meet"), json.dumps(rows)], stdout=subprocess.PIPE)
        for rank in (0, 1)
    ]
    printed = [one.communicate(timeout=120)[0] for one in started]
    assert [json.loads(text) for text in printed] == [shop.shown()] * 2


def test_two_answers_to_one_record_are_refused(shop):
    wrapped = torch_metric(make_metric("accuracy", "vqa"))
    records, answers = batches(shop)[0]
    wrapped.update(records, answers)
    wrapped.update(records, answers[::-1])
    with pytest.raises(LammMetricsError, match="each id once, got '0' twice"):
        wrapped.compute()
