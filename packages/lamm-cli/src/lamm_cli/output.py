"""Where text goes: results on stdout, everything else on stderr."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Return a console on stderr, for progress and titles."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int = 160) -> None:
    """Print a table on stdout; where that is no terminal, which has no width of its own, `width` columns wide."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console(width=None if os.isatty(1) else width).print(table)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = ["| " + " | ".join(row) + " |\n" for row in (head, *rows)]
    return "".join([lines[0], "|" + "---|" * len(head) + "\n", *lines[1:]])


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; None is an empty cell."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
