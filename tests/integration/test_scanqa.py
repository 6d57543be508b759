"""ScanQA's questions from the download to numbers under three published rules, answered by a small real model."""

import json

from lamm_metrics import score
from lamm_model import build_pair, save_model

ASKED = 60
RULES = ("scanqa-official", "leo", "mmscan")


def test_open_questions_are_built_answered_blind_and_scored(real_data, lamm, tmp_path):
    files = ["--root", real_data / "scanqa", "--output", tmp_path, "--tasks", "open_vqa3d", "--media", "ignore"]
    built = lamm("data", "benchmark", "--source", "scanqa", *files)
    assert built.returncode == 0, built.stderr
    benchmark, answers = tmp_path / "OpenVQA_ScanQA.json", tmp_path / "answers.jsonl"
    records = json.loads(benchmark.read_text())
    assert len(records) == 4675
    records = records[:: len(records) // ASKED][:ASKED]  # of many scenes
    benchmark.write_text(json.dumps(records))
    save_model(*build_pair("embedded"), tmp_path / "model")
    how = ["--blind", "--max-tokens", 8, "--system", "record", "--dtype", "bfloat16"]
    done = lamm("model", "predict", "--model", tmp_path / "model", "--benchmark", benchmark, "--output", answers, *how)
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in answers.read_text().splitlines()][1:]
    assert [one["id"] for one in written] == [record["id"] for record in records]
    assert sum(bool(one["text"].strip()) for one in written) > ASKED / 2
    true = [{"id": record["id"], "text": record["answers"][0]} for record in records]
    for rule in RULES:
        reports = [score("open_vqa3d", records, source, rule, samples=False) for source in (answers, true)]
        own, perfect = ({one.name: one for one in report.scores} for report in reports)
        assert perfect["em"].value == perfect["rouge_l"].value == 1.0
        assert own["em"].value < 0.5
        low, high = own["rouge_l"].interval
        assert 0 <= low <= own["rouge_l"].value <= high < 1
