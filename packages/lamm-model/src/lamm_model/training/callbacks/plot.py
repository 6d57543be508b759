"""The loss and the learning rate of a run, drawn as one PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamm_data import Curves, lay_out, save_page

PANELS = (("loss", "eval_loss"), ("eval_score",), ("learning_rate",))
COLOURS = {"loss": "#1f6f8b", "eval_loss": "#d1495b", "eval_score": "#8d6a9f", "learning_rate": "#66a182"}
SIZE = (912, 336)
"""Pixels of a panel without its margins."""


def draw_run(log: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw what a trainer logged: one panel for losses, one for scores where there are any, one for the learning rate.

    Args:
        log: The trainer's log history: entries with `step` and values.
        path: Of the PNG.

    Returns:
        Whether there was anything to draw.
    """
    panels = []
    for names in PANELS:
        if lines := {name: line for name in names if (line := _points(log, name))}:
            named = {name.replace("_", " "): line for name, line in lines.items()}
            panels.append(Curves("", named, "step", [COLOURS[name] for name in lines]))
    if panels:
        save_page(lay_out("", panels, columns=1, size=SIZE), path, scale=1)
    return bool(panels)


def _points(log: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(float(e["step"]), float(e[name])) for e in log if "step" in e and math.isfinite(e.get(name, math.nan))]
