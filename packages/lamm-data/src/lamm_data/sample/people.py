"""Drawing of faces and stick figures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lamm_data.sample.draw import SCALE, SIZE, Colour, background, jitter

SKIN: tuple[Colour, ...] = ((246, 214, 188), (226, 178, 140), (190, 136, 98), (142, 94, 66))
LIMBS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 12), (12, 9), (9, 10), (10, 11), (8, 2), (9, 3))
"""Bones as pairs of joint indices in the LSP order."""


def draw_face(hair: Colour, smile: bool, rng: np.random.Generator) -> Image.Image:
    """Draw one face filling most of the image; without a smile the mouth is straight or curves down."""
    canvas = background(rng)
    pen = ImageDraw.Draw(canvas)
    cx, cy = (SIZE / 2 + rng.uniform(-12, 12)) * SCALE, (SIZE / 2 + 8 + rng.uniform(-8, 8)) * SCALE
    rx, ry = rng.uniform(58, 70) * SCALE, rng.uniform(74, 86) * SCALE
    skin = jitter(SKIN[int(rng.integers(len(SKIN)))], rng, 10)
    hair = jitter(hair, rng, 8)
    length = rng.uniform(0.2, 0.9)
    pen.ellipse((cx - rx * 1.28, cy - ry * 1.28, cx + rx * 1.28, cy + ry * length), fill=hair)
    pen.ellipse((cx - rx, cy - ry * 0.82, cx + rx, cy + ry), fill=skin)
    pen.pieslice((cx - rx, cy - ry * 0.95, cx + rx, cy + ry * 0.35), 205, 335, fill=hair)
    for side in (-1, 1):
        x, y = cx + side * rx * 0.42, cy - ry * 0.08
        pen.ellipse((x - 11 * SCALE, y - 8 * SCALE, x + 11 * SCALE, y + 8 * SCALE), fill=(250, 250, 250))
        pen.ellipse((x - 5 * SCALE, y - 6 * SCALE, x + 5 * SCALE, y + 6 * SCALE), fill=(40, 34, 30))
    pen.line(
        (cx, cy + ry * 0.08, cx - 4 * SCALE, cy + ry * 0.28, cx + 5 * SCALE, cy + ry * 0.28), fill=(96, 60, 46), width=5
    )
    _draw_mouth(pen, (cx, cy + ry * 0.56), rx * rng.uniform(0.52, 0.62), smile, rng)
    return canvas


def _draw_mouth(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], half: float, smile: bool, rng: np.random.Generator
) -> None:
    bend = rng.uniform(18, 26) * SCALE if smile else -rng.uniform(0, 14) * SCALE
    xs = np.linspace(-1, 1, 25)
    curve = [(at[0] + half * x, at[1] + bend * (0.5 - x * x)) for x in xs]
    if smile:
        pen.polygon(curve, fill=(250, 248, 246))
    pen.line(curve, fill=(168, 44, 52), width=6 * SCALE, joint="curve")


def pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a random standing pose.

    Returns:
        `[14, 2]` float64 joints in pixels, in the LSP order. The figure faces the viewer, so its right is on the left.
    """
    unit = rng.uniform(0.78, 1.0)
    spread, arms = rng.uniform(0.08, 0.5, 2), rng.uniform(-1.2, 1.35, 2)
    elbows = arms + rng.uniform(-0.7, 0.7, 2)
    joints = np.zeros((14, 2))
    joints[12], joints[13] = (0, -62), (0, -98)
    for side, sign, (hip, knee, ankle), (shoulder, elbow, wrist) in (
        (0, -1, (2, 1, 0), (8, 7, 6)),
        (1, 1, (3, 4, 5), (9, 10, 11)),
    ):
        joints[hip], joints[shoulder] = (sign * 13, 4), (sign * 22, -56)
        leg = np.array((sign * math.sin(spread[side]), math.cos(spread[side])))
        joints[knee] = joints[hip] + 42 * leg
        joints[ankle] = joints[knee] + 42 * np.array(
            (sign * math.sin(spread[side] * 0.7), math.cos(spread[side] * 0.7))
        )
        joints[elbow] = joints[shoulder] + 32 * np.array((sign * math.cos(arms[side]), math.sin(arms[side])))
        joints[wrist] = joints[elbow] + 30 * np.array((sign * math.cos(elbows[side]), math.sin(elbows[side])))
    joints *= unit
    low, high = joints.min(0) - 12, joints.max(0) + 12
    room = np.maximum(SIZE - (high - low), 0)
    joints += rng.uniform(0, 1, 2) * room - low
    return joints


def draw_figure(joints: NDArray[np.float64], rng: np.random.Generator) -> Image.Image:
    """Draw a stick figure on its joints, `[14, 2]` pixels: right limbs warm, left ones cool, to tell them apart."""
    canvas = background(rng)
    pen = ImageDraw.Draw(canvas)
    warm, cool, trunk = jitter((208, 70, 40), rng), jitter((40, 92, 196), rng), jitter((70, 70, 78), rng)
    warm_joints, cool_joints = {0, 1, 6, 7}, {4, 5, 10, 11}
    for a, b in LIMBS:
        colour = warm if {a, b} & warm_joints else cool if {a, b} & cool_joints else trunk
        ends = [tuple(float(v) * SCALE for v in joints[k]) for k in (a, b)]
        pen.line([*ends[0], *ends[1]], fill=colour, width=8 * SCALE)
        for x, y in ends:
            pen.ellipse((x - 4 * SCALE, y - 4 * SCALE, x + 4 * SCALE, y + 4 * SCALE), fill=colour)
    top, neck = joints[13] * SCALE, joints[12] * SCALE
    middle, radius = (top + neck) / 2, float(np.linalg.norm(top - neck)) / 2
    pen.ellipse((*(middle - radius), *(middle + radius)), fill=trunk)
    return canvas
