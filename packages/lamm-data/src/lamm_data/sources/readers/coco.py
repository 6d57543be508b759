"""COCO: instances, captions and keypoints JSON files (2014 and 2017 alike), streamed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_sections
from lamm_data.records.annotations import Annotated, Box, Keypoints
from lamm_data.sources.readers.fields import join

IMAGE_KEYS = ("id", "file_name", "width", "height")
_image_values = itemgetter(*IMAGE_KEYS)


class CocoFile:
    """The parts of a COCO file that are wanted, by their keys; segmentations and URLs are dropped while reading.

    Raises:
        SourceError: It is truncated, lacks a section or key, or an annotation points at an unknown image.
    """

    def __init__(self, path: str | Path, keys: tuple[str, ...], sections: tuple[str, ...]) -> None:
        self.path = Path(path)
        self.images: list[tuple[Any, ...]] = []
        self.categories: dict[int, dict[str, Any]] = {}
        self.licences: dict[Any, str] = {}
        self._by_image: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        seen, annotation_values = set[str](), itemgetter("image_id", *keys)
        for section, entry in iter_sections(self.path, seen):
            try:
                if section == "images":
                    self.images.append((*_image_values(entry), entry.get("license")))
                elif section == "annotations":
                    values = annotation_values(entry)
                    self._by_image[values[0]].append(values[1:])
                elif section == "categories":
                    self.categories[entry["id"]] = entry
                elif section == "licenses":
                    self.licences[entry["id"]] = str(entry["name"])
            except (KeyError, TypeError) as error:
                raise SourceError(
                    f"Expected {section} to have {error}, got {str(entry)[:80]} ({self.path}). Is this the right file?"
                ) from error
        self._check({"images", "annotations", *sections} - seen)

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

    def item(self, image: tuple[Any, ...], media: str, **values: Any) -> Annotated:
        """Make the item of one image."""
        key, name, width, height, licence = image
        return Annotated(
            str(key),
            join(media, name),
            origin=self.path.name,
            width=width,
            height=height,
            licence=self.licences.get(licence, ""),
            **values,
        )

    def box(self, key: int, category_id: int, bbox: list[float], crowd: int) -> Box:
        """Turn COCO's `[x, y, width, height]` (pixels, zero-based) into corners.

        Raises:
            SourceError: The category is not listed, or the box has not four numbers.
        """
        if category_id not in self.categories or len(bbox) != 4:
            raise SourceError(
                f"Expected a listed category and four box numbers, got category_id {category_id} and {bbox} "
                f"({self.path}, annotation {key})."
            )
        x, y, width, height = bbox
        return Box(self.categories[category_id]["name"], (x, y, x + width, y + height), str(key), crowd=bool(crowd))


def read_instances(path: str | Path, media: str = "") -> Iterator[Annotated]:
    """Read `instances_*.json`: one item an image, images without objects included. Crowd regions are marked.

    Args:
        path: The JSON file.
        media: Folder of the images below the root.

    Raises:
        SourceError: The file is truncated, lacks a section, or points at an unknown image or category.
    """
    file = CocoFile(path, ("id", "category_id", "bbox", "iscrowd"), ("categories",))
    for image, entries in file:
        yield file.item(image, media, boxes=tuple(file.box(*annotation) for annotation in entries))


def read_captions(path: str | Path, media: str = "") -> Iterator[Annotated]:
    """Read `captions_*.json`; white space around and inside captions is collapsed, empty ones are dropped."""
    file = CocoFile(path, ("caption",), ())
    for image, entries in file:
        texts = (" ".join(caption.split()) for (caption,) in entries)
        yield file.item(image, media, captions=tuple(text for text in texts if text))


def _keypoints(file: CocoFile, key: int, category_id: int, flat: list[float]) -> Keypoints:
    names = tuple(file.categories[category_id].get("keypoints", ()))
    if len(flat) != 3 * len(names):
        raise SourceError(
            f"Expected {3 * len(names)} keypoint numbers, got {len(flat)} ({file.path}, annotation {key})."
        )
    points = tuple((float(flat[k]), float(flat[k + 1]), int(flat[k + 2])) for k in range(0, len(flat), 3))
    return Keypoints(names, points, str(key))


def read_keypoints(path: str | Path, media: str = "") -> Iterator[Annotated]:
    """Read `person_keypoints_*.json`: images with at least one labelled person.

    Joints with v = 0 keep their place but count as not labelled (`Keypoints.labelled` leaves them out).
    """
    file = CocoFile(path, ("id", "category_id", "bbox", "iscrowd", "keypoints", "num_keypoints"), ("categories",))
    for image, entries in file:
        people = [entry for entry in entries if entry[5] > 0]
        if people:
            boxes = tuple(file.box(*person[:4]) for person in people)
            joints = tuple(_keypoints(file, person[0], person[1], person[4]) for person in people)
            yield file.item(image, media, keypoints=joints, boxes=boxes)


def _year_layout(root: Path, kind: str, split: str) -> tuple[Path, str]:
    """Find `annotations/<kind>_<split>2017.json` or the 2014 one, and its image folder."""
    for year in ("2017", "2014", ""):
        path = root / "annotations" / f"{kind}_{split}{year}.json"
        if path.is_file():
            return path, f"{split}{year}"
    raise SourceError(
        f"Expected annotations/{kind}_{split}2017.json (or 2014), got neither in {root}. "
        "Check the root folder and the split."
    )


def open_instances(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download of COCO detection."""
    return read_instances(*_year_layout(root, "instances", split))


def open_captions(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download of COCO captions."""
    return read_captions(*_year_layout(root, "captions", split))


def open_keypoints(root: Path, split: str) -> Iterator[Annotated]:
    """Read a download of COCO keypoints."""
    return read_keypoints(*_year_layout(root, "person_keypoints", split))
