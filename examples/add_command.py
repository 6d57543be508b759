"""Add a command: a click command that a package of your own brings to `lamm`.

Run: python examples/add_command.py [FOLDER]
It lays such a package into FOLDER, as `pip install` would, and calls the command.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE = '''import json
from pathlib import Path

import click


@click.command()
@click.argument("records", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def count(records: Path) -> None:
    """Count the records of a file by task."""
    from collections import Counter  # what a command needs is imported when it runs: `lamm --help` stays instant

    tasks = Counter(json.loads(line)["task"] for line in records.open(encoding="utf-8"))
    click.echo("\\n".join(f"{task} {number}" for task, number in sorted(tasks.items())))
'''


def install(folder: Path) -> None:
    """Lay a package into a folder that Python imports from. The `pyproject.toml` of yours has the same entry point."""
    about = folder / "my_commands-1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (folder / "my_commands.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-commands\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lamm.commands]\ncount = my_commands:count\n")


def main(folder: Path) -> None:
    """Install the command and call it."""
    install(folder)
    records = folder / "records.jsonl"
    records.write_text('{"task": "counting"}\n{"task": "ocr"}\n{"task": "counting"}\n')
    environment = {**os.environ, "PYTHONPATH": str(folder.resolve())}
    command = [sys.executable, "-m", "lamm_cli", "count", str(records)]
    print(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
