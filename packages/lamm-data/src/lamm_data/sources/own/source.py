"""A folder of the user's own as a source: read once, with the name and the licence that its owner states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError, UsageError, first_of
from lamm_data.files.settings import did_you_mean
from lamm_data.records.annotations import Annotated
from lamm_data.sources.guard import BREAKS, tidied
from lamm_data.sources.own.folder import Folder, split_of
from lamm_data.sources.own.formats import FORMATS, choose_format
from lamm_data.sources.registry import OWN, Source, get_source

TASKS = {"boxes": "detection", "keypoints": "keypoint_detection", "captions": "caption", "classes": "classification"}
"""Task of each kind of annotation that own files may hold."""


@dataclass(frozen=True, slots=True)
class OwnSource(Source):
    """Own images with their annotations, already read.

    Attributes:
        items: Items by split; `all` has every one.
        found: What was found, in words.
    """

    items: dict[str, list[Annotated]] = None  # type: ignore[assignment]  # always given
    found: str = ""

    def open(self, root: str | Path, split: str, task: str) -> Iterator[Annotated]:
        """Give the items of a split; see `Source.open`."""
        self.check_split(split)
        if task not in self.readers:
            raise UsageError(f"Expected a task of these images, got {task!r}. {did_you_mean(task, self.readers)}")
        return iter(self.items[split])


def own_source(root: str | Path, *, dataset: str, licence: str = "", layout: str = "") -> OwnSource:
    """Find out what annotations lie in a folder, and read them.

    Args:
        root: Folder of images and annotations.
        dataset: Name that records carry as their data set's.
        licence: Licence or terms of images and annotations; where it is empty, records state what the files do, else
            "not stated".
        layout: Format to read (`FORMATS`); found out when empty.

    Raises:
        UsageError: No format is there, or several are, or no name was stated.
        SourceError: A file is damaged or not laid out as its format says.
    """
    if not dataset.strip() or "/" in dataset:
        raise UsageError(
            f"Expected the name of your data set, got {dataset!r}. State it with --dataset NAME, and its terms with "
            "--licence TEXT: records carry both, and none is assumed."
        )
    folder = Folder(root)
    key, files = choose_format(folder, layout)
    items = _read(folder, key, files, keep_licence=not licence)
    there = [part for part in TASKS if any(getattr(item, part) for item in items["all"])]
    if not there:
        raise SourceError(
            f"Expected images with boxes, joints, captions or classes, got {len(items['all'])} images and nothing "
            f"about them ({FORMATS[key].title}, {folder.root}: {', '.join(first_of(files, 3))}). Put images and labels "
            "together."
        )
    splits = [name for name in items if name != "all"]
    base = get_source(OWN)
    found = (
        f"Found {FORMATS[key].title} ({key}): {len(files)} annotation files or folders, {len(items['all'])} images"
        + (f"; splits {', '.join(f'{name} ({len(items[name])})' for name in splits)}" if splits else "; no splits")
        + f"; {', '.join(there)}."
    )
    values: dict[str, Any] = {entry.name: getattr(base, entry.name) for entry in fields(base)}
    values |= {
        "dataset": dataset.strip(),
        "licence": licence.strip() or base.licence,
        "splits": ("all", *splits),
        "train": "train" if "train" in splits else "all",
        "benchmark_split": next((name for name in ("test", "val") if name in splits), ""),
        "readers": {task: base.readers[task] for part, task in TASKS.items() if part in there},
    }
    return OwnSource(**values, items=items, found=found)


def _read(folder: Folder, key: str, files: list[str], *, keep_licence: bool) -> dict[str, list[Annotated]]:
    """Read all files; what several say about one image is put together. Items are sorted by their path."""
    merged: dict[tuple[str, str], Annotated] = {}
    try:
        for stated, item in FORMATS[key].read(folder, files):
            item = tidied(item if keep_licence else replace(item, licence=""))
            told = "" if key == "folders" else split_of(item.origin, FORMATS[key].by_name) or split_of(item.media)
            place = (stated or told, item.media)
            merged[place] = _together(merged[place], item) if place in merged else item
    except BREAKS as error:
        raise SourceError(
            f"Expected {FORMATS[key].title} as its tool writes it, got {type(error).__name__} {str(error)[:100]} "
            f"({folder.at}). Mend that entry, or export it again."
        ) from error
    items: dict[str, list[Annotated]] = {"all": []}
    for (split, _), item in sorted(merged.items(), key=lambda entry: (entry[1].media, entry[0])):
        items["all"].append(item)
        if split:
            items.setdefault(split, []).append(item)
    order = ("all", "train", "val", "test")
    return {name: items[name] for name in order if name in items}


def _together(first: Annotated, second: Annotated) -> Annotated:
    """Put together what two files, or two places of one, say about an image."""
    account = dict(first.account)
    for reason, number in second.account.items():
        account[reason] = account.get(reason, 0) + number
    joined = {part: getattr(first, part) + getattr(second, part) for part in TASKS}
    origin = first.origin if first.origin == second.origin else f"{first.origin}, {second.origin}"
    return replace(first, origin=origin, account=account, licence=first.licence or second.licence, **joined)


def open_images(root: Path, split: str) -> Iterator[Annotated]:
    """Read a folder of own images as a source of the table does, to check or to look at it."""
    source = own_source(root, dataset="own images")
    source.check_split(split)
    return iter(source.items[split])
