"""The ways stay short: how many files one piece of work enters, counted by the scripts of `benchmarks/ways`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "ways"))
from every_way import count

# Files that each way may enter: one more than it does.
CEILINGS = {
    "generation.py": ("one self-instruct row", 21),
    "data.py": ("one COCO box to its record", 17),
    "scoring.py": ("one detection answer scored", 22),
    "prediction.py": ("one benchmark prediction", 29),
    "training.py": ("one optimiser step", 36),
}
SLOW = ("prediction.py", "training.py")  # they load torch and make tiny models


@pytest.mark.parametrize(
    "script", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CEILINGS]
)
def test_a_way_enters_no_more_files_than_before(script):
    way, ceiling = CEILINGS[script]
    files, _ = count(script)[way]
    assert files <= ceiling, (
        f"{way} enters {files} files, {ceiling} are allowed: merge what is one idea, or do not enter a file for "
        f"each piece of work (`python benchmarks/ways/{script} --files` lists them)"
    )
