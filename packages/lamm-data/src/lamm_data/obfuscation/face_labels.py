"""Which data sets have faces for labels: obfuscation would destroy what they teach."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lamm_data.records.instruction import InstructionRecord
from lamm_data.sources.registry import load_sources

TASK = "facial_classification"


@cache
def face_data_sets() -> frozenset[str]:
    """Names, in lower case, of the registered data sets that are made for facial tasks."""
    sources = [source for source in load_sources().values() if TASK in source.readers]
    return frozenset(source.dataset_of(TASK).lower() for source in sources)


def face_labelled(records: Iterable[InstructionRecord]) -> str:
    """Name the first data set of records whose labels are faces; empty when there is none."""
    for record in records:
        meta = record.meta or {}
        names = [str(name) for name in (record.src_image, meta.get("source"), meta.get("dataset")) if name]
        for name in names:
            if name.lower().startswith(tuple(face_data_sets())):
                return name
        if meta.get("task") == TASK:
            return names[0] if names else TASK
    return ""


def face_folder(folder: Path) -> str:
    """Name the data set of a folder of images whose labels are faces; empty when nothing tells of one."""
    for parent in (folder, folder.parent):
        if (parent / "list_attr_celeba.txt").is_file():
            return "CelebA"
    for part in folder.resolve().parts[-3:]:
        if part.lower().removeprefix("img_align_").startswith(tuple(face_data_sets())):
            return part
    return ""
