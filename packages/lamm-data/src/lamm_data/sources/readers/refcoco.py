"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that mean one object of a COCO image."""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.records.annotations import Annotated, Description
from lamm_data.sources.readers.coco import read_instances
from lamm_data.sources.readers.fields import first_file, need, read_file

REFS = "refs(unc).p | refs(umd).p | refs(google).p"
"""The splits by their makers: UNC's of RefCOCO and RefCOCO+, UMD's of RefCOCOg, Google's where there is no other."""


class _PlainUnpickler(pickle.Unpickler):
    """Opens lists, dictionaries, texts and numbers; whatever names a class or a function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a call of {module}.{name}")


def load_refs(path: Path) -> list[dict[str, Any]]:
    """Load `refs(...).p`, a pickle of plain values, without running anything it may contain.

    Raises:
        SourceError: It is missing, no pickle, no list of references, or names anything but plain values.
    """
    try:
        value = _PlainUnpickler(io.BytesIO(read_file(path)), encoding="utf-8", errors="replace").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise SourceError(
            f"Expected references of plain values, got {error} ({path}). Do not use this file: download it again."
        ) from error
    if not isinstance(value, list):
        raise SourceError(f"Expected a list of references, got {type(value).__name__} ({path}).")
    keys = ("image_id", "ann_id", "split", "sentences")
    return [dict(need(entry, keys, path, "a reference")) for entry in value]


def open_refcoco(root: Path, split: str) -> Iterator[Annotated]:
    """Read the images of a split with their boxes and expressions; boxes come from `instances.json`.

    Raises:
        SourceError: A file is missing or damaged, or there is no such split in it.
    """
    path = first_file(root, REFS)
    refs = load_refs(path)
    texts: dict[str, list[Description]] = defaultdict(list)
    for entry in refs:
        if entry["split"] != split:
            continue
        for value in entry["sentences"]:
            sentence = need(value, ("sent", "sent_id"), path, "a sentence")
            text = Description(str(sentence["sent"]).strip(), str(entry["ann_id"]), str(sentence["sent_id"]))
            texts[str(entry["image_id"])].append(text)
    if not texts:
        there = sorted({str(entry["split"]) for entry in refs})
        raise SourceError(f"Expected a split out of {', '.join(there)}, got {split!r} ({path}). Name one with --split.")
    for item in read_instances(root / "instances.json", "train2014", root):
        if item.id in texts:
            yield replace(item, descriptions=tuple(texts.pop(item.id)))
    if texts:
        raise SourceError(
            f"Expected image {next(iter(texts))} in {root / 'instances.json'}, got none. Take its own file."
        )
