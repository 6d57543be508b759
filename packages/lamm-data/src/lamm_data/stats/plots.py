"""The statistics of a file as one page of charts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lamm_data.stats.charts import Bars, Heatmap, Histogram, Panel, lay_out, save_page
from lamm_data.stats.counting import Spread, Statistics
from lamm_data.stats.geometry import EDGE

TOP = 10
STEPS = 40
BARS = (
    ("task_type", "Records by task type"),
    ("task", "Records by task"),
    ("source", "Records by source"),
    ("licence", "Records by licence"),
    ("label", "Classes named in answers"),
    ("right option", "Letter of the right option"),
    ("number", "True numbers"),
    ("answer", "Commonest short answers"),
)


def _bars(title: str, counter: Counter[str]) -> Bars:
    rows: list[tuple[str, float]] = [(name, count) for name, count in counter.most_common(TOP)]
    rest = len(counter) - len(rows)
    hidden = sum(counter.values()) - sum(count for _, count in counter.most_common(TOP))
    return Bars(title, rows, f"and {rest:,} more names, {hidden:,} in all" if rest > 0 else "")


def _histogram(title: str, spread: Spread, unit: str) -> Histogram:
    low, high = min(spread.histogram), max(spread.histogram)
    # Whole numbers: every step covers as many of them as the others.
    width = max(1, -(-(high - low + 1) // STEPS))
    counts = [0] * -(-(high - low + 1) // width)
    for value, count in spread.histogram.items():
        counts[(value - low) // width] += count
    return Histogram(title, counts, low, low + width * len(counts), unit)


def panels_of(statistics: Statistics) -> list[Panel]:
    """Make the charts of what occurs: counts, lengths, classes and positions."""
    panels: list[Panel] = [
        _bars(title, counter)
        for name, title in BARS
        if (counter := statistics.counts.get(name)) and set(counter) != {"not stated"}
    ]
    for title, spread, unit in (
        ("Rounds a record", statistics.rounds, "question-answer pairs"),
        ("Length of questions", statistics.question_words, "words"),
        ("Length of answers", statistics.answer_words, "words"),
    ):
        if len(spread.histogram) > 1:
            panels.append(_histogram(title, spread, unit))
    geometry = statistics.geometry
    if geometry.boxes or geometry.points:
        panels.append(
            Heatmap("Centres of 2D boxes, and points", geometry.centres, "image, left to right, top to bottom")
        )
    if geometry.boxes:
        panels.append(Histogram("Area of 2D boxes", geometry.areas, 0, 1, "fraction of the image"))
    if geometry.boxes3d:
        axes = f"x and y from {-EDGE:g} m to {EDGE:g} m, seen from above"
        panels.append(Heatmap("Centres of 3D boxes", geometry.centres3d, axes))
    return panels


def save_plot(statistics: Statistics, title: str, path: str | Path) -> None:
    """Write the charts of a file as `.svg` or `.png`.

    Raises:
        UsageError: The name ends otherwise.
    """
    save_page(lay_out(f"{title}: {statistics.records:,} records", panels_of(statistics)), path)
