"""COCO: instances, captions and keypoints JSON files (2014 and 2017 alike), streamed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_sections
from lamm_data.records.annotations import Annotated, Box, Keypoints, join
from lamm_data.sources.guard import unique_names
from lamm_data.sources.readers.fields import image_size

_image_values = itemgetter("id", "file_name", "width", "height")
_NONE: Mapping[str, int] = {}
DEFAULTS: dict[str, Any] = {"iscrowd": 0, "num_keypoints": None}
"""What a labelling tool may leave out, with what stands for it: a single object, and as many joints as are labelled."""
_OWNERS = re.compile(
    r"cocodataset\.org|mscoco\.org|coco consortium|microsoft coco|\bcoco 20\d\d\b|\b20\d\d (ms ?)?coco\b", re.I
)


def _box_of(outline: Any) -> list[float]:
    """Return the box `[x, y, width, height]` of an outline: polygons, or run lengths.

    Raises:
        ValueError: The run lengths are none.
    """
    if isinstance(outline, dict):
        from pycocotools import mask

        # Its C divides by the height and reads on where the last run has no end.
        height, width = map(int, outline["size"])
        counts = outline["counts"]
        ended = isinstance(counts, list) or (isinstance(counts, str) and counts and not (ord(counts[-1]) - 48) & 32)
        if not ended or min(height, width) < 1:
            raise ValueError(f"run lengths without an end or a size: {outline!s:.60}")
        runs = mask.frPyObjects(outline, height, width) if isinstance(counts, list) else outline
        box = [float(value) for value in mask.toBbox({**runs, "size": [height, width]})]
        if box[0] + box[2] > width or box[1] + box[3] > height:
            raise ValueError(f"run lengths beyond their size: {outline!s:.60}")
        return box
    xs, ys = ([value for part in outline for value in part[first::2]] for first in (0, 1))
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _unsized(entry: dict[str, Any]) -> tuple[Any, ...]:
    size = (entry.get("width") or 0, entry.get("height") or 0)
    return entry["id"], entry["file_name"], *size, entry.get("license")


class CocoFile:
    """The parts of a COCO file that are wanted, by their keys; segmentations and URLs are dropped while reading.

    What labelling tools leave out is completed and counted: `DEFAULTS` of annotations, and a box from its outline. An
    image without a size has the size 0.

    Args:
        path: The JSON file.
        keys: Keys of annotations whose values are wanted.
        sections: Sections that it must have beside images and annotations.
        optional: Keys that need not be there, and are None then.

    Raises:
        SourceError: It is truncated, lacks a section or key, or an annotation points at an unknown image.
    """

    def __init__(
        self, path: str | Path, keys: tuple[str, ...], sections: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> None:
        self.path = Path(path)
        self.images: list[tuple[Any, ...]] = []
        self.categories: dict[int, dict[str, Any]] = {}
        self.licences: dict[Any, str] = {}
        self.completed: dict[Any, Counter[str]] = {}
        self._keys, self._optional = keys, optional
        self._by_image: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        seen, annotation_values, categories = set[str](), itemgetter("image_id", *keys), list[tuple[Any, Any]]()
        for section, entry in iter_sections(self.path, seen):
            try:
                if section == "images":
                    try:
                        self.images.append((*_image_values(entry), entry.get("license")))
                    except KeyError:
                        self.images.append(_unsized(entry))
                elif section == "annotations":
                    try:
                        values = annotation_values(entry)
                    except KeyError:
                        values = self._complete(entry)
                    self._by_image[values[0]].append(values[1:])
                elif section == "categories":
                    if not isinstance(entry["name"], str):
                        raise TypeError("a `name` that is a text")
                    categories.append((entry["id"], entry["name"]))
                    self.categories[entry["id"]] = entry
                elif section == "licenses":
                    self.licences[entry["id"]] = str(entry.get("name") or "").strip()
            except (KeyError, TypeError) as error:
                wanted = f"have {error}" if isinstance(entry, dict) else "be objects in a list"
                raise SourceError(
                    f"Expected {section} to {wanted}, got {str(entry)[:80]} ({self.path}). Is this the right file?"
                ) from error
        self.names = unique_names(categories, self.path, "category")
        self._check({"images", "annotations", *sections} - seen)

    def _complete(self, entry: dict[str, Any]) -> tuple[Any, ...]:
        """Return an annotation's values, its missing ones completed and counted.

        Raises:
            KeyError: One is missing that nothing can stand for.
        """
        about_box = not self._optional or "bbox" in entry or "segmentation" in entry
        missing = {key: DEFAULTS[key] for key in self._keys if key not in entry and key in DEFAULTS and about_box}
        outline = entry.get("segmentation")
        if "bbox" in self._keys and not entry.get("bbox") and outline:
            missing["bbox"] = _box_of(outline)
        if missing:
            account = self.completed.setdefault(entry["image_id"], Counter())
            account.update(f"noted: annotation without {key}" for key in missing)
        values = {**dict.fromkeys(self._optional), **DEFAULTS, **entry, **missing}
        return tuple(values[key] for key in ("image_id", *self._keys))

    def _check(self, missing: set[str]) -> None:
        # A file without a single annotation has an empty list of them, which is no fault.
        if missing or not self.images:
            raise SourceError(
                f"Expected a COCO file with {', '.join(sorted(missing)) or 'images'}, got none ({self.path}). "
                "Is this the right file?"
            )
        listed = {image[0] for image in self.images}
        if len(listed) < len(self.images):
            twice = next(key for key, number in Counter(image[0] for image in self.images).items() if number > 1)
            raise SourceError(f"Expected every image once, got image id {twice!r} more than once ({self.path}).")
        unknown = self._by_image.keys() - listed
        if unknown:
            raise SourceError(
                f"Expected every annotation to belong to a listed image, got image_id {min(unknown, key=str)!r} and "
                f"{len(unknown) - 1} more that are not listed ({self.path})."
            )

    def __iter__(self) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]:
        """Yield each image with its annotations."""
        for image in self.images:
            yield image, self._by_image.get(image[0], [])

    def item(self, image: tuple[Any, ...], media: str, root: Path | None = None, **values: Any) -> Annotated:
        """Make the item of one image; where the file has no size of it, the picture below the root has."""
        key, name, width, height, licence = image
        account: Mapping[str, int]
        name, account = join(media, name), self.completed.get(key, _NONE)
        if not (width and height) and root is not None:
            width, height = image_size(root, name)
            account = {**account, "noted: image size read from the picture": 1}
        return Annotated(
            str(key),
            name,
            origin=self.path.name,
            width=width,
            height=height,
            licence=self.licences.get(licence, ""),
            account=account,
            **values,
        )

    def box(self, key: int, category_id: int, bbox: list[float], crowd: int) -> Box:
        """Turn COCO's `[x, y, width, height]` (pixels, zero-based) into corners.

        Raises:
            SourceError: The category is not listed, or the box has not four numbers.
        """
        if category_id not in self.names or len(bbox) != 4:
            raise SourceError(
                f"Expected a listed category and four box numbers, got category_id {category_id} and {bbox} "
                f"({self.path}, annotation {key})."
            )
        x, y, width, height = bbox
        return Box(self.names[category_id], (x, y, x + width, y + height), str(key), crowd=bool(crowd))


def read_instances(path: str | Path, media: str = "", root: Path | None = None) -> Iterator[Annotated]:
    """Read `instances_*.json`: one item an image, images without objects included. Crowd regions are marked.

    Args:
        path: The JSON file.
        media: Folder of the images below the root.
        root: Root, where sizes that the file lacks are read from the pictures; sizes stay 0 without it.

    Raises:
        SourceError: The file is truncated, lacks a section, or points at an unknown image or category.
    """
    file = CocoFile(path, ("id", "category_id", "bbox", "iscrowd"), ("categories",))
    for image, entries in file:
        yield file.item(image, media, root, boxes=tuple(file.box(*annotation) for annotation in entries))


def read_captions(path: str | Path, media: str = "", root: Path | None = None) -> Iterator[Annotated]:
    """Read `captions_*.json`; white space around and inside captions is collapsed."""
    file = CocoFile(path, ("caption",), ())
    for image, entries in file:
        yield file.item(image, media, root, captions=tuple(" ".join(caption.split()) for (caption,) in entries))


def _labelled(flat: list[float], stated: int | None) -> int:
    """Return how many joints are labelled: as stated, or counted where the file does not say."""
    return sum(flag > 0 for flag in flat[2::3]) if stated is None else stated


def keypoints_of(file: CocoFile, key: int, category_id: int, flat: list[float]) -> Keypoints:
    """Turn COCO's `[x, y, v, ...]` into joints, named by the category.

    Raises:
        SourceError: There are not three numbers a joint.
    """
    names = tuple(file.categories[category_id].get("keypoints", ()))
    if len(flat) != 3 * len(names):
        raise SourceError(
            f"Expected {3 * len(names)} keypoint numbers, got {len(flat)} ({file.path}, annotation {key})."
        )
    points = tuple((float(flat[k]), float(flat[k + 1]), int(flat[k + 2])) for k in range(0, len(flat), 3))
    return Keypoints(names, points, str(key))


def read_keypoints(path: str | Path, media: str = "", root: Path | None = None) -> Iterator[Annotated]:
    """Read `person_keypoints_*.json`: images with at least one labelled person.

    Joints with v = 0 keep their place but count as not labelled (`Keypoints.labelled` leaves them out).
    """
    file = CocoFile(path, ("id", "category_id", "bbox", "iscrowd", "keypoints", "num_keypoints"), ("categories",))
    for image, entries in file:
        people = [entry for entry in entries if _labelled(entry[4], entry[5]) > 0]
        if people:
            boxes = tuple(file.box(*person[:4]) for person in people)
            joints = tuple(keypoints_of(file, person[0], person[1], person[4]) for person in people)
            yield file.item(image, media, root, keypoints=joints, boxes=boxes)


def _open(root: Path, kind: str, split: str, read: Callable[..., Iterator[Annotated]]) -> Iterator[Annotated]:
    """Read `annotations/<kind>_<split>2017.json` or the 2014 one, its images in the folder of that name."""
    for year in ("2017", "2014", ""):
        path = root / "annotations" / f"{kind}_{split}{year}.json"
        if path.is_file():
            check_owner(path)
            return read(path, f"{split}{year}", root)
    raise SourceError(
        f"Expected annotations/{kind}_{split}2017.json (or 2014), got neither in {root}. "
        "Check the root folder and the split; annotations of your own are read with --source images."
    )


def _is_short(part: tuple[str, Any]) -> bool:
    """Tell whether a part of a file belongs to one of the sections that are read at once."""
    return part[0] not in ("images", "annotations")


def check_owner(path: Path) -> None:
    """Refuse a file that says that it is not COCO's: its records would carry COCO's name, licence and citation.

    Raises:
        SourceError: Its `info`, where that stands before the images, names somebody else.
    """
    info = next((entry for section, entry in takewhile(_is_short, iter_sections(path)) if section == "info"), None)
    named = info if isinstance(info, dict) else {}
    stated = [str(named[key]) for key in ("url", "contributor", "description") if named.get(key)]
    if len(stated) == 1 and len(stated[0].split()) == 1 and "://" not in stated[0]:
        return  # a single word says nothing about whose they are
    if stated and not any(map(_OWNERS.search, stated)):
        raise SourceError(
            f"Expected annotations of COCO, got a file whose info says {', '.join(stated)[:120]!r} ({path}). "
            "Read it with --source images --dataset NAME --licence TEXT."
        )


def open_instances(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download of COCO detection."""
    return _open(root, "instances", split, read_instances)


def open_captions(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download of COCO captions."""
    return _open(root, "captions", split, read_captions)


def open_keypoints(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download of COCO keypoints."""
    return _open(root, "person_keypoints", split, read_keypoints)
