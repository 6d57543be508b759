"""A forest plot in pieces: a lane for each model of a task, all of them on one axis, and the axis itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lamm_metrics.report.shown import digits, known, ranged, sides_of
from lamm_metrics.results.score import Score

# Lanes fill their rows, however high the words beside them make these.
ALL, MIDDLE = "100%", "50%"


@dataclass(frozen=True, slots=True)
class Axis:
    """The scale that all scores of a task share.

    Attributes:
        ticks: Round numbers, rising; the first and the last are its ends.
        higher_is_better: Which way is better.
    """

    ticks: Sequence[float]
    higher_is_better: bool

    def place(self, value: float) -> float:
        """Return where a value lies, in percent of the axis; what is off the scale lies on its end."""
        low, high = self.ticks[0], self.ticks[-1]
        return 100 * min(1.0, max(0.0, (value - low) / (high - low)))

    def holds(self, value: float) -> bool:
        """Return whether a value lies on the scale."""
        return self.ticks[0] <= value <= self.ticks[-1]

    def lines(self) -> str:
        """Return the lines of the ticks through a lane."""
        return "".join(
            f'<line class="grid" x1="{self.place(tick):.2f}%" x2="{self.place(tick):.2f}%" y2="{ALL}"/>'
            for tick in self.ticks
        )

    def drawn(self) -> str:
        """Return the axis: its numbers, and which way is better."""
        ends = {0: " start", len(self.ticks) - 1: " end"}
        texts = "".join(
            f'<text x="{self.place(tick):.2f}%" y="12" class="tick{ends.get(place, "")}">{_tick(tick)}</text>'
            for place, tick in enumerate(self.ticks)
        )
        return f'<svg class="lane axis" height="16" aria-hidden="true">{texts}</svg>'


def _tick(value: float) -> str:
    return f"{value:,.10g}".replace("-", "\u2212")


def lane(model: str, score: Score | None, blind: Score | None, chance: Score | None, axis: Axis) -> str:
    """Return the picture of one model's score, with the same model blind and chance as marks.

    Args:
        model: Its name, for the description.
        score: Its score; None where it has none.
        blind: Its score without the medium, drawn hollow.
        chance: The score of chance, a dashed line with its interval behind it.
        axis: The scale.
    """
    parts, words = [axis.lines()], [f"{model}: {_words(score)}"]
    if chance is not None and known(chance.value) is not None:
        low, high = map(axis.place, sides_of(chance) or (0, 0))
        at = axis.place(chance.value or 0.0)
        parts.append(
            f'<rect class="chance-band" x="{low:.2f}%" width="{high - low:.2f}%" height="{ALL}"/>'
            f'<line class="chance-line" x1="{at:.2f}%" x2="{at:.2f}%" y2="{ALL}"/>'
        )
        words.append(f"chance {_words(chance)}")
    if blind is not None:
        parts.append(_mark(blind, axis, "blind"))
        words.append(f"blind {_words(blind)}")
    if score is not None:
        sides = sides_of(score)
        if score.interval and sides:
            low, high = map(axis.place, sides)
            parts.append(f'<line class="range" x1="{low:.2f}%" x2="{high:.2f}%" y1="{MIDDLE}" y2="{MIDDLE}"/>')
        parts.append(_mark(score, axis, "seen"))
    return (
        f'<svg class="lane" role="img" aria-label="{escape("; ".join(words), quote=True)}">'
        f"<title>{escape('; '.join(words))}</title>{''.join(parts)}</svg>"
    )


def _words(score: Score | None) -> str:
    return "no score" if score is None else f"{digits(score.value, score.n)} {ranged(score)}".strip()


def _mark(score: Score, axis: Axis, kind: str) -> str:
    """Return the mark of a value: a disc where more is better, a triangle where less is, an arrow off the scale."""
    value = known(score.value)
    if value is None:
        return ""
    if not axis.holds(value):
        shape = "M-11 -5H-3V-9L6 0L-3 9V5H-11Z" if value > axis.ticks[-1] else "M11 -5H3V-9L-6 0L3 9V5H11Z"
    else:
        shape = "M-6 0A6 6 0 1 0 6 0A6 6 0 1 0 -6 0Z" if axis.higher_is_better else "M-7 0L5 -7V7Z"
    return f'<svg x="{axis.place(value):.2f}%" y="{MIDDLE}" class="at {kind}"><path d="{shape}"/></svg>'
