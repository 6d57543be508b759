"""Fine-tune SmolLM2 alone and beside one busy process, two rows a step: side by side, and both in one batch.

    python benchmarks/training/load.py [--output benchmarks/results/training_load.json] [--steps 8] [--busy 1]

Every row is a run of its own of the command, on the same dialogues of the sample world; useful tokens a second are the
mean over its steps but the first two, in which things are set up. `side by side` are two batches that are accumulated,
each on a core of its own; `one batch` shares every product among all cores, by threads that spin while they wait, as
torch leaves it; those of `one batch, sleeping` sleep.
Measure on a machine that does nothing else: what is asked is speed beside the busy process over speed alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cpu import make_world

RESULTS = Path(__file__).parents[1] / "results" / "training_load.json"
SKIPPED = 2  # steps in which things are set up
CORES = str(os.cpu_count() or 1)
SPINNING = {"OMP_NUM_THREADS": CORES}
SLEEPING = {"OMP_NUM_THREADS": CORES, "OMP_WAIT_POLICY": "PASSIVE"}
FORMS = {  # batch_rows, accumulation, environment
    "side by side": (1, 2, SPINNING),
    "one batch": (2, 1, SPINNING),
    "one batch, sleeping": (2, 1, SLEEPING),
}
PEER = "one batch"


def speed(world: Path, form: tuple[int, int, dict[str, str]], steps: int, folder: Path) -> dict[str, Any]:
    """Fine-tune once in a process of its own; return the useful tokens a second and the threads."""
    rows, accumulation, policy = form
    cleared = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    overrides = {
        "data.records": json.dumps([str(world / "records.jsonl")]), "data.media_root": str(world / "world"),
        "data.row_tokens": "1024", "training.max_steps": str(steps), "training.batch_rows": str(rows),
        "training.accumulation": str(accumulation), "training.log_every": "1", "training.precision": "fp32",
        "training.save_every": "100000", "model.train_point_cloud_tower": "false",
    }  # fmt: skip
    command = [sys.executable, "-m", "lamm_cli", "model", "finetune", "tiny", "--output", str(folder), "--json"]
    command += [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]
    run = subprocess.run(command, env=cleared | policy, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    record = json.loads(run.stdout)
    speeds = [entry["tokens_per_second"] for entry in record["log"] if "tokens_per_second" in entry][SKIPPED:]
    return {"useful_tokens_per_second": round(statistics.mean(speeds), 1), "threads": record.get("threads")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--busy", type=int, default=1, help="Busy processes beside it.")
    chosen = parser.parse_args()
    rows: dict[str, Any] = {}
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as name:
        world = Path(name)
        make_world(world, images=12, rooms=12)
        for label, form in FORMS.items():
            alone = speed(world, form, chosen.steps, world / f"{label} alone")
            with ExitStack() as beside:
                for _ in range(chosen.busy):
                    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                    beside.callback(busy.wait)
                    beside.callback(busy.kill)
                loaded = speed(world, form, chosen.steps, world / f"{label} beside")
            share = loaded["useful_tokens_per_second"] / alone["useful_tokens_per_second"]
            rows[label] = {"alone": alone, "beside": loaded, "share": round(share, 3)}
            print(label, rows[label], file=sys.stderr, flush=True)
    peer = rows[PEER]["alone"]["useful_tokens_per_second"]
    result = {
        "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "busy": chosen.busy, "load_average_before": load,
        "steps": chosen.steps, "rows": rows,
        **{
            f"{place}_over_{PEER}_alone": {
                label: round(row[place]["useful_tokens_per_second"] / peer, 3) for label, row in rows.items()
            }
            for place in ("alone", "beside")
        },
    }  # fmt: skip
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "rows"}, indent=1))


if __name__ == "__main__":
    main()
