"""Names under which the same picture or room shows in different data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import iter_values

_COCO = re.compile(r"(?:COCO_(?:train|val|test)\d{4}_)?(\d{12})")
_SCENE = re.compile(r"(scene\d{4})_\d\d")
_SCAN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GENOME = ("vg_100k", "vg_images", "visual_genome", "visualgenome")
_DISTINCT = 8
"""File names of so many characters, a digit among them, are taken to be unique over data sets; shorter ones ("12.jpg",
"image.png") only with their folder."""


class MediaKeys:
    """Gives each picture or room one name.

    Args:
        links: Files that say which is which: Visual Genome's `image_data.json` (its images that are COCO images) and
            3RScan's `3RScan.json` (scans of one room).

    Raises:
        SourceError: A file is neither.
    """

    def __init__(self, links: Iterable[Path] = ()) -> None:
        self._linked: dict[str, str] = {}
        for path in links:
            known = len(self._linked)
            for _, entry in iter_values(path):
                if isinstance(entry, dict):
                    self._add(entry)
            if len(self._linked) == known:
                raise SourceError(
                    f"Expected image_data.json of Visual Genome or 3RScan.json, got neither ({path}). "
                    "Only these two say which images or scans are the same."
                )

    def _add(self, entry: dict[str, object]) -> None:
        if isinstance(entry.get("coco_id"), int) and "image_id" in entry:
            self._linked[f"visual_genome:{entry['image_id']}"] = f"coco:{entry['coco_id']:012d}"
        scans = entry.get("scans")
        if isinstance(scans, list) and "reference" in entry:
            for scan in scans:
                self._linked[f"3rscan:{scan['reference']}"] = f"3rscan:{entry['reference']}"
            self._linked.setdefault(f"3rscan:{entry['reference']}", f"3rscan:{entry['reference']}")

    def __call__(self, path: str) -> str:
        """Name a medium by its path in a record.

        COCO's 2014 and 2017 names become one, repeated scans of a ScanNet or 3RScan room become the room, and Visual
        Genome's images that COCO has become COCO's.

        >>> key = MediaKeys()
        >>> key("coco_images/COCO_val2014_000000001146.jpg"), key("./scannet_pcls/scene0011_01.npy")
        ('coco:000000001146', 'scannet:scene0011')
        >>> key("images/train/12/image.png"), key("flickr30k_images/1000092795.jpg")
        ('12/image', '1000092795')
        """
        pure = PurePosixPath(path)
        stem, folder = pure.stem, pure.parent.name
        if found := _COCO.fullmatch(stem):
            name = f"coco:{found[1]}"
        elif found := _SCENE.match(stem):
            name = f"scannet:{found[1]}"
        elif found := _SCAN.search(stem) or (_SCAN.fullmatch(folder)):
            name = f"3rscan:{found[0]}"
        elif stem.isdecimal() and folder.lower().startswith(_GENOME):
            name = f"visual_genome:{int(stem)}"
        elif len(stem) >= _DISTINCT and any(map(str.isdigit, stem)):
            name = stem
        else:
            name = f"{folder}/{stem}"
        return self._linked.get(name, name)
