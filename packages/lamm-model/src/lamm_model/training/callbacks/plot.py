"""The loss and the learning rate of a run, drawn as one PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

FINE = 2  # everything is drawn twice as large and reduced, so that lines are smooth
WIDTH, HEIGHT, LEFT, RIGHT, GAP = (FINE * size for size in (960, 360, 90, 30, 50))
COLOURS = {"loss": "#1f6f8b", "eval_loss": "#d1495b", "eval_score": "#8d6a9f", "learning_rate": "#66a182"}
PANELS = (("loss", "eval_loss"), ("eval_score",), ("learning_rate",))
Line = Sequence[tuple[float, float]]


def draw_run(log: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw what a trainer logged: one panel for losses, one for scores where there are any, one for the learning rate.

    Args:
        log: The trainer's log history: entries with ``step`` and values.
        path: Of the PNG.

    Returns:
        Whether there was anything to draw.
    """
    from PIL import Image, ImageDraw, ImageFont

    panels = []
    for names in PANELS:
        lines = {name: _points(log, name) for name in names}
        if shown := {name: line for name, line in lines.items() if line}:
            panels.append(shown)
    if not panels:
        return False
    image = Image.new("RGB", (WIDTH, HEIGHT * len(panels)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(15 * FINE)
    steps = [step for panel in panels for line in panel.values() for step, _ in line]
    for number, panel in enumerate(panels):
        _panel(draw, font, panel, HEIGHT * number, (min(steps), max(steps)))
    beside = path.with_name(f".{path.name}.part")
    image.reduce(FINE).save(beside, format="PNG")
    beside.replace(path)
    return True


def _points(log: Sequence[Mapping[str, Any]], name: str) -> Line:
    return [(float(e["step"]), float(e[name])) for e in log if "step" in e and math.isfinite(e.get(name, math.nan))]


def _panel(draw: ImageDraw, font: Any, lines: Mapping[str, Line], top: int, span: tuple[float, float]) -> None:
    values = [value for line in lines.values() for _, value in line]
    heights = round_ticks(min(0.0, *values), max(values))
    low, high = heights[0], heights[-1]
    first, last = span if span[1] > span[0] else (span[0], span[0] + 1.0)
    upper, lower = top + GAP, top + HEIGHT - GAP

    def place(step: float, value: float) -> tuple[float, float]:
        across = LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return across, lower - (value - low) / (high - low) * (lower - upper)

    for value in heights:
        y = place(first, value)[1]
        draw.line([(LEFT, y), (WIDTH - RIGHT, y)], fill="#dddddd", width=FINE)
        draw.text((LEFT - 10 * FINE, y), f"{value:.4g}", fill="#444444", font=font, anchor="rm")
    for step in round_ticks(first, last):
        if first <= step <= last and step == int(step):
            draw.text((place(step, low)[0], lower + 8 * FINE), f"{step:.0f}", fill="#444444", font=font, anchor="mt")
    draw.text((WIDTH - RIGHT, lower + 28 * FINE), "step", fill="#444444", font=font, anchor="rt")
    for number, (name, line) in enumerate(lines.items()):
        points = [place(*point) for point in line]
        draw.line(points, fill=COLOURS[name], width=2 * FINE, joint="curve")
        for x, y in points if len(points) <= 30 else ():
            draw.ellipse([x - 3 * FINE, y - 3 * FINE, x + 3 * FINE, y + 3 * FINE], fill=COLOURS[name])
        draw.text((LEFT + 160 * FINE * number, top + 18 * FINE), name.replace("_", " "), fill=COLOURS[name], font=font)


def round_ticks(low: float, high: float) -> list[float]:
    """Return four to seven evenly spaced round numbers that enclose a range.

    Example:
        >>> round_ticks(0.0, 3.47)
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    span = high - low if high > low else 1.0
    size = 10.0 ** math.floor(math.log10(span / 4))
    step = size * next(factor for factor in (1, 2, 2.5, 5, 10) if span / (size * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
