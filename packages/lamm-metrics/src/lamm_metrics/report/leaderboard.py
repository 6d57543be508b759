"""The leaderboard of a report in HTML and in text: the models of each task on one axis, blind and chance as marks."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Protocol, TypeAlias

from lamm_metrics.report.entrants import BLIND, Entrant, Row, entrants_of, rows_of
from lamm_metrics.report.forest import Axis, lane
from lamm_metrics.report.shown import Arranged, ahead, digits, known, ranged, shown_name, ticks_of
from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score
from lamm_metrics.tables import table, with_interval


class Compared(Protocol):
    """A paired comparison, such as `lamm_metrics.compare` makes: a difference, and p of no difference."""

    @property
    def difference(self) -> float | None:
        """Return the difference of the scores; None where there is none."""

    @property
    def p_value(self) -> float | None:
        """Return p of no difference; None where it was not tested."""


# Comparisons of each cell with the first model, or with whatever the page names, by benchmark and model.
Significance: TypeAlias = Mapping[str, Mapping[str, Compared]]
CLEAR = ' <small class="clear" title="Its interval lies clear of all others">clear</small>'


def leaderboard(arranged: Arranged, significance: Significance) -> str:
    """Return the table of headline scores: a group of rows a task, in it a row a model, all on the task's own axis."""
    rows = rows_of(arranged)
    entrants = entrants_of(arranged)
    models = [one for one in entrants.values() if one.role == "model"]
    # Comparisons are with the first model, so that they say something of its own blind run alone.
    seers = {one.of: name for name, one in entrants.items() if one.role == BLIND and one.of == models[0].name}
    blind, tested = any(row.blind for row in rows), is_compared(significance, [one.name for one in models])
    head = ["Set", "Model", "Score and interval", "Score", *["Blind"] * blind, *["Δ"] * tested, "Unread"]
    cells = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = "".join(
        _group(
            row,
            models,
            seers if blind else None,
            significance.get(row.name, {}),
            tested,
            any(reports[row.name].samples for reports in arranged.values() if row.name in reports),
        )
        for row in rows
    )
    return f"<thead><tr>{cells}</tr></thead>{body}"


def is_compared(significance: Significance, models: Sequence[str]) -> bool:
    """Return whether any of the models was compared with what the page names."""
    return any(name in compared for compared in significance.values() for name in models)


def _group(
    row: Row,
    models: Sequence[Entrant],
    seers: Mapping[str, str] | None,
    compared: Mapping[str, Compared],
    tested: bool,
    listed: bool,
) -> str:
    """Return the rows of one task.

    Args:
        row: The scores.
        models: The models of the report.
        seers: Name of the blind run by that of the first model, None where there are no blind runs.
        compared: Paired comparisons by name.
        tested: Whether models were compared anywhere.
        listed: Whether samples of the task are listed.
    """
    axis = Axis(ticks_of(row.everyone), row.first.higher_is_better)
    here = [one for one in models if one.name in row.scores or one.name in row.blind] or models
    best, clear = best_of(row.scores)
    lines: list[str] = []
    title = (
        f'<th scope="rowgroup" rowspan="{len(here) + 1}">{_name(row.name, listed)}'
        f"<small>{escape(row.first.name)}{_records(row)}</small>{_chance(row.chance)}</th>"
    )
    for one in here:
        name, score = one.name, row.scores.get(one.name)
        mark = " best" if name in best else ""
        note = (
            ' <small class="clear" title="Its interval lies clear of all others">clear</small>' if name == clear else ""
        )
        cells = [
            *[title] * (not lines),
            f'<th scope="row" class="model"><i></i><bdi title="{escape(name)}">{escape(name)}</bdi></th>',
            f'<td class="plot">{lane(name, score, row.blind.get(name), row.chance, axis)}</td>',
            f'<td class="value{mark}">{_value(score)}{note}</td>',
            *([] if seers is None else [_blind(row.blind.get(name), compared.get(seers.get(name, "")))]),
            *[f'<td class="value" data-label="Δ">{_difference(compared.get(name))}</td>'] * tested,
            f'<td data-label="unread">{_unread(score)}</td>',
        ]
        lines.append(f'<tr data-model="{escape(name)}" style="--own:var(--series-{one.colour})">{"".join(cells)}</tr>')
    way = "more is better →" if row.first.higher_is_better else "← less is better"
    foot = (
        f'<tr class="foot"><td></td><td class="plot">{axis.drawn()}</td>'
        f'<td colspan="{2 + (seers is not None) + tested}"><small>{way}</small></td></tr>'
    )
    return f'<tbody data-task="{escape(row.name)}">{"".join(lines)}{foot}</tbody>'


