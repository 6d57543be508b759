"""Drawing of flat things: anti-aliased shapes, backgrounds, textures, words."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 224
SCALE = 2
"""Everything is drawn at twice the size and averaged down, which smooths the edges."""

Colour = tuple[int, int, int]
Polygon = list[tuple[float, float]]


def jitter(colour: Colour, rng: np.random.Generator, by: int = 14) -> Colour:
    """Vary a colour slightly so that no two objects share exact values."""
    moved = np.clip(np.array(colour) + rng.integers(-by, by + 1, 3), 0, 255)
    return int(moved[0]), int(moved[1]), int(moved[2])


def background(rng: np.random.Generator) -> Image.Image:
    """Make a light canvas with a mild slope of brightness, at drawing size."""
    base = rng.uniform(216, 244, 3)
    side = SIZE * SCALE
    slope = rng.uniform(-10, 10, 2)
    ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    field = base[None, None] + (slope[0] * ramp[:, None] + slope[1] * ramp[None])[..., None]
    return Image.fromarray(np.clip(field, 0, 255).astype(np.uint8))


def finish(canvas: Image.Image) -> Image.Image:
    """Average a canvas down to the final size."""
    return canvas.reduce(SCALE)


@cache
def unit_polygon(shape: str) -> tuple[tuple[float, float], ...]:
    """Return the outline of a shape inside the unit circle (x right, y down)."""
    if shape == "square":
        return ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8))
    if shape == "triangle":
        return ((0.0, -0.95), (0.95, 0.75), (-0.95, 0.75))
    if shape == "star":
        radii = [1.0 if k % 2 == 0 else 0.42 for k in range(10)]
        return tuple((r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5)) for k, r in enumerate(radii))
    if shape == "cross":
        arm = [(-0.32, -0.95), (0.32, -0.95), (0.32, -0.32)]
        for _ in range(3):  # the next arm is the last one after a quarter turn
            arm += [(-y, x) for x, y in arm[-3:]]
        return tuple(arm)
    if shape == "arrow":
        return ((-0.95, -0.3), (0.1, -0.3), (0.1, -0.8), (0.98, 0.0), (0.1, 0.8), (0.1, 0.3), (-0.95, 0.3))
    turns = [2 * math.pi * k / 72 for k in range(72)]
    if shape == "heart":
        return tuple(
            (
                0.94 * math.sin(t) ** 3,
                -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 17,
            )
            for t in turns
        )
    if shape == "crescent":
        outer = [(0.95 * math.cos(t), 0.95 * math.sin(t)) for t in np.linspace(0.75, 2 * math.pi - 0.75, 48)]
        tip = outer[0]
        centre, radius = 0.5, math.hypot(tip[0] - 0.5, tip[1])
        angle = math.atan2(tip[1], tip[0] - centre)
        inner = [
            (centre + radius * math.cos(t), radius * math.sin(t)) for t in np.linspace(-angle, angle - 2 * math.pi, 48)
        ]
        return tuple(outer + inner)
    return tuple((0.9 * math.cos(t), 0.9 * math.sin(t)) for t in turns)


def draw_shape(
    canvas: Image.Image, shape: str, centre: tuple[float, float], radius: float, colour: Colour, turn: float = 0.0
) -> tuple[float, float, float, float]:
    """Draw one filled shape of the vocabulary, turned by radians, on a canvas of drawing size.

    Centre and radius are pixels of the final image, and so is the box that is returned, `(x1, y1, x2, y2)`.
    """
    cos, sin = math.cos(turn), math.sin(turn)
    points = [
        (centre[0] + radius * (x * cos - y * sin), centre[1] + radius * (x * sin + y * cos))
        for x, y in unit_polygon(shape)
    ]
    ImageDraw.Draw(canvas).polygon([(x * SCALE, y * SCALE) for x, y in points], fill=colour)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def texture(kind: str, rng: np.random.Generator) -> Image.Image:
    """Fill an image with one of the textures, in two random colours, at a random scale, phase and angle."""
    side = SIZE * SCALE
    dark, light = rng.uniform(30, 150, 3), rng.uniform(170, 250, 3)
    if rng.random() < 0.5:
        dark, light = light, dark
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32)
    angle, period = rng.uniform(-0.35, 0.35), rng.uniform(26, 44) * SCALE
    phase = rng.uniform(0, 1, 2)
    u = (np.cos(angle) * xs + np.sin(angle) * ys) / period + phase[0]
    v = (-np.sin(angle) * xs + np.cos(angle) * ys) / period + phase[1]
    if kind == "striped":
        mask = (u % 1) < 0.5
    elif kind == "dotted":
        mask = (u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.08
    elif kind == "checkered":
        mask = (np.floor(u) + np.floor(v)) % 2 == 0
    elif kind == "wavy":
        mask = ((v + 0.28 * np.sin(2 * np.pi * u * 0.8)) % 1) < 0.5
    elif kind == "ringed":
        centre = rng.uniform(0.3, 0.7, 2) * side
        mask = (np.hypot(xs - centre[0], ys - centre[1]) / period % 1) < 0.5
    else:
        mask = np.zeros_like(u, dtype=bool)
    return Image.fromarray(np.where(mask[..., None], dark, light).astype(np.uint8))


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's built-in font at a size in pixels."""
    return ImageFont.load_default(size)


def draw_word(
    canvas: Image.Image, word: str, centre: tuple[float, float], width: float, colour: Colour
) -> tuple[float, float, float, float]:
    """Write a word about `width` pixels wide (at most 64 high) around a centre; return its box in final pixels."""
    pen = ImageDraw.Draw(canvas)
    trial = pen.textbbox((0, 0), word, font=font(100), anchor="mm")
    size = int(min(100 * width * SCALE / (trial[2] - trial[0]), 80 * SCALE))
    at = (centre[0] * SCALE, centre[1] * SCALE)
    pen.text(at, word, fill=colour, font=font(size), anchor="mm", stroke_width=SCALE, stroke_fill=colour)
    x1, y1, x2, y2 = pen.textbbox(at, word, font=font(size), anchor="mm", stroke_width=SCALE)
    return x1 / SCALE, y1 / SCALE, x2 / SCALE, y2 / SCALE
