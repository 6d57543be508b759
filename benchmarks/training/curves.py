"""Loss curves as one small SVG picture."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 360, 48
COLOURS = ("#1f6f8b", "#d1495b", "#66a182", "#8d6a9f")


def _points(xs: Sequence[float], ys: Sequence[float], box: tuple[float, float, float, float]) -> str:
    left, right, low, high = box
    placed = (
        (
            MARGIN + (x - left) / (right - left) * (WIDTH - 2 * MARGIN),
            HEIGHT - MARGIN - (y - low) / (high - low) * (HEIGHT - 2 * MARGIN),
        )
        for x, y in zip(xs, ys, strict=True)
    )
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)


def write_curves(
    path: Path, title: str, across: str, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> None:
    """Write lines with a shared pair of axes.

    Args:
        path: Of the SVG.
        title: Above it.
        across: What the horizontal axis counts.
        lines: For each name its horizontal and vertical values.
    """
    xs = [x for line in lines.values() for x in line[0]]
    ys = [y for line in lines.values() for y in line[1]]
    box = (min(0.0, *xs), max(xs), 0.0, max(ys) * 1.05)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="24" font-size="14">{escape(title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>',
    ]
    for step in range(5):
        y = HEIGHT - MARGIN - step / 4 * (HEIGHT - 2 * MARGIN)
        parts.append(f'<path d="M{MARGIN} {y:.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{box[3] * step / 4:.2f}</text>')
        x = MARGIN + step / 4 * (WIDTH - 2 * MARGIN)
        value = box[0] + (box[1] - box[0]) * step / 4
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle">{value:.0f}</text>')
    for number, (name, (across_values, up)) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="6 4"' if number else ""
        points = _points(across_values, up, box)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        place = f'x="{WIDTH - MARGIN}" y="{44 + 16 * number}" text-anchor="end"'
        parts.append(f'<text {place} fill="{colour}">{escape(name)}</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
