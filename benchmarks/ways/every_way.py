"""Run every script of this folder and write `benchmarks/results/ways.json`: files entered and changes of file.

The numbers before were counted by the same scripts over the sources of the first version.

python benchmarks/ways/every_way.py
"""

import json
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
BEFORE = {
    "one optimiser step": (41, 206),
    "one benchmark prediction": (35, 324),
    "one self-instruct row": (23, 142),
    "one COCO box to its record": (19, 68),
    "one detection answer scored": (25, 322),
}
LINE = re.compile(r"^(.+): (\d+) files entered, (\d+) changes of file$", re.MULTILINE)


def count(script: str) -> dict[str, tuple[int, int]]:
    """Run one script of this folder; return files entered and changes of file by way."""
    done = subprocess.run([sys.executable, FOLDER / script], capture_output=True, text=True, check=True)
    return {name: (int(files), int(changes)) for name, files, changes in LINE.findall(done.stdout)}


def main() -> None:
    """Count, print a table, write the numbers."""
    counted = {}
    for script in sorted(path.name for path in FOLDER.glob("*.py")):
        if script not in ("every_way.py", "tracing.py"):
            counted |= count(script)
    rows = []
    for name, (files, changes) in counted.items():
        before = BEFORE.get(name, (None, None))
        rows.append(
            {"way": name, "files_before": before[0], "files": files, "changes_before": before[1], "changes": changes}
        )
        print(f"{name}: {before[0]} -> {files} files, {before[1]} -> {changes} changes of file")
    (FOLDER.parent / "results" / "ways.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
