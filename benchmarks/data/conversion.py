"""Template conversion of annotations of COCO train2017's size to detection dialogue, with one and with two workers.

A synthetic instances file (118,287 images, 860,001 boxes with polygons) is written to a temporary folder; `lamm data
convert` reads it, draws questions and answers and writes JSON Lines. The reader alone is measured beside it: the memory
that conversion takes beyond the annotation file's own parse is the difference.

    python benchmarks/data/conversion.py [--images 118287] [--boxes 860001] [--workers 2]
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from coco_files import TRAIN2017, in_fresh_process, measured_here, write_instances, write_result


def read(root: str) -> dict[str, int]:
    """Read all items and forget them: the annotation file's own parse."""
    from lamm_data import get_source

    images = boxes = 0
    for item in get_source("coco_detection").open(root, "train", "detection"):
        images, boxes = images + 1, boxes + len(item.boxes)
    return {"images": images, "boxes": boxes}


def convert(root: str, workers: str) -> dict[str, Any]:
    """Convert the source and fingerprint the output."""
    from lamm_data import ConvertSettings, convert_source

    output = Path(root) / f"out-{workers}.jsonl"
    counts = convert_source("coco_detection", root, output, ConvertSettings(media="ignore", workers=int(workers)))
    with output.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"records": counts["detection: records written"], "bytes": output.stat().st_size, "sha256": digest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=TRAIN2017[0])
    parser.add_argument("--boxes", type=int, default=TRAIN2017[1])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--measure", nargs="+")
    options = parser.parse_args()
    if options.measure:
        kind, *arguments = options.measure
        print(json.dumps(measured_here(lambda: (read if kind == "read" else convert)(*arguments))))
        return
    with tempfile.TemporaryDirectory() as root:
        size = write_instances(Path(root) / "annotations" / "instances_train2017.json", options.images, options.boxes)
        parse = in_fresh_process(__file__, "read", root)
        one = in_fresh_process(__file__, "convert", root, 1)
        several = in_fresh_process(__file__, "convert", root, options.workers)
    beyond = several["peak_mib"] + several["children_peak_mib"] - parse["peak_mib"]
    measured = {
        "file_mib": round(size / 2**20, 1),
        "parse alone": parse,
        "1 worker": one,
        f"{options.workers} workers": several,
        "same bytes": one["result"]["sha256"] == several["result"]["sha256"],
        "memory beyond the parse, 1 worker, mib": round(one["peak_mib"] - parse["peak_mib"], 1),
        f"memory beyond the parse, {options.workers} workers, all processes, mib": round(beyond, 1),
    }
    write_result("conversion", measured, "wall time includes reading the annotation file")


if __name__ == "__main__":
    main()
