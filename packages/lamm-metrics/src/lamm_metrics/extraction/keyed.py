"""Boxes and points whose coordinates stand under keys: `x1=..`, `"xmin": ..`, `<left>..</left>`."""

import re
from collections.abc import Iterator

_ALIASES = {
    "x1": "x1 xmin x_min x_1 left minx min_x xtl x0 x_left x_top_left",
    "y1": "y1 ymin y_min y_1 top miny min_y ytl y0 y_top y_top_left",
    "x2": "x2 xmax x_max x_2 right maxx max_x xbr x_right x_bottom_right",
    "y2": "y2 ymax y_max y_2 bottom maxy max_y ybr y_bottom y_bottom_right",
    "x": "x",
    "y": "y",
    "z": "z",
    "w": "w width",
    "h": "h height",
    "cx": "cx center_x x_center xc centerx x_c",
    "cy": "cy center_y y_center yc centery y_c",
    "cz": "cz center_z z_center zc centerz z_c",
    "dx": "dx l length lx size_x x_size",
    "dy": "dy ly size_y y_size",
    "dz": "dz lz size_z z_size",
    "yaw": "yaw heading theta rotation rz angle",
    "score": "score confidence conf probability prob",
}
_CANON = {alias: key for key, aliases in _ALIASES.items() for alias in aliases.split()}
NUMBER = r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
# `a`: without it "ı" and "İ" pass for "i" where case is ignored, and are no key.
_KEYED = re.compile(
    rf"(?<![A-Za-z0-9])(?P<key>(?a:{'|'.join(sorted(_CANON, key=len, reverse=True))}))\d{{0,2}}[\"']?(?: ?[:=] ?|"
    rf" is |>)[\"']? ?(?P<number>{NUMBER})(?![\d\w.]*\w)",
    re.IGNORECASE,
)
# The key sets that make a box or a point, longest first.
SETS = (
    ("cx", "cy", "cz", "dx", "dy", "dz", "yaw"),
    ("x", "y", "z", "dx", "w", "h", "yaw"),
    ("cx", "cy", "cz", "dx", "dy", "dz"),
    ("x", "y", "z", "dx", "dy", "dz"),
    ("cx", "cy", "cz", "dx", "w", "h"),
    ("x", "y", "z", "dx", "w", "h"),
    ("x1", "y1", "x2", "y2"),
    ("x1", "y1", "w", "h"),
    ("x", "y", "w", "h"),
    ("cx", "cy", "w", "h"),
    ("x", "y"),
    ("cx", "cy"),
)
_BY_SET = {frozenset(keys): keys for keys in SETS}

KeyedGroup = tuple[int, int, tuple[float, ...], None, tuple[str, ...], None, float | None]


def keyed_groups(text: str) -> Iterator[KeyedGroup]:
    """Yield the fields of a `Group` for each run of keyed numbers that makes a box or a point.

    Args:
        text: A folded answer.
    """
    run: dict[str, float] = {}
    start = end = 0
    for found in _KEYED.finditer(text):
        key = _CANON[found["key"].lower()]
        if run and (key in run or found.start() - end > 60):
            yield from _group(run, start, end)
            run = {}
        if not run:
            start = found.start()
        run[key] = float(found["number"])
        end = found.end()
    yield from _group(run, start, end)


def _group(run: dict[str, float], start: int, end: int) -> Iterator[KeyedGroup]:
    score = run.pop("score", None)
    keys = _BY_SET.get(frozenset(run))
    if keys is not None:
        numbers = tuple(run[key] if abs(run[key]) < 1e15 else float("nan") for key in keys)
        yield start, end, numbers, None, keys, None, score
    elif len(run) >= 3 and not {"w", "h"} >= set(run):
        # Some keys are missing: an incomplete box, whose reader reports it as malformed.
        yield start, end, tuple(run.values()), None, (), None, score
