"""Simple charts without a plotting library: a page of panels, written as SVG by hand or as PNG through Pillow.

Coordinates are pixels, x right, y down. Both writers draw the same list of shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from lamm_data.errors import UsageError
from lamm_llm import atomic_bytes, write_whole

PAPER, INK, GREY, GRID, BAR = "#ffffff", "#222222", "#666666", "#dddddd", "#3b6ea8"
LINES = ("#1f6f8b", "#c2384b", "#3b7d5b", "#85609a")
DARK = {
    PAPER: "#15171b", INK: "#e9eaed", GREY: "#a9adb5", GRID: "#383c45", BAR: "#8ab4f8",
    **dict(zip(LINES, ("#5cc9df", "#ff8f9c", "#8fd6a0", "#c4a5ff"), strict=True)),
}  # fmt: skip
"""What each colour of an SVG becomes where the reader's scheme is dark; shades of a heatmap are inverted."""
FONT_SIZE = 12
PANEL = (440, 300)
BAR_STEP = 23
MARGIN = 24
PNG_SCALE = 2
"""PNG pixels for each chart pixel: text stays readable on dense screens."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `anchor` is `start`, `middle` or `end`, and `y` its baseline."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    size: int = FONT_SIZE
    fill: str = INK


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    stroke: str


Shape = Rectangle | Text | Line


@dataclass(slots=True)
class Page:
    """Shapes on a white page."""

    width: int
    height: int
    shapes: list[Shape] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars, one a name; `rest` says what is not shown."""

    title: str
    rows: Sequence[tuple[str, float]]
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Vertical bars over equal steps; `low` and `high` are the ends of the axis."""

    title: str
    counts: Sequence[int]
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Counts on a grid, rows from top to bottom; `axes` says what runs right and what runs down."""

    title: str
    rows: Sequence[Sequence[int]]
    axes: str


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines over a shared axis; `lines` holds the `(x, y)` of each by its name, at least one."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    across: str = ""
    colours: Sequence[str] = LINES


Panel = Bars | Histogram | Heatmap | Curves


