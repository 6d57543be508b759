"""Descriptions that mean one solid, several or none, as Multi3DRefer has them, with and without distractors."""

from __future__ import annotations

import numpy as np

from lamm_data.sample.halls.hall import Hall, Row, pick
from lamm_data.sample.vocabulary import SOLIDS

FORMS = (
    "every {colour} {kind} in the hall",
    "each {kind} that is {colour}",
    "whatever is {colour} and a {kind}",
)
"""None of them tells how many are meant."""
TYPES = ("zt_wo_d", "zt_w_d", "st_wo_d", "st_w_d", "mt")


def describe_targets(hall: Hall, rng: np.random.Generator) -> list[Row]:
    """Describe, of every type of Multi3DRefer, one colour and kind that the hall allows."""
    found: dict[str, list[tuple[str, str]]] = {}
    for kind in SOLIDS:
        for colour in sorted({one.colour for one in hall.solids}):
            meant, alike = len(hall.of(kind, colour)), len(hall.of(kind))
            distracted = "w_d" if alike > meant else "wo_d"
            name = "mt" if meant > 1 else f"{'s' if meant else 'z'}t_{distracted}"
            found.setdefault(name, []).append((kind, colour))
    rows: list[Row] = []
    for name in TYPES:
        for kind, colour in [pick(found[name], rng)] if name in found else []:
            rows.append(
                {
                    "scene_id": hall.name,
                    "object_ids": [one.id for one in hall.of(kind, colour)],
                    "object_name": kind,
                    "ann_id": len(rows),
                    "eval_type": name,
                    "description": pick(FORMS, rng).format(kind=kind, colour=colour),
                }
            )
    return rows
