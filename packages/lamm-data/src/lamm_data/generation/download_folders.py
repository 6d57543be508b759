"""Rows read from a source's own download folder.

A folder is recognised by a file in it. COCO is several files that are joined by image: captions, boxes and, where a
Visual Genome lies in the folder too, the attributes and relations that LAMM's dialogues were written from (appendix B).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lamm_data.errors import UsageError
from lamm_data.generation.rows import Row, SceneObject
from lamm_data.records.annotations import Annotated
from lamm_data.sources.guard import guarded
from lamm_data.sources.readers.coco import read_captions, read_instances
from lamm_data.sources.readers.visual_genome import read_visual_genome
from lamm_data.sources.registry import Source, get_source, load_function


class Layout(NamedTuple):
    """How a kind of folder is recognised and read."""

    marker: str
    what: str
    read: Callable[[Path, str], Iterator[Row]]


def read_folder(folder: Path, split: str) -> Iterator[Row]:
    """Read a download folder in the order of the source; by default its split for instruction data (COCO: all)."""
    for layout in _LAYOUTS:
        if any(folder.rglob(layout.marker)):
            yield from layout.read(folder, split)
            return
    known = "; ".join(f"{layout.marker} ({layout.what})" for layout in _LAYOUTS)
    raise UsageError(
        f"Expected a folder with one of these: {known}. Found none of them below {folder}. "
        "Give the folder a source was unpacked into, or a JSON Lines file of captions and boxes."
    )


def row_from_item(item: Annotated, source: Source) -> Row:
    """Turn an item of a source reader into a row.

    A class becomes the row's label, and what the source says about the class its description. Crowd regions are left
    out: they are no objects to count. Boxes are fractions in 2D and metres in 3D.
    """
    flat = item.modality == "image"
    label = item.classes[0].name if item.classes else ""
    origin = {"file": item.origin, "annotation": item.id}
    return Row(
        id=item.id,
        media=item.media,
        modality=item.modality,
        captions=() if label else tuple(filter(None, item.captions)),
        objects=_objects(item),
        relations=tuple(
            (part.subject, part.predicate, part.object)
            for part in item.relations
            if part.subject and part.predicate and part.object
        ),
        label=label,
        description=" ".join(filter(None, item.captions)) if label else "",
        questions=tuple(question for question in item.questions if question.text and question.answers),
        group=item.group,
        source={"src_image": source.dataset} if flat else {"src_dataset": source.dataset, "src_id": item.id},
        origin=origin,
        licence=item.licence or source.licence,
    )


def _objects(item: Annotated) -> tuple[SceneObject, ...]:
    sized = item.width > 0 and item.height > 0
    flat = (
        SceneObject(box.label, box.normalised(item.width, item.height) if sized else (), box.attributes)
        for box in item.boxes
        if box.label and not box.crowd
    )
    solid = (SceneObject(box.label, tuple(box.values), box.attributes) for box in item.boxes3d if box.label)
    return (*flat, *solid)


def _layout(name: str, marker: str) -> Layout:
    """Make the layout of one source of the registry, whose files lie in the folder itself or in one below it."""
    source = get_source(name)

    def read(folder: Path, split: str) -> Iterator[Row]:
        root = min(folder.rglob(marker), key=lambda path: (len(path.parts), path)).parent
        for item in source.open(root, split or source.train, next(iter(source.readers))):
            yield row_from_item(item, source)

    return Layout(marker, source.title, read)


def _sample_source(path: Path, task: str) -> Source | None:
    """Give the synthetic sample world as the source of files that lie in one, whichever format they have."""
    if not any((parent / "sample.json").is_file() for parent in path.absolute().parents[:3]):
        return None
    sample = get_source("sample")
    return replace(sample, dataset=sample.dataset_of(task))


def _read_rooms(folder: Path, split: str) -> Iterator[Row]:
    """Read prepared ScanNet scenes: boxes, and ScanQA's questions where the folder holds them."""
    root = next(folder.rglob("*_aligned_bbox.npy")).parent.parent
    scannet, scanqa = get_source("scannet"), get_source("scanqa")
    source = _sample_source(root, "vqa3d") or scannet
    asked = replace(source, licence=f"{scannet.licence}; questions {scanqa.licence}") if source is scannet else source
    rooms = load_function("readers.scannet_export:read_rooms")(root, split or source.train)
    for item in guarded(rooms, f"{source.name} in {root}"):
        yield row_from_item(item, asked if item.questions else source)


def _read_coco(folder: Path, split: str) -> Iterator[Row]:
    files = [file for file in sorted(folder.rglob("captions_*.json")) if split in file.stem]
    if not files:
        raise UsageError(f"Expected captions_{split}*.json below {folder}, found none. Choose another split.")
    genome = next(iter(sorted(folder.rglob("image_data.json"))), None)
    for file in files:
        instances = file.with_name(file.name.replace("captions_", "instances_", 1))
        yield from _join_coco(file, instances, genome.parent if genome else None)


def _join_coco(file: Path, instances: Path, genome: Path | None) -> Iterator[Row]:
    """Join captions with Visual Genome's scene graphs where there are any, else with COCO's boxes."""
    split = file.stem.removeprefix("captions_")
    year = split.lstrip("abcdefghijklmnopqrstuvwxyz_")
    coco = replace(get_source("coco_captions"), dataset=f"coco{year}" if year else f"coco_{split}")
    source = _sample_source(file, "caption") or coco
    captioned = {item.id: item for item in guarded(read_captions(file), str(file))}
    if genome is not None:
        yield from _joined(guarded(read_visual_genome(genome), str(genome)), "coco", captioned, source)
    if instances.is_file():
        yield from _joined(guarded(read_instances(instances), str(instances)), "", captioned, source)
    for item in captioned.values():
        yield _coco_row(row_from_item(item, source))


def _joined(items: Iterable[Annotated], link: str, captioned: dict[str, Annotated], source: Source) -> Iterator[Row]:
    """Give captions the objects and relations of the same image, and take them off the list."""
    for item in items:
        image = captioned.pop(item.link.get(link, "") if link else item.id, None)
        if image is not None:
            row = row_from_item(replace(item, captions=image.captions, licence=image.licence), source)
            origin = {"file": image.origin, "annotation": image.id, "objects": item.origin}
            yield _coco_row(replace(row, media=image.media, origin=origin))


def _coco_row(row: Row) -> Row:
    """Name a row by its file, as the published data does."""
    return replace(row, id=PurePosixPath(row.media).stem)


_LAYOUTS = (
    Layout("captions_*.json", "COCO, with Visual Genome beside it or without", _read_coco),
    _layout("3rscan", "3RScan.json"),
    Layout("*_aligned_bbox.npy", "prepared ScanNet, with ScanQA's questions or without", _read_rooms),
    _layout("scanqa", "ScanQA_v1.0_*.json"),
    _layout("bamboo", "sensexo_visual_*.visual.json"),
    _layout("shapenet", "taxonomy.json"),
    _layout("visual_genome", "image_data.json"),
)