def shorten(text: str, length: int) -> str:
    """Cut a text to a length, with an ellipsis where something is cut off."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _number(value: float) -> str:
    text = f"{value:,.0f}" if value == int(value) else f"{value:g}"
    return text.replace("e-0", "e-").replace("e+0", "e+")


def _height(panel: Panel, size: tuple[int, int]) -> int:
    """Return how high a panel is drawn: bars as high as there are, all others alike."""
    if not isinstance(panel, Bars):
        return size[1]
    return min(size[1], 34 + BAR_STEP * max(len(panel.rows), 1) + _below(panel))


def _below(panel: Bars) -> int:
    """Return the room below the bars, for what is not shown."""
    return 22 if panel.rest else 4


def _bars(panel: Bars, x: float, y: float, size: tuple[int, int]) -> Iterable[Shape]:
    width, height = size
    largest = max((value for _, value in panel.rows), default=0) or 1
    left, step = 150, (height - 34 - _below(panel)) / max(len(panel.rows), 1)
    for index, (name, value) in enumerate(panel.rows):
        top = y + 34 + index * step
        font = min(FONT_SIZE, max(7, int(step - 2)))
        yield Text(x + left - 6, top + step * 0.72, shorten(name, 23), "end", font)
        bar = (width - left - 70) * value / largest
        yield Rectangle(x + left, top + step * 0.15, max(bar, 1), step * 0.7, BAR)
        yield Text(x + left + bar + 5, top + step * 0.72, _number(value), "start", font, GREY)
    if panel.rest:
        yield Text(x + left, y + 34 + len(panel.rows) * step + 14, panel.rest, "start", 11, GREY)


def _histogram(panel: Histogram, x: float, y: float, size: tuple[int, int]) -> Iterable[Shape]:
    width, height = size
    left, top, inner_width, inner_height = x + 52, y + 34, width - 72, height - 80
    ticks = [tick for tick in round_ticks(0, max(panel.counts, default=0) or 1) if tick == int(tick)]
    for tick in ticks:
        line = top + inner_height * (1 - tick / ticks[-1])
        yield Rectangle(left, line, inner_width, 1, GRID)
        yield Text(left - 6, line + 4, _number(tick), "end", 11, GREY)
    step = inner_width / max(len(panel.counts), 1)
    for index, count in enumerate(panel.counts):
        bar = inner_height * count / ticks[-1]
        yield Rectangle(left + index * step + 0.5, top + inner_height - bar, max(step - 1, 0.5), bar, BAR)
    # A bar of one whole number has its number below its middle, others have the numbers of their edges.
    one = panel.high - panel.low == len(panel.counts)
    first, last = panel.low, panel.high - one
    for tick in round_ticks(first, last):
        if first <= tick <= last and not (one and tick % 1):
            right = inner_width * (tick - panel.low + 0.5 * one) / ((panel.high - panel.low) or 1)
            yield Text(left + right, top + inner_height + 18, _number(round(tick, 6)), "middle", 11, GREY)
    yield Text(left + inner_width / 2, top + inner_height + 36, panel.unit, "middle", 11, GREY)


def _shade(part: float) -> str:
    """A colour between white and dark blue; the square root keeps rare cells visible."""
    part = part**0.5
    ends = ((255, 8), (255, 48), (255, 107))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in ends)


def _heatmap(panel: Heatmap, x: float, y: float, size: tuple[int, int]) -> Iterable[Shape]:
    width, height = size
    side = height - 76
    left, top = x + (width - side) / 2, y + 34
    largest = max((count for row in panel.rows for count in row), default=0) or 1
    yield Rectangle(left - 1, top - 1, side + 2, side + 2, GREY)
    yield Rectangle(left, top, side, side, PAPER)
    step = side / max(len(panel.rows), 1)
    for down, row in enumerate(panel.rows):
        for right, count in enumerate(row):
            if count:
                yield Rectangle(left + right * step, top + down * step, step, step, _shade(count / largest))
    yield Text(x + width / 2, top + side + 18, panel.axes, "middle", 11, GREY)
    yield Text(x + width / 2, top + side + 34, f"fullest cell: {_number(largest)}", "middle", 11, GREY)


def _curves(panel: Curves, x: float, y: float, size: tuple[int, int]) -> Iterable[Shape]:
    left, top, inner_width, inner_height = x + 52, y + 40, size[0] - 72, size[1] - 86
    xs, ys = zip(*(point for line in panel.lines.values() for point in line), strict=True)
    heights = round_ticks(min(0.0, *ys), max(ys))
    first, last, whole = min(xs), max(xs), all(value == int(value) for value in xs)
    # An axis that begins a little above 0 begins at 0.
    first = 0.0 if 0 < first <= 0.1 * last else first

    def on_page(point: tuple[float, float]) -> tuple[float, float]:
        right = (point[0] - first) / ((last - first) or 1)
        up = (point[1] - heights[0]) / (heights[-1] - heights[0])
        return left + inner_width * right, top + inner_height * (1 - up)

    for value in heights:
        height = on_page((first, value))[1]
        yield Rectangle(left, height, inner_width, 1, GRID)
        yield Text(left - 6, height + 4, _number(value), "end", 11, GREY)
    for value in round_ticks(first, last):
        if first <= value <= last and not (whole and value % 1):
            yield Text(on_page((value, 0))[0], top + inner_height + 18, _number(value), "middle", 11, GREY)
    yield Text(left + inner_width / 2, top + inner_height + 36, panel.across, "middle", 11, GREY)
    for number, (name, line) in enumerate(panel.lines.items()):
        points, colour = [on_page(point) for point in line], panel.colours[number % len(panel.colours)]
        yield Line(points, colour)
        if len(points) <= 30:
            yield from (Rectangle(right - 2, height - 2, 4, 4, colour) for right, height in points)
        yield Text(left + 120 * number, top - 8, shorten(name, 18), fill=colour)


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
    return [round(number * step, 2 - math.floor(math.log10(step))) for number in range(first, last + 1)]


_DRAWERS: dict[type, Callable[..., Iterable[Shape]]] = {
    Bars: _bars, Histogram: _histogram, Heatmap: _heatmap, Curves: _curves,
}  # fmt: skip


def lay_out(title: str, panels: Sequence[Panel], columns: int = 2, size: tuple[int, int] = PANEL) -> Page:
    """Arrange panels on a page below a title, where there is one: each where the column is shortest so far."""
    columns = max(1, min(columns, len(panels)))
    ends = [2.4 * MARGIN if title else 0.0] * columns
    page = Page(columns * (size[0] + MARGIN) + MARGIN, 0)
    page.shapes += [Text(MARGIN, 1.4 * MARGIN, title, size=18)] if title else []
    for panel in panels:
        column = ends.index(min(ends))
        x, y, height = MARGIN + column * (size[0] + MARGIN), ends[column], _height(panel, size)
        page.shapes += [Text(x, y + 16, panel.title, size=14), *_DRAWERS[type(panel)](panel, x, y, (size[0], height))]
        ends[column] += height + MARGIN
    page.height = math.ceil(max(ends)) + (MARGIN if title else 0)
    return page


def to_svg(page: Page) -> str:
    """Write a page as SVG, which follows the reader's light or dark scheme."""
    dark = [
        f'[{kind}="{light}"] {{ {kind}: {colour} }}' for light, colour in DARK.items() for kind in ("fill", "stroke")
    ]
    dark.append(".shade { filter: invert(1) hue-rotate(180deg) }")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width}" height="{page.height}" '
        f'viewBox="0 0 {page.width} {page.height}" font-family="sans-serif" shape-rendering="crispEdges">',
        f"<style>@media (prefers-color-scheme: dark) {{ {' '.join(dark)} }}</style>",
        f'<rect width="{page.width}" height="{page.height}" fill="{PAPER}"/>',
    ]
    for shape in page.shapes:
        if isinstance(shape, Text):
            lines.append(
                f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size}" text-anchor="{shape.anchor}" '
                f'fill="{shape.fill}">{escape(shape.text)}</text>'
            )
        elif isinstance(shape, Line):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            lines.append(
                f'<polyline points="{points}" fill="none" stroke="{shape.stroke}" stroke-width="2" '
                'shape-rendering="auto"/>'
            )
        else:
            shade = "" if shape.fill in DARK else ' class="shade"'
            lines.append(
                f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" '
                f'fill="{shape.fill}"{shade}/>'
            )
    return "\n".join([*lines, "</svg>", ""])


