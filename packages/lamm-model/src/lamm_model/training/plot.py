"""The loss and the learning rate of a run, drawn as one PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT, LEFT, RIGHT, GAP = 960, 360, 90, 30, 50
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
        lines = {name: [(float(e["step"]), float(e[name])) for e in log if name in e and "step" in e] for name in names}
        if shown := {name: line for name, line in lines.items() if line}:
            panels.append(shown)
    if not panels:
        return False
    image = Image.new("RGB", (WIDTH, HEIGHT * len(panels)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    steps = [step for panel in panels for line in panel.values() for step, _ in line]
    for number, panel in enumerate(panels):
        _panel(draw, font, panel, HEIGHT * number, (min(steps), max(steps)))
    beside = path.with_name(f".{path.name}.part")
    image.save(beside, format="PNG")
    beside.replace(path)
    return True


def _panel(draw: ImageDraw, font: Any, lines: Mapping[str, Line], top: int, span: tuple[float, float]) -> None:
    values = [value for line in lines.values() for _, value in line]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1.0
    first, last = span if span[1] > span[0] else (span[0], span[0] + 1.0)
    upper, lower = top + GAP, top + HEIGHT - GAP

    def place(step: float, value: float) -> tuple[float, float]:
        across = LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return across, lower - (value - low) / (high - low) * (lower - upper)

    for part in range(5):
        value, step = low + (high - low) * part / 4, first + (last - first) * part / 4
        (across, _), (_, y) = place(step, low), place(first, value)
        draw.line([(LEFT, y), (WIDTH - RIGHT, y)], fill="#dddddd")
        draw.text((LEFT - 10, y), f"{value:.3g}", fill="#444444", font=font, anchor="rm")
        draw.text((across, lower + 8), f"{step:.0f}", fill="#444444", font=font, anchor="mt")
    for number, (name, line) in enumerate(lines.items()):
        points = [place(*point) for point in line]
        draw.line(points, fill=COLOURS[name], width=2)
        for x, y in points if len(points) <= 30 else ():
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=COLOURS[name])
        draw.text((LEFT + 160 * number, top + 18), name.replace("_", " "), fill=COLOURS[name], font=font)
