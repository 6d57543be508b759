"""The way of one COCO box to its record: `lamm data convert` over an annotation file with one image and one box.

python benchmarks/ways/data.py [--files]
"""

import json
import tempfile
from pathlib import Path

from click.testing import CliRunner
from tracing import report

from lamm_data.cli import data

ANNOTATIONS = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],
    "categories": [{"id": 1, "name": "dog"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 300, 200], "iscrowd": 0}],
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "annotations").mkdir()
        annotations = json.dumps(ANNOTATIONS)
        (Path(folder) / "annotations" / "instances_train2017.json").write_text(annotations, encoding="utf-8")
        output = str(Path(folder) / "records.jsonl")
        command = ["convert", "--source", "coco_detection", "--root", folder, "--output", output, "--media", "ignore"]

        def convert() -> None:
            CliRunner().invoke(data, command, catch_exceptions=False)

        report({"one COCO box to its record": convert}, "lamm_data")


if __name__ == "__main__":
    main()
