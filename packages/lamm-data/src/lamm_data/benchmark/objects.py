"""Entries about objects that a text means: their boxes, or what is said of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from lamm_data.benchmark.entry import Build, Entry
from lamm_data.benchmark.proposals import ANNOTATION, nearest, token
from lamm_data.records.annotations import Annotated, Box3D, Description
from lamm_data.writing.coordinates import metres, solid_boxes, usable_boxes
from lamm_data.writing.draws import fill
from lamm_data.writing.english import as_sentence
from lamm_data.writing.words import worded

Named = dict[str, dict[str, Any]]
"""Label and box, as a record writes them, by object id."""


def written(box: Box3D, build: Build) -> list[float]:
    """Return the numbers of a 3D box as records have them."""
    return [round(value, 4) for value in (box.oriented_values if build.oriented else box.values)]


def solids(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask for every object of a scene."""
    objects = [{"label": box.label, "bbox": written(box, build)} for box in solid_boxes(item, build.left_out)]
    if objects:
        yield "", query, {"object": objects, "cloud_corner": list(item.corner) or None}


def _named(item: Annotated, build: Build) -> Named:
    if item.modality == "image":
        flat = usable_boxes(item, build.left_out)
        return {box.id: {"label": box.label, "bbox": [round(value, 4) for value in xyxy]} for box, xyxy in flat}
    return {box.id: {"label": box.label, "bbox": written(box, build)} for box in solid_boxes(item, build.left_out)}


def _described(item: Annotated, build: Build) -> list[tuple[int, Description]]:
    return worded(item.descriptions, "text", build.left_out, "description without a text")


def _unknown(item: Annotated, build: Build, ids: list[str]) -> None:
    build.left_out["description of an object without box"] += 1
    build.unknown |= {f"{item.id}: {key}": None for key in ids}


def one_target(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask for the one object that a description means, in a scene or an image; `source_id` is the description's."""
    named, (objects, numbered) = _named(item, build), _numbered(item, build)
    for number, text in _described(item, build):
        target = named.get(text.object_id)
        if text.object_ids is not None and len(text.object_ids) != 1:
            build.left_out["description of several objects or of none"] += 1
            continue
        if target is None:
            _unknown(item, build, [text.object_id])
            continue
        extra = ({"source_id": text.id} if text.id else {}) | dict(text.stated) | numbered
        truth = {"gt_bbox": target["bbox"], "object": [target], "extra": extra}
        yield f"-{number}", fill(query, {"description": as_sentence(text.text), "objects": objects}), truth


def targets(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask for all objects that a description means, which may be none."""
    named, (objects, numbered) = _named(item, build), _numbered(item, build)
    for number, text in _described(item, build):
        ids = [text.object_id] if text.object_ids is None else list(text.object_ids)
        if lacking := [key for key in ids if key not in named]:
            _unknown(item, build, lacking)
            continue
        truth = {"object": [named[key] for key in ids], "extra": dict(text.stated) | numbered}
        truth |= {"id": text.id or f"{item.id}-{number}"}
        yield "", fill(query, {"description": as_sentence(text.text), "objects": objects}), truth


def _numbered(item: Annotated, build: Build) -> tuple[str, dict[str, Any]]:
    """Return the numbered objects of a scene as a query lists them, and as its records hold them."""
    if build.proposals is None:
        return "", {}
    found = build.proposals.of(item)
    written = "; ".join(f"{token(one['id'])} {metres(one['bbox'])}" for one in found)
    return written, {"proposals": found, "proposal_source": build.proposals.source}


def _sentences(item: Annotated, build: Build) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the described objects of a scene by their first description, with all that is said of each."""
    named, texts = _named(item, build), defaultdict[str, list[str]](list)
    for _, text in _described(item, build):
        texts[text.object_id].append(text.text)
    for key, sentences in texts.items():
        if key in named:
            yield key, named[key] | {"sentences": sentences}
        else:
            _unknown(item, build, [key])


def captions(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask what can be said of the object in a true box, as `proposal_source` says."""
    for key, target in _sentences(item, build):
        truth = {"sentences": target["sentences"], "object": [{"label": target["label"]}]}
        truth |= {"extra": {"proposal_source": ANNOTATION}}
        yield f"-{key}", fill(query, {"box": metres(target["bbox"])}), truth


def dense_captions(item: Annotated, build: Build, query: str) -> Iterator[Entry]:
    """Ask for every described object of a scene and what can be said of it.

    With numbered objects, ask about the one that overlaps each described object most: a record an object.
    """
    described = list(_sentences(item, build))
    if build.proposals is None:
        if described:
            yield "", query, {"object": [target for _, target in described]}
        return
    found = build.proposals.of(item)
    for key, target in described:
        truth = {"gt_bbox": target["bbox"], "sentences": target["sentences"]}
        extra: dict[str, Any] = {"proposal_source": build.proposals.source}
        proposal, asked = nearest(target["bbox"], found), "[]"  # a scene in which nothing was found is asked in vain
        if proposal is not None:
            extra |= {"proposal_bbox": proposal["bbox"], "proposal_id": proposal["id"]}
            asked = metres(proposal["bbox"])
        yield f"-{key}", fill(query, {"box": asked}), truth | {"extra": extra}
