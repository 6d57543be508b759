"""Real photographs and real annotation rows through the real model and the real server."""

import json
from pathlib import Path

from lamm_cli.processes import serve_language_model
from lamm_model import embedded_parts


def test_photographs_are_answered(small_demo, real_data, lamm, tmp_path):
    photographs = sorted((real_data / "coco" / "images").glob("*.jpg"))
    assert len(photographs) == 4
    records = [
        {"id": path.stem, "image": path.name, "query": "What is in the picture?", "task": "caption", "sentences": ["-"]}
        for path in photographs
    ]
    (tmp_path / "Caption_Photographs.json").write_text(json.dumps(records))
    output = tmp_path / "answers.jsonl"
    files = ["--benchmark", tmp_path / "Caption_Photographs.json", "--media-root", photographs[0].parent]
    model = small_demo.output / "finetune" / "model"
    done = lamm("model", "predict", "--model", model, *files, "--output", output)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert [answer["id"] for answer in answers if "id" in answer] == [path.stem for path in photographs]


def test_real_rows_become_records_or_rejections_and_are_sent_once(real_data, lamm, tmp_path):
    model = embedded_parts().language_model
    output = tmp_path / "dialogues.jsonl"
    rows = real_data / "coco" / "caps_boxes_coco2014_val_80.jsonl"
    with serve_language_model(tmp_path / "server.log") as endpoint:
        arguments = ["data", "generate", "--type", "daily_dialogue", "--annotations", rows, "--endpoint", endpoint]
        arguments += ["--model", model, "--output", output, "--limit", 3, "--max-tokens", 64, "--style", "brief"]
        first = lamm(*arguments, "--format", "text")
        assert first.returncode == 0, first.stderr
        asked = (tmp_path / "server.log").read_text().count("POST /v1/chat/completions")
        again = lamm(*arguments, "--format", "text")
        assert again.returncode == 0, again.stderr
        assert (tmp_path / "server.log").read_text().count("POST /v1/chat/completions") == asked
    kept = output.read_text().splitlines()
    rejected = [json.loads(line) for line in Path(tmp_path / "dialogues.rejected.jsonl").read_text().splitlines()]
    assert len(kept) + len(rejected) == 3
    assert all(entry["reason"] for entry in rejected)
    if kept:
        checked = json.loads(lamm("data", "check", output, "--json").stdout)
        assert "format" not in checked["kinds"]
