"""The demo with several seeds: seconds of each stage, memory, and its table's mean and range over seeds.

    python benchmarks/training/demo.py --folder DIR [--seeds 0 1 2] [--busy 1]

A seed chooses the weights and the order of reader, tower and fine-tuning. World, dialogues and benchmark are the same
for all: they are made with the first seed. The seed of `--busy` makes its own, all of it beside a process that computes
without a pause.
The result goes to benchmarks/results/training_demo.json, its table into README.md and docs/what-made-it-see.md.
"""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "training_demo.json"
PAGES = ("README.md", "docs/what-made-it-see.md")
SHARED = ("parts", "world", "instructions", "benchmark")
STAGE, SECONDS = re.compile(r"\d+/\d+ (\S.*)"), re.compile(r"\s+(\d+) s\s*")
SPIN = "while True: pass"


def run(folder: Path, seed: int, busy: bool) -> dict[str, Any]:
    """Run one demo; return its seconds by stage and in all, and the memory of its largest process."""
    command = [sys.executable, "-m", "lamm_cli", "demo", "--output", str(folder), "--set", f"training.seed={seed}"]
    resumed = (folder / "reader").exists()
    beside = subprocess.Popen([sys.executable, "-c", SPIN]) if busy else None
    stages: dict[str, int] = {}
    began, stage = time.monotonic(), ""
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as demo:
            assert demo.stderr is not None
            for line in demo.stderr:
                sys.stderr.write(line)
                if title := STAGE.fullmatch(line.strip()):
                    stage = title[1]
                elif seconds := SECONDS.fullmatch(line.rstrip("\n")):
                    stages[stage] = int(seconds[1])
        if demo.returncode:
            sys.exit(f"Expected the demo of seed {seed} to end well, got status {demo.returncode}. See above.")
    finally:
        if beside is not None:
            beside.kill()
    took = round(time.monotonic() - began)
    memory = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, 2)
    return {
        "beside_a_busy_process": busy,
        "resumed": resumed,  # then the seconds are those of what was left
        "s": took,
        "largest_process_gib": memory,
        "load_average": round(os.getloadavg()[0], 2),
        "stages_s": stages,
    }


def summary(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each row's means over seeds, the range of the first run's, whether all seeds are clear of blind."""
    rows = []
    for same in zip(*(table["rows"] for table in tables), strict=True):
        first, means = same[0], {}
        for name in tables[0]["runs"]:
            values = [row["scores"][name]["value"] for row in same]
            means[name] = sum(values) / len(values)
        tuned = [row["scores"][tables[0]["runs"][0]]["value"] for row in same]
        rows.append(
            {
                **{name: first[name] for name in ("benchmark", "metric", "higher_is_better", "n")},
                "means": means,
                "range": [min(tuned), max(tuned)],
                "clear": all({"blind", "chance"} <= set(row["beats"]) for row in same),
            }
        )
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table that the pages show."""
    runs = list(rows[0]["means"])
    lines = [f"| benchmark | metric | n | {' | '.join(runs)} |", "|---|---|---|" + "---|" * len(runs)]
    for row in rows:
        low, high = row["range"]
        first, *others = (f"{value:.2f}" for value in row["means"].values())
        arrow = "↑" if row["higher_is_better"] else "↓"
        cells = [f"{first} ({low:.2f} to {high:.2f}){'' if row['clear'] else ' !'}", *others]
        lines.append(f"| {row['benchmark']} | {row['metric']} {arrow} | {row['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the demos that are not finished, and write what they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="Where the demos go, a folder a seed.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--busy", type=int, help="Seed that runs beside a busy process.")
    chosen = parser.parse_args()
    first = chosen.folder / f"seed-{chosen.seeds[0]}"
    runs = {}
    for seed in chosen.seeds:
        folder = chosen.folder / f"seed-{seed}"
        note = chosen.folder / f"seed-{seed}.json"
        if not note.exists():
            for part in SHARED if seed not in (chosen.seeds[0], chosen.busy) else ():
                shutil.copytree(first / part, folder / part, dirs_exist_ok=True)
            note.write_text(json.dumps(run(folder, seed, seed == chosen.busy)))
        runs[f"seed {seed}"] = json.loads(note.read_text())
    rows = summary([json.loads((chosen.folder / f"seed-{seed}" / "table.json").read_text()) for seed in chosen.seeds])
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("torch", "transformers", "lamm-model")},
        "measured": runs,
        "table": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        new = re.sub(r"(<!-- demo table -->\n).*?(?=\n\n)", lambda found: found[1] + markdown(rows), text, flags=re.S)
        (ROOT / page).write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
