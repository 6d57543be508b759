"""Reading a COCO instances file of 200 MB: LAMM's streaming reader beside json.load and pycocotools.

The synthetic file is written to a temporary folder; each reader runs in a process of its own.

    python benchmarks/data/reading.py [--megabytes 200]
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

from coco_files import in_fresh_process, measured_here, write_instances, write_result

BYTES_A_BOX = 520


def ours(path: str) -> int:
    """Stream all items, with their boxes, through the reader."""
    from lamm_data import read_instances

    return sum(len(item.boxes) for item in read_instances(path))


def plain(path: str) -> int:
    """Load the whole file with Python's json."""
    with open(path, encoding="utf-8") as file:
        return len(json.load(file)["annotations"])


def pycocotools(path: str) -> int:
    """Load and index the file with pycocotools."""
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return len(COCO(path).anns)


READERS = {"lamm_data": ours, "json.load": plain, "pycocotools": pycocotools}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--measure", nargs=2)
    options = parser.parse_args()
    if options.measure:
        name, path = options.measure
        print(json.dumps(measured_here(lambda: READERS[name](path))))
        return
    boxes = options.megabytes * 10**6 // BYTES_A_BOX
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        size = write_instances(path, boxes // 7, boxes)
        measured = {name: in_fresh_process(__file__, name, path) for name in READERS}
    write_result("reading", {"file_mb": round(size / 1e6, 1), **measured}, "result: boxes read")


if __name__ == "__main__":
    main()
