"""Descriptions that single out every solid of a hall, as ScanRefer has them: for grounding and for captions."""

from __future__ import annotations

from lamm_data.sample.halls.hall import Hall, Row, distance, nearest
from lamm_data.sample.solids import Solid
from lamm_data.writing.english import with_article


def describe_solids(hall: Hall) -> list[Row]:
    """Describe every solid twice: by the solid that is nearest to it, and by the one that is farthest."""
    rows = []
    for solid in hall.solids:
        for number, text in enumerate(_texts(hall, solid)):
            rows.append(
                {
                    "scene_id": hall.name,
                    "object_id": str(solid.id),
                    "object_name": solid.kind,
                    "ann_id": str(number),
                    "description": text,
                    "token": text.replace(".", " .").split(),
                }
            )
    return rows


def _texts(hall: Hall, solid: Solid) -> tuple[str, str]:
    phrase, near = hall.phrase(solid), nearest(solid, hall.solids)
    far = max((one for one in hall.solids if one is not solid), key=lambda one: distance(solid, one))
    article = f"the {phrase}" if "tallest" in phrase else with_article(phrase)
    return (
        f"this is {article}. the {hall.phrase(near)} is nearest to it.",
        f"there is {article} in the hall. it is farthest from the {hall.phrase(far)}.",
    )
