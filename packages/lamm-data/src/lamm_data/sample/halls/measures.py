"""Numeric and spatial questions as VSI-Bench asks them: numbers, distances, sizes, directions."""

from __future__ import annotations

import math

import numpy as np

from lamm_data.sample.halls.hall import Hall, Row, distance, even, pick
from lamm_data.sample.halls.situations import CLEAR, Pose, draw_poses
from lamm_data.sample.plan import deal, options
from lamm_data.sample.solids import Solid
from lamm_data.writing.english import plural

CHOICES = 4
DIRECTIONS = {
    "easy": ("left", "right"),
    "medium": ("left", "right", "back"),
    "hard": ("front-left", "front-right", "back-left", "back-right"),
}
RATIO, BINS = 1.5, 4
"""Distances are asked for from a metre on, in so many ranges of this ratio, as many in each as in any other."""


def measured_questions(hall: Hall, rng: np.random.Generator) -> list[Row]:
    """Ask for numbers, the floor, a longest side, distances between two, the nearest of four, and directions."""
    rows = [
        _row(hall, "object_counting", f"How many {plural(hall.counted)} are in this hall?", len(hall.of(hall.counted))),
        _row(
            hall,
            "room_size_estimation",
            "What is the size of the floor of this hall, in square metres?",
            round(hall.floor[0] * hall.floor[1], 1),
        ),
    ]
    only = hall.only
    if only:
        solid = pick(only, rng)
        text = f"What is the length of the longest side of the {solid.kind}, in centimetres?"
        rows.append(_row(hall, "object_size_estimation", text, round(100 * max(solid.size))))
    for k, one in enumerate(only):
        for other in only[k + 1 :]:
            first, second = (one, other) if rng.random() < 0.5 else (other, one)
            text = f"What is the distance between the centres of the {first.kind} and the {second.kind}, in metres?"
            if 1 <= distance(one, other) < RATIO**BINS:
                rows.append(_row(hall, "object_abs_distance", text, round(distance(one, other), 2)))
    return rows + _nearest(hall, rng) + _directions(hall, rng)


def _row(hall: Hall, kind: str, text: str, truth: float | str, listed: tuple[str, ...] = ()) -> Row:
    """Return a row whose truth is a number, or one of the options in words."""
    return {
        "dataset": "scannet",
        "scene_name": hall.name,
        "question_type": kind,
        "question": text,
        "options": listed,
        "ground_truth": truth,
    }


def _nearest(hall: Hall, rng: np.random.Generator) -> list[Row]:
    """Ask which of four solids is nearest to another, where one of them clearly is."""
    singled = [one for one in hall.solids if len(hall.of(one.kind, one.colour)) == 1]
    for solid in [singled[int(k)] for k in rng.permutation(len(singled))]:
        others = [singled[int(k)] for k in rng.permutation(len(singled)) if singled[int(k)] is not solid][:CHOICES]
        order = sorted(others, key=lambda one: distance(solid, one))
        if len(order) == CHOICES and distance(solid, order[1]) - distance(solid, order[0]) > 0.15:
            text = f"Which of these solids is nearest to the {solid.colour} {solid.kind}?"
            names = tuple(f"{one.colour} {one.kind}" for one in others)
            right = f"{order[0].colour} {order[0].kind}"
            return [_row(hall, "object_rel_distance", text, right, names)]
    return []


def direction(pose: Pose, solid: Solid, level: str) -> str:
    """Return where a solid is seen from a pose, in the words of a level; empty where it is near a border of two."""
    angle = math.degrees(pose.bearing(solid))
    margin, side = math.degrees(CLEAR) / 2, "left" if angle > 0 else "right"
    borders = {"easy": (0, 180), "medium": (0, 135), "hard": (0, 90, 180)}[level]
    if any(abs(abs(angle) - border) < margin for border in borders):
        return ""
    if level == "medium":
        return "back" if abs(angle) > 135 else side
    return side if level == "easy" else f"{'front' if abs(angle) < 90 else 'back'}-{side}"


def _directions(hall: Hall, rng: np.random.Generator) -> list[Row]:
    rows: dict[str, Row] = {}
    for pose in draw_poses(hall, rng):
        others = [one for one in hall.only if one not in (pose.beside, pose.towards)]
        if not (others and pose.facing):
            continue
        solid = pick(others, rng)
        start = f"I stand beside the {pose.beside.kind} and face the {pose.towards.kind}."
        for level, words in DIRECTIONS.items():
            right = direction(pose, solid, level)
            if right and level not in rows:
                ask = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
                text = f"{start} Is the {solid.kind} to my {ask}?"
                rows[level] = _row(hall, f"object_rel_direction_{level}", text, right, words)
    return list(rows.values())


def _answer(row: Row) -> str:
    """Return what rows of a kind are spread over: the option in words, or the range of a distance."""
    truth = row["ground_truth"]
    return truth if isinstance(truth, str) else str(int(math.log(truth, RATIO)))


def _lettered(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    """Put options in an order in which the right one stands at every place as often as at any other."""
    places = deal(range(len(rows[0]["options"])), len(rows), rng)
    lettered = []
    for row, place in zip(rows, places, strict=True):
        texts = options(row["ground_truth"], row["options"], place, len(row["options"]), rng)
        listed = [f"{chr(ord('A') + k)}. {text}" for k, text in enumerate(texts)]
        lettered.append({**row, "options": listed, "ground_truth": chr(ord("A") + place)})
    return lettered


def balanced(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    """Spread directions evenly over answers and distances over ranges, letter the options, and number the rows."""
    chosen: list[Row] = []
    for kind in sorted({row["question_type"] for row in rows}):
        these = [row for row in rows if row["question_type"] == kind]
        if kind == "object_abs_distance" or kind.startswith("object_rel_direction"):
            these = even(these, _answer, rng)
        if these and these[0]["options"]:
            these = _lettered(these, rng)
        chosen += [
            {**row, "options": row["options"] or None, "ground_truth": str(row["ground_truth"])} for row in these
        ]
    return [{"id": number, **row} for number, row in enumerate(chosen)]
