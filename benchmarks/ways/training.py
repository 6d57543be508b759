"""The way of one optimiser step of `lamm model finetune`: a tiny model learns from four pictures and four clouds.

The log entry and the checkpoint of a step belong to it.

python benchmarks/ways/training.py [--files]
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tracing import Way, show

from lamm_model import finetune, load_settings

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "shared"))
from tiny_models import tiny_parts

COUNTED = 3  # number of the step: the first ones check and compile


def write_parts(root: Path) -> None:
    """Write a tiny language model and image tower, records about pictures and clouds, and a configuration."""
    parts = tiny_parts(root)
    turns = [{"from": "human", "value": "What colour?"}, {"from": "gpt", "value": "red"}]
    records = []
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 40, 40)).save(root / f"{number}.png")
        cloud = np.random.default_rng(number).uniform(0, [4, 4, 3, 255, 255, 255], (80, 6))
        np.save(root / f"{number}.npy", cloud.astype(np.float32))
        for kind, name in (("image", f"{number}.png"), ("pcl", f"{number}.npy")):
            records.append({"id": f"{kind}{number}", kind: name, "task_type": "normal", "conversations": turns})
    (root / "records.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    (root / "step.toml").write_text(
        f"""
        [model]
        language_model = "{parts.language}"
        image_tower = "{parts.lite}"
        point_cloud_tower = "tiny"
        prompt_format = "chat"
        system_message = false
        train_point_cloud_tower = true
        [data]
        records = ["{root / "records.jsonl"}"]
        row_tokens = 256
        [training]
        max_steps = {COUNTED + 1}
        batch_rows = 8
        accumulation = 1
        precision = "fp32"
        log_every = 1
        save_every = 1
        """,
        encoding="utf-8",
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_parts(root)
        way = Way("lamm_model", "lamm_data")

        def count(step: int, steps: int, log: dict[str, float]) -> None:
            if log.get("step") == step:
                return  # called again for the entry of the log
            if step == COUNTED - 1:
                way.__enter__()
            elif step == COUNTED:
                way.__exit__()

        finetune(load_settings(root / "step.toml"), root / "run", count)
    show("one optimiser step", way)


if __name__ == "__main__":
    main()
