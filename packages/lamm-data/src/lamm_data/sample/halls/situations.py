"""Questions of somebody who stands in a hall and faces a way, as SQA3D asks them: the answers follow the pose."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from lamm_data.sample.halls.hall import Hall, Row, even, pick
from lamm_data.sample.halls.open_questions import NUMBERS
from lamm_data.sample.solids import Solid
from lamm_data.writing.english import plural

STEP = 0.3
"""Metres from the side of a solid at which somebody stands beside it."""
CLEAR = math.radians(20)
"""How far from a border between two answers a solid has to stand."""
MOST_ASKED = 3
"""The highest number that is asked for."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where somebody stands.

    Attributes:
        beside: The solid that they stand beside.
        towards: The solid that they face, or have at their back.
        facing: Whether they face it.
        position: `(x, y)` in metres.
        yaw: Direction of their eyes about z in radians, from x to y.
    """

    beside: Solid
    towards: Solid
    facing: bool
    position: tuple[float, float]
    yaw: float

    @property
    def text(self) -> str:
        """The pose in words."""
        way = "facing" if self.facing else "with my back to"
        return f"I am standing beside the only {self.beside.kind}, {way} the only {self.towards.kind}."

    @property
    def others(self) -> list[str]:
        """The pose in other words."""
        back = "" if self.facing else "away from "
        return [
            f"Next to the only {self.beside.kind}, I look {back or 'at '}the only {self.towards.kind}.",
            f"I stand by the {self.beside.kind} and look {back or 'towards '}the {self.towards.kind}.",
        ]

    def bearing(self, solid: Solid) -> float:
        """Return the angle at which a solid is seen: 0 ahead, positive on the left, -pi to pi."""
        x, y = solid.foot[0] - self.position[0], solid.foot[1] - self.position[1]
        return math.remainder(math.atan2(y, x) - self.yaw, 2 * math.pi)

    def side(self, solid: Solid) -> str:
        """Return "left" or "right"; empty near the line through the eyes and the back."""
        angle = self.bearing(solid)
        clear = CLEAR < abs(angle) < math.pi - CLEAR
        return ("left" if angle > 0 else "right") if clear else ""

    def depth(self, solid: Solid) -> str:
        """Return "front" or "behind"; empty near the line through the shoulders."""
        angle = abs(self.bearing(solid))
        return ("front" if angle < math.pi / 2 else "behind") if abs(angle - math.pi / 2) > CLEAR else ""


def pose_between(beside: Solid, towards: Solid, facing: bool = True) -> Pose:
    """Stand beside one solid, on the side of another, and face that other one or turn the back to it."""
    x, y = towards.foot[0] - beside.foot[0], towards.foot[1] - beside.foot[1]
    yaw, out = math.atan2(y, x), math.hypot(*beside.size[:2]) / 2 + STEP
    position = (beside.foot[0] + out * math.cos(yaw), beside.foot[1] + out * math.sin(yaw))
    return Pose(beside, towards, facing, position, math.remainder(yaw if facing else yaw + math.pi, 2 * math.pi))


def draw_poses(hall: Hall, rng: np.random.Generator) -> list[Pose]:
    """Return every pose between two solids, each the only one of its kind, with room to stand, in random order."""
    only = hall.only
    pairs = [(one, other) for one in only for other in only if one is not other]
    able = [
        pair for pair in pairs if math.dist(pair[0].foot, pair[1].foot) > math.hypot(*pair[0].size[:2]) / 2 + 2 * STEP
    ]
    return [pose_between(*able[int(k)], facing=bool(rng.random() < 0.5)) for k in rng.permutation(len(able))]


Posed = tuple[str, str, Pose, str]
"""Kind of question, question, pose, answer."""


def situated_questions(hall: Hall, rng: np.random.Generator) -> list[Posed]:
    """Ask one question of every kind that some pose of the hall allows."""
    poses = draw_poses(hall, rng)
    found: dict[str, Posed] = {}
    for pose in poses:
        for posed in _of_pose(hall, pose, rng):
            found.setdefault(posed[0], posed)
    return list(found.values())


def _of_pose(hall: Hall, pose: Pose, rng: np.random.Generator) -> list[Posed]:
    posed: list[Posed] = []
    others = [one for one in hall.only if one not in (pose.beside, pose.towards)]
    if others:
        solid = pick(others, rng)
        side, depth = pose.side(solid), pose.depth(solid)
        if side:
            posed.append(("side", f"Is the only {solid.kind} on my left or on my right?", pose, side))
        if depth:
            text = f"Can I see the only {solid.kind} without turning round?"
            posed.append(("sight", text, pose, "yes" if depth == "front" else "no"))
    wanted = "left" if rng.random() < 0.5 else "right"
    rest = [one for one in hall.solids if one not in (pose.beside, pose.towards)]
    if all(map(pose.side, rest)):
        number = sum(pose.side(one) == wanted for one in rest)
        if 1 <= number <= MOST_ASKED:
            posed.append(("number", f"How many other solids are on my {wanted}?", pose, NUMBERS[number]))
    for kind in sorted({one.kind for one in rest} - {one.kind for one in hall.only}):
        sides = [pose.side(one) for one in hall.of(kind)]
        if not all(sides):
            continue
        if sides.count(wanted) == 1:
            colour = hall.of(kind)[sides.index(wanted)].colour
            posed.append(("colour", f"What colour is the {kind} on my {wanted}?", pose, colour))
        left, right = sides.count("left"), sides.count("right")
        if left != right:
            text = f"Which side of me has more {plural(kind)}?"
            posed.append(("which", text, pose, "left" if left > right else "right"))
    return posed


def situation_files(posed: list[tuple[str, Posed]], rng: np.random.Generator) -> tuple[list[Row], list[Row]]:
    """Write questions and annotations as SQA3D's two files have them; every answer to a form is as common as any other.

    Args:
        posed: Scene ids and questions.
        rng: Random stream.
    """
    forms = defaultdict[tuple[str, bool], list[tuple[str, Posed]]](list)
    for scene, one in posed:
        forms[one[0], one[2].facing].append((scene, one))  # whoever faces a solid has most others ahead as well
    chosen = [row for form in sorted(forms) for row in even(forms[form], lambda row: row[1][3], rng)]
    questions, annotations = [], []
    for number, (scene, (_, text, pose, answer)) in enumerate(chosen):
        question_id = 220602000000 + number
        questions.append(
            {
                "scene_id": scene,
                "situation": pose.text,
                "alternative_situation": pose.others,
                "question": text,
                "question_id": question_id,
            }
        )
        half = pose.yaw / 2
        annotations.append(
            {
                "scene_id": scene,
                "question_type": "N/A",
                "answer_type": "other",
                "question_id": question_id,
                "answers": [{"answer": answer, "answer_confidence": "yes", "answer_id": 1}],
                "rotation": {"_x": 0.0, "_y": 0.0, "_z": math.sin(half), "_w": math.cos(half)},
                "position": {"x": pose.position[0], "y": pose.position[1], "z": 0.0},
            }
        )
    return questions, annotations
