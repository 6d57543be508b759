"""COCO files in any layout: boxes, joints and captions of each image, whatever the file and its folder are called."""

from __future__ import annotations

from collections.abc import Iterator

from lamm_data.sources.own.folder import Drawn, Folder, Part, split_of
from lamm_data.sources.readers.coco import CocoFile, keypoints_of

KEYS = ("id", "category_id", "bbox", "iscrowd", "keypoints", "caption")


def read_coco(folder: Folder, files: list[str]) -> Iterator[Part]:
    """Read COCO files one after the other, as CVAT, Roboflow and most other tools write them."""
    for name in files:
        folder.at = str(folder.root / name)
        file, split = CocoFile(folder.root / name, KEYS, (), KEYS), split_of(name, by_name=True)
        for image, entries in file:
            drawn = Drawn()
            drawn.account.update(file.completed.get(image[0], {}))
            for key, category, bbox, crowd, flat, caption in entries:
                folder.at = f"{file.path}, annotation {key}"
                if bbox:
                    drawn.boxes.append(file.box(key, category, bbox, crowd))
                elif not flat and caption is None:
                    drawn.skip("annotation without a box")
                if flat and any(flag > 0 for flag in flat[2::3]):
                    drawn.keypoints.append(keypoints_of(file, key, category, flat))
                if caption is not None:
                    drawn.captions.append(" ".join(caption.split()))
            folder.at = f"{file.path}, image {image[0]}"
            media = folder.find(str(image[1]), name, split)
            width, height, noted = folder.size(media, image[2], image[3])
            drawn.account.update(noted)
            yield "", drawn.item(media, name, (width, height), file.licences.get(image[4], ""))