def _save_png(page: Page, path: Path, scale: int) -> None:
    from PIL import Image, ImageDraw, ImageFont

    # Lines are drawn twice as large and reduced, so that they are smooth.
    fine = 2 if any(isinstance(shape, Line) for shape in page.shapes) else 1
    scale *= fine
    image = Image.new("RGB", (page.width * scale, page.height * scale), PAPER)
    draw = ImageDraw.Draw(image)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for shape in page.shapes:
        if isinstance(shape, Line):
            draw.line([(x * scale, y * scale) for x, y in shape.points], shape.stroke, 2 * scale, joint="curve")
            continue
        x, y = shape.x * scale, shape.y * scale
        if isinstance(shape, Text):
            font = ImageFont.load_default(shape.size * scale)
            draw.text((x, y), shape.text, fill=shape.fill, font=font, anchor=anchors[shape.anchor])
        elif shape.height > 0 and shape.width > 0:
            corner = (x + shape.width * scale, y + shape.height * scale)
            draw.rectangle((x, y, max(corner[0] - 1, x), max(corner[1] - 1, y)), fill=shape.fill)
    image = image.reduce(fine) if fine > 1 else image
    with atomic_bytes(path) as handle:
        image.save(handle, "PNG")


def save_page(page: Page, path: str | Path, scale: int = PNG_SCALE) -> None:
    """Write a page as `.svg`, or as `.png` with so many pixels for each of the page.

    Raises:
        UsageError: The name ends otherwise.
    """
    path = Path(path)
    if path.suffix.lower() == ".png":
        _save_png(page, path, scale)
    elif path.suffix.lower() == ".svg":
        write_whole(path, to_svg(page))
    else:
        raise UsageError(f"Expected a plot named .svg or .png, got {path.name!r}.")
