"""How many licence plates does `lamm data obfuscate` hide, by their shape and their height in pixels?

Plates of three shapes (European 520 x 110 mm in one line, American 12 x 6 inches with a headline, Indian 340 x 200 mm
in two lines) are drawn on cars in streets with shops, turned in perspective, blurred, by day and at night, and saved as
JPEG. A plate counts as hidden when regions found cover at least 80 % of its area. What else is covered is counted, too.
The scenes are drawn: real photographs are harder in some ways and easier in others.

    python benchmarks/data/plates.py [--scenes 16] [--output FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import random
import string
import time
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from lamm_data import open_detectors

RESULT = Path(__file__).parents[1] / "results" / "data_plates.json"
SIZE = (960, 720)
HEIGHTS = (12, 18, 27, 40, 60, 90)
SHAPES = {"EU, one line": (520, 110), "US, 12 x 6 in": (305, 152), "India, two lines": (340, 200)}
SIGNS = ("BAKERY", "HOTEL", "OPEN 24", "TAXI", "CAFE 1987", "BOOKS", "ROUTE 66", "SALE")


def drawn_text(chance: random.Random, pattern: str) -> str:
    letters = {"A": string.ascii_uppercase, "0": string.digits}
    return "".join(chance.choice(letters[sign]) if sign in letters else sign for sign in pattern)


def plate(chance: random.Random, shape: str, scale: int = 2) -> Image.Image:
    """Draw a plate, two pixels a millimetre."""
    wide, tall = (length * scale for length in SHAPES[shape])
    image = Image.new("RGB", (wide, tall), chance.choice(["white", "white", "#f6d33a"]))
    pen = ImageDraw.Draw(image)
    ink = "#101010"
    if shape.startswith("EU"):
        pen.rectangle((0, 0, wide // 12, tall), fill="#123f9e")
        write(pen, drawn_text(chance, "AA AA 000"), (wide // 12, 0, wide, tall), 0.82, ink)
    elif shape.startswith("US"):
        ink = chance.choice(["#10206a", "#8a1010", "#101010"])
        write(pen, chance.choice(["CALIFORNIA", "TEXAS", "NEW YORK"]), (0, 0, wide, tall // 4), 0.8, ink)
        write(pen, drawn_text(chance, "0AAA000"), (0, tall // 5, wide, tall), 0.7, ink)
    else:
        write(pen, drawn_text(chance, "AA 00 AA"), (0, 0, wide, tall // 2), 0.8, ink)
        write(pen, drawn_text(chance, "0000"), (0, tall // 2, wide, tall), 0.8, ink)
    pen.rounded_rectangle((2, 2, wide - 3, tall - 3), 12, outline=ink, width=5)
    return image


def write(pen: ImageDraw.ImageDraw, text: str, box: tuple[int, int, int, int], fill: float, ink: str) -> None:
    """Write a text as large as a share of a box's height, or its width, allows, in its middle."""
    x1, y1, x2, y2 = box
    font = ImageFont.load_default(size=fill * (y2 - y1))
    if (length := pen.textlength(text, font=font)) > 0.94 * (x2 - x1):
        font = ImageFont.load_default(size=fill * (y2 - y1) * 0.94 * (x2 - x1) / length)
    pen.text(((x1 + x2) / 2, (y1 + y2) / 2), text, fill=ink, font=font, anchor="mm", stroke_width=2, stroke_fill=ink)


