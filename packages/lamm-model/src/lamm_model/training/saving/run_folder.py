"""The folder of a run says what it is: configuration, versions, seed, and what the data were.

``run.json`` is written before the first step and compared when the folder is used again; ``finetune.json`` is written
at the end.
"""

import hashlib
import json
import logging
import math
import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lamm_llm import disk_faults, write_whole
from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.processes import processes as distributed
from lamm_model.training.settings.settings import FinetuneSettings

RUN, UNREADABLE = "run.json", "unreadable.jsonl"
_LOG = logging.getLogger("lamm_model")
PACKAGES = ("lamm-model", "lamm-data", "torch", "transformers", "peft", "accelerate")
PARTS = ("model", "untuned", "best", "finetune.json")
# What may differ when a run goes on: it changes how fast the same numbers are reached, or how they are shown.
FREE = {
    "training.workers", "training.keep_last", "training.log_every", "training.save_every", "training.trackers",
    "compute.memory",
}  # fmt: skip


class Unreadable:
    """Records that training leaves out because a medium of theirs cannot be read: ``unreadable.jsonl`` lists each once.

    Args:
        output: Folder of the run; what an earlier start of it listed counts.
        dialogues: How many the run has. One in a hundred may be left out, and ten in any case.

    Attributes:
        reasons: Why each was left out, by id.
    """

    def __init__(self, output: Path, dialogues: int) -> None:
        self.path = output / UNREADABLE
        self.most = max(10, dialogues // 100)
        self.reasons: dict[str, str] = {}
        content = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        for line in content.splitlines():
            with suppress(ValueError, KeyError, TypeError):  # what a kill left of a line is listed again
                entry = json.loads(line)
                self.reasons[entry["id"]] = entry["reason"]

    def add(self, found: Iterable[tuple[str, str]]) -> None:
        """List records that are not listed yet.

        Raises:
            LammModelError: There are too many.
        """
        new = {name: reason for name, reason in found if name not in self.reasons}
        if not new:
            return
        self.reasons |= new
        lines = "".join(json.dumps({"id": name, "reason": reason}) + "\n" for name, reason in new.items())
        with disk_faults(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + lines)
        for name, reason in new.items():
            _LOG.warning("%s is left out: %s.", name, reason)
        if len(self.reasons) > self.most:
            raise LammModelError(
                f"Expected readable media for all but {self.most} records, got {len(self.reasons)} without, the last "
                f"{name}: {reason}. {self.path} lists them: mend their media and train in a new folder."
            )

    def by_reason(self) -> dict[str, list[str]]:
        """Return the ids by reason."""
        ids = defaultdict(list)
        for name, reason in self.reasons.items():
            ids[reason].append(name)
        return dict(ids)


def describe_data(records: Iterable[str], media: Iterable[str]) -> dict[str, Any]:
    """Return what the data were: a hash of each record file, and of the media's paths and sizes."""
    files = {}
    for name in records:
        with Path(name).open("rb") as file:
            files[name] = hashlib.file_digest(file, "sha256").hexdigest()
    paths = sorted(set(media))
    sizes = "".join(f"{path}\0{os.stat(path).st_size}\n" for path in paths)
    return {"records": files, "media": len(paths), "media_sizes": hashlib.sha256(sizes.encode()).hexdigest()}


def claim(settings: FinetuneSettings, output: Path) -> None:
    """Compare the settings with those of the run that is in the folder, if any.

    Where nothing was trained yet, there is nothing to protect, and the run in it is replaced. The number of steps may
    be raised.

    Raises:
        UsageError: They differ, and every difference is listed; or the folder holds a run without its ``run.json``.
    """
    begun = _begun(output)
    if begun is None:
        return
    mine, theirs = json.loads(json.dumps(settings.to_tables())), begun.get("settings", {})
    differing = [
        f"{section}.{key}: {theirs.get(section, {}).get(key)!r} there, {value!r} here"
        for section, table in mine.items()
        for key, value in table.items()
        if theirs.get(section, {}).get(key) != value and f"{section}.{key}" not in FREE
    ]
    if raised_from(settings, begun) is not None:
        differing = [line for line in differing if not line.startswith("training.max_steps:")]
    _refuse(output, "settings", differing)


def raised_from(settings: FinetuneSettings, begun: dict[str, Any]) -> int | None:
    """Return the lower number of steps that a run in a folder was begun with, None where it is no lower one."""
    theirs = begun.get("settings", {}).get("training", {}).get("max_steps", 0)
    return theirs if 0 < theirs < settings.training.max_steps else None


def begin(settings: FinetuneSettings, output: Path, data: dict[str, Any]) -> None:
    """Write what the run is, or compare its data with those the run in the folder began with.

    Other versions of packages and a raised number of steps are written there, among its ``notes``, and logged.

    Raises:
        UsageError: A record file or the media changed since.
    """
    begun = _begun(output)
    if begun is not None:
        theirs = begun.get("data", {})
        differing = [
            f"{name} has changed since" for name, digest in data["records"].items()
            if theirs.get("records", {}).get(name) != digest
        ]  # fmt: skip
        if theirs.get("media_sizes") != data["media_sizes"]:
            differing.append(f"media: {theirs.get('media')} files there, {data['media']} here, or their sizes differ")
        if (processes := begun.get("processes", 1)) != distributed.world_size():
            differing.append(f"dealt to {processes} processes there, {distributed.world_size()} here")
        _refuse(output, "data", differing)
        _note_changes(settings, output, begun)
        return
    import torch

    about = {
        "settings": settings.to_tables(),
        "versions": _versions(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "processes": distributed.world_size(),
        "threads": torch.get_num_threads(),
        "seed": settings.training.seed,
        "data": data,
    }
    write_json(output / RUN, about)


def threads_of(output: Path) -> int | None:
    """Return the threads that the run in a folder began with: another number rounds otherwise. None without a run."""
    begun = _begun(output)
    return None if begun is None or "threads" not in begun else int(begun["threads"])


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _note_changes(settings: FinetuneSettings, output: Path, begun: dict[str, Any]) -> None:
    """Write down what will tell this run from one that began with these settings and versions and was not stopped."""
    theirs, mine, notes = begun.get("versions", {}), _versions(), list(begun.get("notes", []))
    if other := [f"{name} {theirs.get(name)}, now {mine[name]}" for name in PACKAGES if theirs.get(name) != mine[name]]:
        notes.append(f"Went on under other versions than it began with: {'; '.join(other)}. Numbers may differ.")
    if (before := raised_from(settings, begun)) is not None:
        same = _same_schedule(settings, before)
        notes.append(
            f"Went on from a run of {before} steps to {settings.training.max_steps}"
            + (", under the schedule of a run of that length." if same else
               f": its schedule was that of {before} steps, so a run of that length from the start ends elsewhere.")
        )  # fmt: skip
    notes = list(dict.fromkeys(notes))
    if notes != begun.get("notes", []):
        write_json(output / RUN, {**begun, "settings": settings.to_tables(), "notes": notes})
    for note in notes:
        _LOG.warning(note)


def _same_schedule(settings: FinetuneSettings, before: int) -> bool:
    """Tell whether a run of fewer steps took the steps that this one would have taken."""
    training, judged = settings.training, settings.evaluation
    warmups = {math.ceil(steps * training.warmup) for steps in (before, training.max_steps)}
    judged_alike = not judged.patience or before % judged.every == 0  # the last step is always judged
    return training.schedule == "constant" and len(warmups) == 1 and judged_alike


def _refuse(output: Path, what: str, differing: list[str]) -> None:
    if differing:
        raise UsageError(
            f"Expected the run in {output} to go on, got other {what}:\n"
            + "\n".join(f"  {line}" for line in differing)
            + f"\nChoose another --output, or the same {what}."
        )


def _begun(output: Path) -> dict[str, Any] | None:
    """Return the record of a run that has left something in its folder, else None.

    Raises:
        UsageError: The folder holds parts of a run, and not what that run was.
    """
    left = [path.name for path in output.iterdir() if path.name != RUN and not path.name.startswith(".")]
    if (output / RUN).exists():
        return _read(output / RUN) if left else None
    if parts := sorted(name for name in left if name in PARTS or name.startswith("checkpoint-")):
        raise UsageError(
            f"Expected a new folder or that of a run, found {output} with {', '.join(parts)} and no {RUN}, which says "
            "what they were made with. Choose another --output, or put that file back."
        )
    return None


def read_complete(output: Path, name: str) -> dict[str, Any]:
    """Return the record of a complete run.

    Raises:
        UsageError: It is missing or torn.
    """
    if not (output / name).is_file():
        raise UsageError(
            f"Expected a new folder or that of a run, found {output} with a model in it and no {name}. "
            "Choose another --output."
        )
    return _read(output / name)


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Expected the record of a run in {path}, found {error}. Choose another --output.") from error
    return dict(record) if isinstance(record, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON that appears when it is whole."""
    write_whole(path, json.dumps(value, indent=1) + "\n")
