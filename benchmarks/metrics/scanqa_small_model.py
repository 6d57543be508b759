"""ScanQA's validation questions from the download to three published numbers, by commands as a user gives them.

`lamm data benchmark` makes the open questions of `ScanQA_v1.0_val.json`, SmolLM2-135M answers them by
`lamm model predict --blind` (text alone: the scans want a licence to be signed), and `lamm metrics` scores its answers,
the references themselves, and those of other questions. Answers stay in --work, and an interrupted run goes on.
The model is untuned and sees no scene: its numbers say what the rules make of one file of answers, not how good it is.
Run: python benchmarks/metrics/scanqa_small_model.py --data FOLDER [--limit 60]
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import write_result

from lamm_metrics import Report, score

RULES = ("scanqa-official", "leo", "mmscan", "chatscene")
SHOWN = ("em", "em_r", "bleu_4", "rouge_l", "meteor", "cider_d")
TOKENS = 8


def lamm(*arguments: object) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "lamm_cli", *map(str, arguments)], check=True)


def answered(data: Path, work: Path, limit: int | None) -> tuple[list[dict[str, Any]], Path]:
    """Build the benchmark file and answer it; return its records and the file of answers."""
    lamm("data", "benchmark", "--source", "scanqa", "--root", data, "--output", work, "--tasks", "open_vqa3d",
         "--media", "ignore")  # fmt: skip
    model = work / "model"
    if not model.is_dir():
        from lamm_model import build_pair, save_model

        save_model(*build_pair("embedded"), model)
    benchmark, answers = work / "OpenVQA_ScanQA.json", work / "answers.jsonl"
    lamm("model", "predict", "--model", model, "--benchmark", benchmark, "--output", answers, "--blind",
         "--name", "SmolLM2-135M, blind", "--system", "record", "--max-tokens", TOKENS, "--batch-size", 64,
         "--dtype", "bfloat16", *(["--limit", limit] if limit else []))  # fmt: skip
    return json.loads(benchmark.read_text("utf-8"))[:limit], answers


def shown(report: Report) -> dict[str, Any]:
    """Return values and intervals of the main scores."""
    found = {one.name: one for one in report.scores if one.name in SHOWN}
    return {
        name: {"value": one.value, "interval": None if one.interval is None else list(one.interval)}
        for name, one in found.items()
    }


def measure(data: Path, work: Path, limit: int | None) -> dict[str, Any]:
    """Score the model's answers, the references, and those of other questions, under every rule."""
    records, answers = answered(data, work, limit)
    first = [record["answers"][0] for record in records]
    others = random.Random(0).sample(first, len(first))
    rows: dict[str, Any] = {"records": len(records)}
    for rule in RULES:
        rows[rule] = {"model": shown(score("open_vqa3d", records, answers, rule, samples=False))}
        for name, texts in (("references", first), ("references of others", others)):
            written = [{"id": record["id"], "text": text} for record, text in zip(records, texts, strict=True)]
            rows[rule][name] = shown(score("open_vqa3d", records, written, rule, samples=False))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="Folder with ScanQA_v1.0_val.json.")
    parser.add_argument("--work", type=Path, default=Path("scanqa_small_model"), help="Folder for model and answers.")
    parser.add_argument("--limit", type=int, help="Only the first questions.")
    chosen = parser.parse_args()
    measured = measure(chosen.data, chosen.work, chosen.limit)
    note = f"SmolLM2-135M, untuned, text alone, at most {TOKENS} new tokens; intervals by scene"
    write_result("scanqa_small_model", measured, ["lamm-data", "lamm-model", "torch", "transformers"], note)