def texture(rng: np.random.Generator, colour: tuple[int, int, int], spread: float = 18) -> Image.Image:
    """Draw a rough surface: noise of several sizes."""
    whole = np.zeros((SIZE[1], SIZE[0]))
    for step in (4, 16, 64):
        part = Image.fromarray(rng.normal(0, spread, (SIZE[1] // step + 1, SIZE[0] // step + 1)).astype(np.float32))
        whole += np.asarray(part.resize(SIZE, Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(whole[..., None] + np.array(colour), 0, 255).astype(np.uint8))


def street(chance: random.Random, rng: np.random.Generator) -> Image.Image:
    """Draw a street: houses with windows and shop signs, the road before them."""
    image = texture(rng, (120, 116, 112))
    pen, at = ImageDraw.Draw(image), 0
    while at < SIZE[0]:
        wide = chance.randint(120, 260)
        front = texture(rng, tuple(chance.randint(70, 200) for _ in range(3)), 8).crop((0, 0, wide, 380))
        image.paste(front, (at, 0))
        for x in range(at + 16, at + wide - 40, 60):
            for y in range(20, 260, 80):
                pen.rectangle((x, y, x + 34, y + 52), fill=(40, 50, chance.randint(60, 110)), outline=(210, 210, 205))
        pen.rectangle((at + 10, 280, at + wide - 10, 320), fill=tuple(chance.randint(20, 120) for _ in range(3)))
        write(pen, chance.choice(SIGNS), (at + 10, 280, at + wide - 10, 320), 0.7, "#f0f0e0")
        at += wide
    return image


def car(chance: random.Random, image: Image.Image, middle: tuple[int, int], wide: int) -> None:
    """Draw the rear of a car with its plate's place in the middle."""
    pen, (x, y), paint = ImageDraw.Draw(image), middle, tuple(chance.randint(15, 230) for _ in range(3))
    u = wide / 10
    pen.ellipse((x - 5.4 * u, y + 2.2 * u, x + 5.4 * u, y + 3.4 * u), fill=(25, 25, 25))
    for side in (-1, 1):
        pen.rectangle((x + side * 4 * u - 0.7 * u, y + u, x + side * 4 * u + 0.7 * u, y + 3 * u), fill=(15, 15, 15))
    pen.rounded_rectangle((x - 5 * u, y - 3 * u, x + 5 * u, y + 2.3 * u), u, fill=paint)
    pen.polygon([(x - 4.2 * u, y - 2.8 * u), (x - 3.2 * u, y - 5.5 * u), (x + 3.2 * u, y - 5.5 * u),
                 (x + 4.2 * u, y - 2.8 * u)], fill=(35, 45, 55), outline=paint)  # fmt: skip
    darker = tuple(value // 2 for value in paint)
    pen.rounded_rectangle((x - 5.1 * u, y + 1.2 * u, x + 5.1 * u, y + 2.4 * u), 0.3 * u, fill=darker)
    for side in (-1, 1):
        pen.rounded_rectangle((x + side * 4.1 * u - 0.8 * u, y - 1.6 * u, x + side * 4.1 * u + 0.8 * u, y - 0.4 * u),
                              0.2 * u, fill=(180, 20, 20))  # fmt: skip


def scene(shape: str, height: int, seed: int) -> tuple[Image.Image, np.ndarray]:
    """Draw a scene with one plate of a height in pixels; return it with the mask of the plate."""
    chance, rng = random.Random(f"{shape} {height} {seed}"), np.random.default_rng(seed)
    image = street(chance, rng)
    wide, tall = SHAPES[shape]
    scale = height / tall
    body = max(180 * 10 * scale, 12 * height if wide / tall > 3 else 8 * height)
    middle = (chance.randint(int(SIZE[0] * 0.3), int(SIZE[0] * 0.7)), chance.randint(430, 560))
    car(chance, image, middle, int(min(body, 900)))
    x, y = middle
    half = np.array([wide * scale / 2, height / 2])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turn, tilt = chance.uniform(-0.08, 0.08), chance.uniform(-0.18, 0.18)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners[:, 1] *= 1 + tilt * corners[:, 0] / half[0]
    corners[:, 0] *= 1 - abs(tilt)
    corners += (x, y)
    drawn = plate(chance, shape)
    while drawn.height > 4 * height:  # the sampling below takes one pixel in four
        drawn = drawn.resize((drawn.width // 2, drawn.height // 2), Image.Resampling.BOX)
    flat = [(0, 0), (drawn.width, 0), (drawn.width, drawn.height), (0, drawn.height)]
    coefficients = perspective(corners, flat)
    laid = drawn.transform(SIZE, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    full = Image.new("L", drawn.size, 255).transform(SIZE, Image.Transform.PERSPECTIVE, coefficients)
    image.paste(laid, (0, 0), full)
    image = image.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 0.03 * height + 0.3)))
    values = np.asarray(image, np.float32)
    if seed % 2:  # night: dark, one light, more noise
        yy, xx = np.mgrid[: SIZE[1], : SIZE[0]]
        light = 0.22 + 0.6 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * (3.0 * body / 10) ** 2 + 1))
        values = values * light[..., None] * (1.0, 0.93, 0.8)
    values = np.clip(values + rng.normal(0, 9 if seed % 2 else 4, values.shape), 0, 255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(values).save(packed, "JPEG", quality=chance.randint(60, 92))
    return Image.open(packed).convert("RGB"), np.asarray(full) > 127


def perspective(corners: np.ndarray, flat: list[tuple[int, int]]) -> tuple[float, ...]:
    """Solve for the eight numbers that take corners in the picture to those of a flat plate."""
    rows, goal = [], []
    for (x, y), (u, v) in zip(corners, flat, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        goal += [u, v]
    return tuple(np.linalg.solve(np.array(rows, float), np.array(goal, float)))


def covered(regions: list[Any]) -> np.ndarray:
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    for region in regions:
        x1, y1, x2, y2 = region.box
        mask[y1:y2, x1:x2] = True
    return mask


def measure(find: Any, scenes: int) -> dict[str, Any]:
    """Count hidden plates by shape and height, regions that touch no plate, and seconds a picture."""
    hidden: dict[str, dict[int, int]] = {}
    spare, seconds, night = 0, 0.0, Counter[str]()
    for shape in SHAPES:
        hidden[shape] = {}
        for height in HEIGHTS:
            for seed in range(scenes):
                picture, truth = scene(shape, height, seed)
                started = time.process_time()
                regions = find(np.asarray(picture))
                seconds += time.process_time() - started
                found = bool((covered(regions) & truth).sum() >= 0.8 * truth.sum())
                hidden[shape][height] = hidden[shape].get(height, 0) + found
                night["night" if seed % 2 else "day"] += found
                spare += sum(not (covered([region]) & truth).any() for region in regions)
    pictures = len(SHAPES) * len(HEIGHTS) * scenes
    return {
        "hidden": hidden, "of": scenes, "by_light": dict(night), "of_light": pictures // 2,
        "spare_regions_per_picture": round(spare / pictures, 2), "processor_seconds": round(seconds / pictures, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    measured = {
        str(detector.identity()["name"]): measure(detector.find, options.scenes)
        for detector in open_detectors(faces=False, plates=True, threshold=0.2)
    }
    result = {
        "benchmark": "plates", "date": datetime.now(UTC).date().isoformat(), "picture": SIZE, "heights": HEIGHTS,
        "versions": {name: version(name) for name in ("lamm-data", "opencv-python-headless", "pillow")},
        "measured": measured,
    }  # fmt: skip
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
