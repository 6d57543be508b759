"""How a report shows a number: its digits, its place on an axis, and whether two of them differ."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, isfinite, log10
from typing import TypeAlias

from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score

Arranged: TypeAlias = Mapping[str, Mapping[str, Report]]
# From so many records on a third decimal says something.
MANY = 1000
# A score worse than every other one by so many times is left off the scale.
FAR = 20.0
# Sets that a sentence names one by one, and characters of a name in it.
NAMED, LONGEST = 3, 40


def known(value: float | None) -> float | None:
    """Return a number, None where there is none or it is not finite."""
    return value if value is not None and isfinite(value) else None


def digits(value: float | None, n: int) -> str:
    """Return a value in two decimals, three where there are many records, fewer where it is large.

    >>> digits(0.12345, 50), digits(0.12345, 5000), digits(1234.5, 50), digits(None, 50)
    ('0.12', '0.123', '1,234', '–')
    """
    if known(value) is None or value is None:
        return "–"
    places = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 3 if n >= MANY else 2
    text = f"{value:,.{places}f}"
    # Nothing is less than nothing.
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "\u2212")


def ranged(score: Score) -> str:
    """Return the interval of a score in brackets, empty where it has none."""
    sides = sides_of(score)
    return f"[{digits(sides[0], score.n)}, {digits(sides[1], score.n)}]" if score.interval and sides else ""


def shown_name(name: str) -> str:
    """Return the name of a set as words."""
    return name.replace("_", " ")


def sides_of(score: Score) -> tuple[float, float] | None:
    """Return the ends of a score's interval, the score twice where it has none; None where it is undefined."""
    value = known(score.value)
    if value is None:
        return None
    low, high = score.interval or (value, value)
    return (low, high) if isfinite(low) and isfinite(high) else (value, value)


def ahead(one: Score, other: Score) -> int:
    """Return 1 where a score is better than another and their intervals lie apart, -1 where it is worse, else 0."""
    mine, theirs = (sides_of(score) if score.interval else None for score in (one, other))
    if mine is None or theirs is None or (mine[0] <= theirs[1] and theirs[0] <= mine[1]):
        return 0
    return 1 if (mine[0] > theirs[1]) == one.higher_is_better else -1


def ticks_of(scores: Iterable[Score]) -> list[float]:
    """Return the round numbers of an axis on which scores lie with their intervals, from 0 or below to above.

    A score far worse than all others would squeeze these into a corner: it is left off the scale.

    >>> from lamm_metrics.results.score import Score
    >>> ticks_of([Score("mae", 1.2, (0.9, 1.5), 64, 0, False, ""), Score("mae", 15728.0, None, 64, 0, False, "")])
    [0.0, 0.5, 1.0, 1.5]
    """
    listed = list(scores)
    spans = [span for span in map(sides_of, listed) if span is not None]
    highs, lows = [max(high, 0.0) for _, high in spans], [max(-low, 0.0) for low, _ in spans]
    if all(score.higher_is_better for score in listed):
        lows = _near(lows)
    else:
        highs = _near(highs)
    return round_numbers(-max(lows, default=0.0), max(highs, default=0.0))


def _near(reach: Sequence[float]) -> list[float]:
    """Return the distances without those far beyond all others."""
    ordered = sorted(reach)
    while len(ordered) > 1 and ordered[-1] > FAR * ordered[-2] > 0:
        ordered.pop()
    return ordered


def round_numbers(low: float, high: float) -> list[float]:
    """Return three to six evenly spaced round numbers that enclose a range."""
    span = high - low or 1.0
    size = 10.0 ** floor(log10(span / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if span / (size * factor) <= 4.0001)
    first, last = floor(low / step + 1e-9), ceil((low + span) / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def listed(names: Iterable[str]) -> str:
    """Return names in a row, the first few of many.

    >>> listed(["a", "b_c"]), listed("abcdef")
    ('a and b c', 'a, b, c and 3 more')
    """
    shown = [short(shown_name(name)) for name in names]
    if len(shown) > NAMED + 1:
        shown = [*shown[:NAMED], f"{len(shown) - NAMED} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def short(name: str) -> str:
    """Return a name, cut where it would fill the line."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def on(names: Sequence[str], everything: Sequence[str]) -> str:
    """Return on how many of all sets something holds, and on which: of most, those on which it does not.

    >>> on(["a"], ["a", "b", "c"]), on(["a", "b"], ["a", "b", "c"]), on(["a"], ["a"])
    ('on 1 of 3 sets (a)', 'on 2 of 3 sets (all but c)', 'on a')
    """
    if len(everything) == 1:
        return f"on {listed(names)}"
    if len(names) == len(everything):
        return f"on all {len(everything)} sets"
    rest = [name for name in everything if name not in names]
    which = f"all but {listed(rest)}" if len(rest) < len(names) else listed(names)
    return f"on {len(names)} of {len(everything)} sets ({which})"