def best_of(scores: Mapping[str, Score]) -> tuple[set[str], str]:
    """Return the models with the best score, none where all are equal, and the one clear of all others, else empty.

    Clear is a model whose interval lies apart from that of every other one.
    """
    values = {name: value for name, score in scores.items() if (value := known(score.value)) is not None}
    if len(set(values.values())) < 2:
        return set(), ""
    top = max(values.values()) if next(iter(scores.values())).higher_is_better else min(values.values())
    best = {name for name, value in values.items() if value == top}
    clear = [one for one in best if all(ahead(scores[one], scores[other]) > 0 for other in values if other != one)]
    return best, clear[0] if clear else ""


def _name(name: str, listed: bool) -> str:
    """Return the name of a row, which leads to its samples where any are listed."""
    shown = escape(shown_name(name)).replace("+", "+<wbr>")
    return f'<button class="link" type="button" data-task="{escape(name)}">{shown}</button>' if listed else shown


def _records(row: Row) -> str:
    """Return the number of records, the range of it where models were scored on different ones."""
    sizes = sorted({score.n for score in row.everyone})
    return f", n\u00a0=\u00a0{sizes[0]:,}" if len(sizes) == 1 else f", n\u00a0=\u00a0{sizes[0]:,} to {sizes[-1]:,}"


def _chance(score: Score | None) -> str:
    return (
        "" if score is None else f'<small class="chance">chance {digits(score.value, score.n)} {ranged(score)}</small>'
    )


def _value(score: Score | None) -> str:
    return "–" if score is None else f"<strong>{digits(score.value, score.n)}</strong> <small>{ranged(score)}</small>"


def _blind(score: Score | None, compared: Compared | None) -> str:
    """Return the cell of the same model without its medium, with p of its difference from what the page names."""
    tested = compared is not None and known(compared.p_value) is not None
    p_value = f" <small>{escape(p_text((compared and compared.p_value) or 0.0))}</small>" if tested else ""
    return f'<td class="value" data-label="blind">{_value(score)}{p_value}</td>'


def _unread(score: Score | None) -> str:
    return f"{score.failure_rate:.1%}" if score is not None and score.n_failed else ""


def _difference(compared: Compared | None) -> str:
    """Return a difference and its p."""
    if compared is None or known(compared.difference) is None or known(compared.p_value) is None:
        return ""
    sign = "+" if (compared.difference or 0) > 0 else ""
    return f"{sign}{digits(compared.difference, 0)} <small>{escape(p_text(compared.p_value or 0.0))}</small>"


def p_text(p_value: float) -> str:
    """Return p in words."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def comparison_table(results: Mapping[str, Mapping[str, Report]]) -> str:
    """Return headline scores of several models on several tasks, a row a task and a column a model.

    Args:
        results: Reports by model and task.
    """
    tasks = list(dict.fromkeys(task for reports in results.values() for task in reports))
    rows = [["task", "score", *results]]
    for task in tasks:
        found = [reports[task].headline if task in reports else None for reports in results.values()]
        name = next(score.name for score in found if score is not None)
        shown = (with_interval(score.value, score.interval, "–") if score else "–" for score in found)
        rows.append([task, name, *shown])
    return table(rows)
