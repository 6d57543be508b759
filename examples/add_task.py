"""Add a task: one row that names its kind of truth, its kind of answer and its metrics.

Run: python examples/add_task.py [FOLDER]
It lays a package with the row into FOLDER, as `pip install` would, and scores with it.
"""

import json
import sys
import tempfile
from pathlib import Path

import lamm_metrics

MODULE = """from lamm_metrics import Task

SIGNS = Task("signs", "Signs", "image", truth_kind="option", extractor="choice", metrics=("accuracy",))
"""
RECORDS = [
    {"id": "1", "query": "Which sign is it?", "gt_choices": ["stop", "give way"], "gt_choice": 0},
    {"id": "2", "query": "Which sign is it?", "gt_choices": ["stop", "give way"], "gt_choice": 1},
]
ANSWERS = [{"id": "1", "text": "The answer is (A)."}, {"id": "2", "text": "It tells drivers to stop: (A)."}]


def install(folder: Path) -> None:
    """Lay a package into a folder that Python imports from. The `pyproject.toml` of yours has the same entry point."""
    about = folder / "my_tasks-1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (folder / "my_tasks.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tasks\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lamm.tasks]\nsigns = my_tasks:SIGNS\n")
    sys.path.insert(0, str(folder))


def main(folder: Path) -> None:
    """Install the row, then score a file that is named after it."""
    install(folder)
    references, predictions = folder / "Signs_Roads.json", folder / "answers.jsonl"
    references.write_text(json.dumps(RECORDS))
    predictions.write_text("".join(json.dumps(answer) + "\n" for answer in ANSWERS))
    task = lamm_metrics.task_of_file(references)
    assert task is not None
    print(lamm_metrics.score(task.key, references, predictions))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
