"""Checkpoints that can be trusted: written beside and renamed, checksummed, and the newest intact one is found.

A checkpoint holds what is trained, the optimiser, the schedule, the random state and the position in the data. Its
``checksums.json`` is written last. A folder that a kill, a full disk or a bad sector left torn fails its checksums and
is passed over; the one before it is taken.
"""

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
CHECKSUMS = "checksums.json"
PARTIAL = ".partial"


def checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    found = {int(match[1]): path for path in run.glob("checkpoint-*") if (match := CHECKPOINT.search(path.name))}
    return [found[step] for step in sorted(found)]


def seal(folder: Path) -> None:
    """Write the checksums of a finished checkpoint and hand its files to the disk."""
    sums = {}
    for path in _files(folder):
        with path.open("rb") as file:
            sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    (folder / CHECKSUMS).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def fault_of(folder: Path) -> str:
    """Return what is wrong with a checkpoint, or nothing."""
    try:
        expected = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"no {CHECKSUMS}"
    except (OSError, ValueError) as error:
        return f"{CHECKSUMS}: {error}"
    if not isinstance(expected, dict):
        return f"{CHECKSUMS} holds no table"
    found = {str(path.relative_to(folder)) for path in _files(folder)}
    if missing := sorted(expected.keys() - found):
        return f"missing {', '.join(missing)}"
    for name, wanted in expected.items():
        try:
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                    return f"{name} is not what was written"
        except OSError as error:
            return f"{name}: {error.strerror}"
    return ""


@dataclass(slots=True)
class Found:
    """Where a run can go on.

    Attributes:
        path: The newest intact checkpoint, or None.
        torn: Newer ones that are not, and why.
    """

    path: Path | None = None
    torn: dict[str, str] = field(default_factory=dict)


def newest_intact(run: Path) -> Found:
    """Return the newest checkpoint whose checksums hold."""
    found = Found()
    for path in reversed(checkpoints(run)):
        fault = fault_of(path)
        if not fault:
            found.path = path
            break
        found.torn[path.name] = fault
    return found


def publish(run: Path, name: str, keep: int) -> None:
    """Seal ``run/.partial/name``, give it its place, and drop the oldest beyond ``keep``."""
    partial = run / PARTIAL
    seal(partial / name)
    shutil.rmtree(run / name, ignore_errors=True)
    os.replace(partial / name, run / name)
    shutil.rmtree(partial, ignore_errors=True)
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
