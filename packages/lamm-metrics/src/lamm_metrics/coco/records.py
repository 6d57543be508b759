"""COCO annotation and results records as columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.average_precision.pairs import Flags, Floats, Indices
from lamm_metrics.coco.masks import mask_areas
from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.files import shown
from lamm_metrics.records.truth import mark_of

Record = Mapping[str, Any]
T = TypeVar("T")
NEEDED = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}


@dataclass(frozen=True, slots=True)
class CocoTruth:
    """Objects of a COCO annotation file.

    Attributes:
        image: Index into the sorted image ids, [G].
        label: Index into the sorted category ids, [G].
        corners: Boxes `[x1, y1, x2, y2]` in pixels, [G, 4].
        box_area: Width times height of the boxes, [G].
        area: Area that decides the size class: the annotation's own, [G].
        crowd: Regions that hold many objects and may be found many times, [G].
        ignored: Objects that need not be found: crowds, and for keypoints those without a labelled one, [G].
        names: Category names by label.
        image_ids: Image ids by image.
        category_ids: Category ids by label.
        records: The annotations, for masks and keypoints; may be empty where only boxes are compared.
        sizes: Height and width of each image, [images, 2]; 0 where unknown.
    """

    image: Indices
    label: Indices
    corners: Floats
    box_area: Floats
    area: Floats
    crowd: Flags
    ignored: Flags
    names: Sequence[str]
    image_ids: Sequence[int]
    category_ids: Sequence[int]
    records: Sequence[Record] = field(default=(), repr=False)
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64), repr=False)


@dataclass(frozen=True, slots=True)
class CocoFound:
    """Detections of a COCO results file; columns as in `CocoTruth`."""

    image: Indices
    label: Indices
    score: Floats
    corners: Floats
    box_area: Floats
    area: Floats
    records: Sequence[Record] = field(default=(), repr=False)

    def take(self, rows: Indices) -> "CocoFound":
        """Return the given rows."""
        records = [self.records[row] for row in rows] if len(self.records) else ()
        columns = ("image", "label", "score", "corners", "box_area", "area")
        return CocoFound(**{name: getattr(self, name)[rows] for name in columns}, records=records)


def read_coco_truth(content: Record, iou_type: str = "bbox") -> CocoTruth:
    """Return the columns of an annotation file's content.

    Args:
        content: The file's content.
        iou_type: "bbox", "segm" or "keypoints"; with keypoints, objects without a labelled one are ignored.

    Raises:
        LammMetricsError: A key is missing, or an annotation names an unknown image or category.
    """
    lacking = [key for key in ("images", "annotations", "categories") if key not in content]
    if lacking:
        raise LammMetricsError(f"Expected a COCO annotation file, got no `{'`, `'.join(lacking)}`. Give such a file.")
    images = _read("images", content["images"], lambda rows: {row["id"]: row for row in rows})
    categories = _read("categories", content["categories"], lambda rows: {row["id"]: str(row["name"]) for row in rows})
    image_ids, category_ids = _sorted(images, "images"), _sorted(categories, "categories")
    # pycocotools takes the objects of an image in the order of the file; sorting by key later keeps it.
    records = content["annotations"]
    box = _read("annotations", records, _boxes)
    crowd = _read("annotations", records, _crowds)
    poseless = _read("annotations", records, _poseless) if iou_type == "keypoints" else np.zeros(len(records), np.bool_)
    return CocoTruth(
        image=_indices(records, "image_id", image_ids, "annotations"),
        label=_indices(records, "category_id", category_ids, "annotations"),
        corners=np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1),
        box_area=box[:, 2] * box[:, 3],
        area=_read("annotations", records, _areas),
        crowd=crowd,
        ignored=crowd | poseless,
        names=[categories[key] for key in category_ids],
        image_ids=image_ids,
        category_ids=category_ids,
        records=records,
        sizes=_read("images", [images[key] for key in image_ids], _sizes),
    )


def _boxes(records: Sequence[Record]) -> Floats:
    found = np.array([record["bbox"] for record in records], np.float64)
    if len(records) and found.shape != (len(records), 4):
        raise ValueError("`bbox` must be four numbers")
    return found.reshape(-1, 4)


def _areas(records: Sequence[Record]) -> Floats:
    return np.array([record.get("area", record["bbox"][2] * record["bbox"][3]) for record in records], np.float64)


def _poseless(records: Sequence[Record]) -> Flags:
    return np.array([not int(record.get("num_keypoints") or 0) for record in records], np.bool_)


def _crowds(records: Sequence[Record]) -> Flags:
    marks = [mark_of(record.get("iscrowd")) for record in records]
    if None in marks:
        raise ValueError("`iscrowd` must be 0 or 1")
    return np.array(marks, np.bool_)


def _sizes(records: Sequence[Record]) -> NDArray[np.int64]:
    return np.array([(record.get("height", 0), record.get("width", 0)) for record in records], np.int64)


def _scores(records: Sequence[Record]) -> Floats:
    found = np.array([record["score"] for record in records], np.float64)
    if found.ndim != 1:
        raise ValueError("`score` must be one number")
    return found


def _sorted(known: Mapping[Any, Any], kind: str) -> list[Any]:
    try:
        return sorted(known)
    except TypeError as error:
        raise LammMetricsError(f"Expected the `id` of {kind} to be numbers, got a mixture. Mend the file.") from error


def _read(kind: str, records: Any, build: Callable[[Sequence[Record]], T]) -> T:
    """Build columns of all records at once.

    Raises:
        LammMetricsError: They cannot be built; the first record that is to blame is named.
    """
    if not isinstance(records, Sequence) or isinstance(records, str):
        raise LammMetricsError(f"Expected a list as `{kind}`, got {type(records).__name__}. Give COCO's own file.")
    wrong = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
    try:
        return build(records)
    except wrong as error:
        reason = error
    for row, record in enumerate(records):
        try:
            build([record])
        except wrong as error:
            raise LammMetricsError(
                f"Expected {kind} in COCO's form, got {shown(record)} in row {row}: {repr(error)[:200]}. Mend the file."
            ) from error
    raise LammMetricsError(
        f"Expected {kind} in COCO's form, got records that do not agree: {repr(reason)[:200]}. Mend the file."
    )


def read_coco_found(detections: Sequence[Record], truth: CocoTruth, iou_type: str) -> CocoFound:
    """Return the columns of a results file's content.

    Raises:
        LammMetricsError: A detection lacks a key, names an unknown image or category, or has a score that is no number.
    """
    needed = NEEDED.get(iou_type)
    if needed is None:
        raise LammMetricsError(f"Expected iou_type {', '.join(NEEDED)}, got {iou_type!r}. Choose one of them.")
    # As in pycocotools the first detection decides whether boxes say the areas, also those of masks and poses.
    first: Any = next(iter(detections), None)
    boxed = isinstance(first, Mapping) and bool(first.get("bbox"))
    for key in ("image_id", "category_id", "score", needed, *(["bbox"] if boxed else [])):
        lacking = _read("detections", detections, partial(_rows_without, key))
        if lacking:
            raise LammMetricsError(
                f"Expected `{key}` in every detection, got none in row {lacking[0]} ({len(lacking)} in all). Add it."
            )
    score = _read("detections", detections, _scores)
    unusable = np.flatnonzero(np.isnan(score))
    if len(unusable):
        raise LammMetricsError(
            f"Expected a number as `score`, got NaN in row {unusable[0]} ({len(unusable)} in all). Mend the scores."
        )
    box = _read("detections", detections, lambda rows: _found_boxes(rows, "bbox" if boxed else iou_type))
    box_area = box[:, 2] * box[:, 3]
    image = _indices(detections, "image_id", truth.image_ids, "detections")
    return CocoFound(
        image=image,
        label=_indices(detections, "category_id", truth.category_ids, "detections"),
        score=score,
        corners=np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1),
        box_area=box_area,
        area=mask_areas(detections, truth.sizes[image]) if iou_type == "segm" and not boxed else box_area,
        records=() if iou_type == "bbox" else list(detections),
    )


def _rows_without(key: str, records: Sequence[Record]) -> list[int]:
    return [row for row, record in enumerate(records) if key not in record]


def _found_boxes(detections: Sequence[Record], iou_type: str) -> Floats:
    """Return boxes `[x, y, width, height]`, [D, 4]: for keypoints, around them; for masks none are needed."""
    if iou_type == "bbox":
        return _boxes(detections)
    box = np.zeros((len(detections), 4))
    if iou_type == "keypoints" and len(detections):
        points = np.array([record["keypoints"] for record in detections], np.float64).reshape(len(detections), -1, 3)
        low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
        box = np.concatenate([low, high - low], axis=1)
    return box


def _indices(records: Sequence[Record], key: str, known: Sequence[int], kind: str) -> Indices:
    code = {value: i for i, value in enumerate(known)}
    unknown = _read(kind, records, lambda rows: list(dict.fromkeys(row[key] for row in rows if row[key] not in code)))
    if unknown:
        raise LammMetricsError(
            f"Expected {kind} of known `{key}`, got {unknown[:10]} ({len(unknown)} in all). "
            "Give the annotation file that lists them."
        )
    return np.array([code[record[key]] for record in records], np.intp)
