"""Every task and every published rule beside a reference: the projects' own values, installed programs, a count here.

Writes `results/metrics_verification.json` and, from it alone, `docs/verification.md`. `nox -s verification` installs
what it needs, but for Java. Run: python benchmarks/metrics/verification.py [--golden FOLDER] [--page]
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamm_metrics import PUBLISHED, TASKS

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "packages" / "lamm-metrics" / "tests" / "golden" / "vision3d"
RESULT = ROOT / "benchmarks" / "results" / "metrics_verification.json"
PAGE = ROOT / "docs" / "verification.md"
MARKS = {"equal": "✓", "within": "~", "different": "✗"}
PEERS = (
    "numpy", "scipy", "scikit-learn", "nltk", "shapely", "sacrebleu", "pycocoevalcap", "pycocotools", "lmms_eval",
    "torchmetrics", "torchmetrics-ext",
)  # fmt: skip
# What was published, in the unit of the source: benchmark, model, numbers, the rule that they were made by, the source.
SAME = "table 1 of the 3DRS paper"
PRINTED = (
    ("ScanRefer Acc@0.25 / 0.5", "M3DRef-CLIP", "51.9 / 44.7", "multi3drefer", "its README"),
    ("ScanRefer Acc@0.25 / 0.5", "Chat-Scene", "55.5 / 50.2", "chatscene", "its README"),
    ("ScanRefer Acc@0.25 / 0.5", "Video-3D LLM", "58.1 / 51.7", "scanrefer", SAME),
    ("Nr3D, easy / hard", "M3DRef-CLIP", "49.4, 55.6 / 43.4", "nr3d", "its README"),
    ("Multi3DRefer F1@0.25 / 0.5", "M3DRef-CLIP", "42.8 / 38.4", "multi3drefer", "its README"),
    ("Multi3DRefer F1@0.25 / 0.5", "Chat-Scene", "57.1 / 52.4", "chatscene", "its README"),
    ("Multi3DRefer F1@0.25 / 0.5", "Video-3D LLM", "58.0 / 52.7", "multi3drefer", SAME),
    ("Scan2Cap B-4 / CIDEr @0.5", "LL3DA", "36.0 / 62.9", "ll3da", SAME),
    ("Scan2Cap B-4 / CIDEr @0.5", "LEO", "38.2 / 72.4", "leo", SAME),
    ("Scan2Cap B-4 / CIDEr @0.5", "Chat-Scene", "36.3 / 77.1", "chatscene", "its README"),
    ("Scan2Cap B-4 / CIDEr @0.5", "Video-3D LLM", "41.3 / 83.8", "video3dllm", SAME),
    ("ScanQA CIDEr / EM", "ScanQA", "64.9 / 21.1", "scanqa-official", SAME),
    ("ScanQA CIDEr", "LL3DA", "76.8", "ll3da", SAME),
    ("ScanQA CIDEr", "Chat-Scene", "87.7", "chatscene", "its README"),
    ("ScanQA CIDEr / EM", "LLaVA-3D", "91.7 / 27.0", "llava3d", SAME),
    ("ScanQA CIDEr / EM", "LEO", "101.4 / 21.5", "leo", SAME),
    ("ScanQA CIDEr / EM", "Video-3D LLM", "102.1 / 30.1", "video3dllm", SAME),
    ("SQA3D EM", "LEO", "50.0", "leo", SAME),
    ("SQA3D EM", "Chat-Scene", "54.6", "chatscene-sqa3d", "its README"),
    ("SQA3D EM", "LLaVA-3D", "55.6", "llava3d", SAME),
    ("SQA3D EM", "Video-3D LLM", "58.6", "video3dllm-sqa3d", SAME),
    ("VSI-Bench", "Qwen2.5-VL-7B", "33.5", "vsi-official", "EASI, Benchmark_Verification.md"),
    ("VSI-Bench", "Qwen2.5-VL-7B", "33.7", "vsi-vlmevalkit", "EASI, Benchmark_Verification.md"),
    ("VSI-Bench", "Qwen2.5-VL-7B", "38.7", "vsi-lmms", "EASI, Benchmark_Verification.md"),
    ("3D-POPE F1 random / popular / adversarial", "LEO", "70.0 / 67.6 / 67.3", "3d-pope", "torrid-fish/3D-POPE"),
    ("Beacon3D ScanNet, cases", "LEO", "45.2", "beacon3d-judge", "its README"),
)
OPENING = """# Verification

