"""Tables of text and of HTML, for people: columns under a line, or what a notebook shows."""

from collections.abc import Iterable, Sequence
from html import escape

# Rows that a notebook shows of a list, and characters of a cell.
ROWS, LONGEST = 10, 300


def number(value: float | None) -> str:
    """Return a value in four decimals, or a dash where it is undefined."""
    return "–" if value is None else f"{value:.4f}"


def bracketed(interval: tuple[float, float] | None) -> str:
    """Return an interval in brackets, or nothing where there is none."""
    return "" if interval is None else f"[{number(interval[0])}, {number(interval[1])}]"


def with_interval(value: float | None, interval: tuple[float, float] | None, undefined: str = "undefined") -> str:
    """Return a value with its interval.

    >>> with_interval(0.5, (0.25, 0.75)), with_interval(None, None)
    ('0.5000 [0.2500, 0.7500]', 'undefined')
    """
    return f"{undefined if value is None else number(value)} {bracketed(interval)}".rstrip()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells in aligned columns; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def listed_html(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the first rows under a title as HTML, and how many more there are."""
    more = f"<p>… and {len(rows) - ROWS} more</p>" if len(rows) > ROWS else ""
    return f"<p><strong>{escape(title)}</strong></p>{table_html(head, rows[:ROWS])}{more}"


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as an HTML table without scripts, in the notebook's own colours."""
    left = 'style="text-align: left"'
    names = "".join(f"<th {left}>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td {left}>{_cell(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return escape(shown).replace("\n", "<br>")
