"""What each choice of the demo's recipe brings: the same short run with one choice changed at a time.

    python benchmarks/training/ablation.py --folder DIR

All runs are scored on a validation world (seed 7) that the demo never sees. What is finished in the folder stays. Every
`lamm` command is printed before it starts. The result goes to benchmarks/results/training_ablation.json, its
table into docs/what-made-it-see.md.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "training_ablation.json"
PAGE = ROOT / "docs" / "what-made-it-see.md"
BASE = "demo --output base --set world.seed=7 --set training.max_steps=40 --set benchmark.per_task=32"
TOWERS = (
    "model pretrain-reader --source sample --root base/world --output reader-150 --steps 150",
    "model pretrain-tower --root base/world/rooms --output tower-questions --epochs 12",
)
FEATURES = "model cache-features base/finetune.toml --output features"  # the same for all that keep the towers
CHANGES = {
    "the recipe": "",
    "a picture a row": "data.packing=shared_prefix",
    "half the steps, of twice the rows": "training.accumulation=8 training.max_steps=20",
    "a third of the rate": "training.learning_rate=3e-4 training.projector_learning_rate=3e-4",
    "rank 8": "adapters.rank=8",
    "the tower's own image tokens": "model.image_tower=embedded",
    "a quarter of the reader's steps": "model.image_tower=reader-150",
    "a cloud tower taught by questions": "model.point_cloud_tower=tower-questions model.train_point_cloud_tower=true",
}
TASKS = (
    "classification,fine_grained_classification,counting,ocr,vqa,caption,detection,keypoint_detection,"
    "vqa3d,detection3d,visual_grounding3d"
)
COLUMNS = {  # metric and benchmark file of each column
    "classes": ("accuracy", "Classification_SampleShapes"),
    "textures": ("accuracy", "Fine-grained_Classification_SampleTextures"),
    "counts: MAE": ("mae", "Counting_SampleCounts"),
    "words": ("word_accuracy", "OCR_SampleWords"),
    "scene questions": ("accuracy", "VQA_SampleScenes"),
    "captions: BLEU-4": ("bleu_4", "Caption_SampleScenes"),
    "boxes: AP50": ("detection_ap@0.5", "Detection_SampleScenes"),
    "joints: PCK@0.2": ("pck@0.2", "Keypoints_Detection_SampleFigures"),
    "3D questions": ("accuracy", "VQA_SampleRooms"),
    "3D boxes: AP@0.5": ("detection_ap_3d@0.5", "Detection_SampleRooms"),
    "3D grounding at 0.5": ("grounding_accuracy@0.5", "VG_SampleRooms"),
}


def commands(name: str) -> tuple[str, str]:
    """Return the commands that train a run and let it answer the validation benchmark, given where the base lies."""
    folder = "run-" + re.sub(r"\W+", "-", name)
    changed = "".join(f" --set {change}" for change in CHANGES[name].split())
    cached = "" if "tower" in changed else " --set data.feature_cache=features"
    asked = f"benchmark run --root base/world --model {folder}/model --output {folder}-answers --json --tasks {TASKS}"
    return (
        f"model finetune base/finetune.toml --output {folder} --set training.keep_untuned=false{changed}{cached}",
        f"{asked} --set benchmark.per_task=32 --set benchmark.blind=false --set prediction.dtype=bfloat16",
    )


def lamm(command: str, folder: Path) -> str:
    """Run a `lamm` command in a folder and return what it printed."""
    print(f"lamm {command}", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "lamm_cli", *command.split()], cwd=folder, stdout=-1, text=True)
    if done.returncode:
        sys.exit(f"Expected `lamm {command}` to end well, got status {done.returncode}. See above.")
    return done.stdout


def scores(printed: str) -> dict[str, float]:
    """Return the score of each column from the table that `lamm benchmark run --json` printed."""
    table = json.loads(printed)
    found = {(row["metric"], row["benchmark"]): row["scores"][table["runs"][0]]["value"] for row in table["rows"]}
    return {column: found[wanted] for column, wanted in COLUMNS.items()}


def markdown(runs: dict[str, dict[str, Any]]) -> str:
    """Return the table that the page shows."""
    lines = [f"| run | `--set` | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
    for name, run in runs.items():
        changed = "<br>".join(f"`{change}`" for change in CHANGES[name].split())
        lines.append(f"| {name} | {changed} | {' | '.join(f'{value:.2f}' for value in run['scores'].values())} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not finished, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="Where the runs go.")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    lamm(BASE, folder)
    for command in (*TOWERS, FEATURES):
        lamm(command, folder)
    runs = {}
    for name in CHANGES:
        train, ask = commands(name)
        lamm(train, folder)
        runs[name] = {"command": f"lamm {train}", "scores": scores(lamm(ask, folder))}
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("torch", "transformers", "lamm-model")},
        "before": [f"lamm {command}" for command in (BASE, *TOWERS, FEATURES)],
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    new = re.sub(
        r"(<!-- ablation table -->\n).*?(?=\n\n)",
        lambda found: found[1] + markdown(runs),
        PAGE.read_text(encoding="utf-8"),
        flags=re.S,
    )
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