Do these metrics give the numbers of the code whose name they carry? Each row holds LAMM's beside a reference that was
run. A reference is a project's own code on made-up inputs (a repository with a commit), or an installed program (with
its version). Where nothing else has the number, it is a count of a few lines in `benchmarks/metrics`. The difference is
the largest over all numbers of the row. `lamm metrics list --protocols` says what each rule does.

✓ equal to 1e-9 · ~ within a bound that has a reason · ✗ different, for the reason stated

`nox -s verification` runs all of it and writes this page. Tests hold the projects' values on each
change ([where each part is](metrics.md#where-each-part-is-and-what-tests-it)).
"""
UNLIKE = """## Different on purpose

- VQAv2: see the row. lmms-eval also ignores case and punctuation in GQA, whose official code does not.
- SQA3D's script hands the values of a rotation over in the order of the file's keys, w first, so that the documented
  example has no yaw. Axes are read by name here, and the rows above are those of its function.
- Scan2Cap's benchmark ends in an error where a scene has no prediction; its objects are missed here. So does
  VSI-Bench's code where the true number is 0, which is compared as it is here.
"""
UNHELD = """## Not held against a reference

- `--protocol paper`: the code that LAMM was published with cannot be installed; its formulas are written a second time
  in `tests/paper`.
- SPICE: it needs Java and 8 GB, and is not offered. Nor are ScanQA's F-value, MMScan's AP, AR and top-k of boxes and
  Beacon3D's grounding chains: no values of the projects' own code are at hand.
- Which box speaks for an object under `scan2cap` (the last one with the nearest centre) and `chatscene`, and how
  Chat-Scene and GPT4Scene read ids of objects: written from the projects' code, tested on made-up cases.
- How an answer is read from free text: no other program reads it. `lamm metrics lint` and the sets of answers in the
  tests say how well.
"""
DOORS = """## Doors

How long is the way from a page to the first success? Each door has small files of one's own, written without LAMM.
One's own time is computed: the page's words up to there at 200 a minute, what is typed at 200 characters a minute. No
person was timed. Waiting is that of the commands, without installation, on two CPU cores that had other work too.
Scoring and importing ran in a new environment, as did `convert` and `check`; the rest in a checkout's.

| door | what you do | own time (goal), minutes | waiting | stumbles that were mended |
|---|---|---|---|---|
"""
WAYS = (
    ("[score a file](howto/score.md)", "two files: `lamm metrics score`",
     "1.4 (2)", "2 s", "two other commands came first; from a clone, the install line brought torch"),
    ("[own annotations](howto/data.md)", "a CSV of boxes: `lamm data convert`, `check`, `stats`, `view`, `benchmark`",
     "4.4 (5)", "3 s", "how to make a split; `--source coco` led to RefCOCO; `view` did not say that it wrote"),
    ("[own scans](howto/scans.md)", "XYZ in mm, PLY with y up, LAS: `lamm data clouds`, `render`, `check`",
     "3.3 (10)", "7 s", "none met"),
    ("[tune](howto/scans.md#3-fine-tune)", "`lamm model finetune tiny`, 20 steps on one dialogue, `lamm model chat`",
     "1.7 (15)", "71 s", "a log was silent until the tenth step"),
    ("[serve](howto/serve.md)", "`lamm model serve`, one request", "2.1 (5)", "11 s", "none met"),
    ("[import](howto/score.md#answers-of-other-tools)", "rows of LLaVA, a table, a map of ids: `lamm metrics score`",
     "1.3 (2)", "2 s", "none met"),
)  # fmt: skip
BESIDE = """## Published numbers and their rules

Numbers of one benchmark are comparable only where the rule is the same. These are as printed, and were not run again.

| benchmark | model | printed | rule | source |
|---|---|---|---|---|
"""


def measured(golden: Path) -> list[dict[str, Any]]:
    """Run every comparison; return the rows in the order of tasks and rules.

    Raises:
        ValueError: A task or a rule has no row.
    """
    import verification_counted
    import verification_golden
    import verification_harnesses
    import verification_peers

    queries = json.loads((golden / "boxes_multi3drefer.json").read_text("utf-8"))["multi3drefer"]["items"]
    found = [*verification_golden.rows(golden), *verification_peers.rows(), *verification_harnesses.rows(queries)]
    found += verification_counted.rows(queries)
    rows = [row.to_json() for row in found]
    if lacking := missing(rows):
        raise ValueError(f"Expected a row for each task and rule, got none for {', '.join(lacking)}. Write one.")
    tasks, rules = list(TASKS), ["standard", "coco", *PUBLISHED]
    return sorted(rows, key=lambda row: (tasks.index(row["task"]), rules.index(row["protocol"])))


def missing(rows: list[dict[str, Any]]) -> list[str]:
    """Return what has no row: a task under its own metrics, or under a published rule that scores it."""
    wanted = [(task, "standard") for task in TASKS]
    wanted += [(task, rule.name) for rule in PUBLISHED.values() for task in rule.tasks]
    held = {(row["task"], row["protocol"]) for row in rows}
    return [f"{task} under {rule}" for task, rule in wanted if (task, rule) not in held]


def page(result: dict[str, Any]) -> str:
    """Return the page that shows a result file."""
    rows = result["measured"]["rows"]
    counts, total = Counter(row["mark"] for row in rows), sum(row["numbers"] for row in rows)
    shown = ", ".join(f"{MARKS[mark]} {counts[mark]}" for mark in MARKS)
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    parts = [OPENING, f"{len(rows)} rows of {total:,} numbers: {shown}.\n\nVersions: {versions}.\n"]
    head = ["| task | rule | numbers | reference | compared | difference | |", "|---|---|---|---|---|---|---|"]
    parts.append("\n".join([*head, *_lines(rows)]) + "\n")
    printed = "\n".join("| " + " | ".join((*row[:3], f"`{row[3]}`", row[4])) + " |" for row in PRINTED)
    doors = "\n".join(f"| {' | '.join(row)} |" for row in WAYS)
    return "\n".join([*parts, UNLIKE, UNHELD, f"{BESIDE}{printed}\n", f"{DOORS}{doors}"]) + "\n"


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line of the table for each row; a task is named in its first."""
    before = ""
    for row in rows:
        task = "" if row["task"] == before else f"`{row['task']}`"
        before = row["task"]
        difference = "0" if row["difference"] == 0 else f"{row['difference']:.1e}"
        why = f" {row['reason']}" if row["reason"] else ""
        why += f" (bound {row['bound']:.0e})" if row["mark"] == "within" else ""
        cells = (task, f"`{row['protocol']}`", row["what"], row["reference"], f"{row['numbers']:,}", difference)
        yield "| " + " | ".join((*cells, f"{MARKS[row['mark']]}{why}")) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="folder of the projects' values")
    parser.add_argument("--page", action="store_true", help="write the page of the result that is there")
    chosen = parser.parse_args()
    if not chosen.page:
        from measuring import write_result

        write_result("verification", {"rows": measured(chosen.golden)}, PEERS)
    PAGE.write_text(page(json.loads(RESULT.read_text("utf-8"))), encoding="utf-8")
