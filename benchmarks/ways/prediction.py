"""The way of one benchmark prediction: `lamm model predict` of one record about a picture, by a tiny model.

python benchmarks/ways/prediction.py [--files]
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner
from PIL import Image
from tracing import report

from lamm_model import AdapterSettings, add_adapters, build_pair, save_model
from lamm_model.cli import model as command

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "shared"))
from tiny_models import tiny_parts


def write_parts(root: Path) -> None:
    """Write a tiny language model, a tiny CLIP tower, a checkpoint made of them, and a benchmark of one record."""
    parts = tiny_parts(root)
    model, processor = build_pair(parts.language, parts.clip, "tiny", seed=1)
    add_adapters(model, AdapterSettings(rank=4))
    save_model(model, processor, root / "checkpoint")
    Image.new("RGB", (50, 40), (200, 40, 40)).save(root / "0.png")
    record = {"id": "r0", "image": "0.png", "query": "How many red chairs?"}
    (root / "Counting_tiny.json").write_text(json.dumps([record]), encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_parts(root)
        words = ["--benchmark", str(root / "Counting_tiny.json"), "--output", str(root / "answers" / "p.jsonl")]

        def predict() -> None:
            shutil.rmtree(root / "answers", ignore_errors=True)
            done = CliRunner().invoke(command, ["predict", "--model", str(root / "checkpoint"), *words])
            if done.exit_code:
                raise RuntimeError(done.output) from done.exception

        report({"one benchmark prediction": predict}, "lamm_model", "lamm_data")


if __name__ == "__main__":
    main()
