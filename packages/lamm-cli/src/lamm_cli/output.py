"""Where text goes: results on stdout, everything else on stderr, and nothing that commands a terminal on either.

What is printed comes in part from strangers: labels, answers, names of files. A terminal obeys control characters
(moves, colours, titles, the clipboard, links), so none of a text passes; rich's own drawing does.
"""

import csv
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# C0 and C1 but for tab and line end, and what turns the direction of writing round.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# How rich draws, and how progress bars of libraries return to the line's start or go up a line.
_DRAWING = re.compile("(\x1b\\[[0-9;?]*[A-Za-z]|\r)")
_BAR = re.compile("[\r\n]*(?:(?:\x1b\\[A)*\\Z)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def shown(text: str) -> str:
    """Return a text with its control characters written out, fit for a terminal."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class SafeStream:
    """A text stream that commands no terminal, fails at no character, and is named when its disk is full.

    Args:
        stream: The stream that it stands for; its `buffer` is not offered, since bytes would go past this one.
        name: What an error calls it.
        drawing: Whether sequences pass that move the cursor and colour text, for rich.
    """

    def __init__(self, stream: Any, name: str, *, drawing: bool = False) -> None:
        self._stream, self._name, self._drawing = stream, name, drawing
        if not drawing:
            self.rich_proxied_file = SafeStream(stream, name, drawing=True)

    def __getattr__(self, attribute: str) -> Any:
        if attribute in ("buffer", "detach", "rich_proxied_file"):
            raise AttributeError(attribute)
        return getattr(self._stream, attribute)

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        with self._named():
            self._stream.write(self._clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand everything over to the system."""
        with self._named():
            self._stream.flush()

    def _clean(self, text: str) -> str:
        if self._drawing:
            return "".join(part if at % 2 else shown(part) for at, part in enumerate(_DRAWING.split(text)))
        bar = _BAR.match(text) if self._name == "stderr" else None
        start = bar.end() if bar else 0
        return text[:start] + shown(text[start:])

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = error.filename or self._name
            raise


def guard_streams() -> None:
    """Put a `SafeStream` in the place of stdout and stderr, for the rest of the process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, SafeStream):
            continue
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
        setattr(sys, name, SafeStream(stream, name))


def label(text: str, code: str) -> None:
    """Write a word at the start of a line on stderr, in a colour where a terminal shows it and nobody forbids it.

    Args:
        text: The word.
        code: Its colour as a terminal's number, such as `1;31` for bold red.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()
    stream = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    stream.write(text if plain else f"\x1b[{code}m{text}\x1b[0m")


def console() -> "Console":
    """Return a console on stderr, for progress and titles."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int = 160) -> None:
    """Print a table on stdout; where that is no terminal, which has no width of its own, `width` columns wide."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for cell in head:
        table.add_column(Text(shown(cell)))
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    Console(width=None if os.isatty(1) else width).print(table)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown; what would end a cell or begin HTML is escaped."""
    lines = ["| " + " | ".join(map(_markdown_cell, row)) + " |\n" for row in (head, *rows)]
    return "".join([lines[0], "|" + "---|" * len(head) + "\n", *lines[1:]])


def _markdown_cell(text: str) -> str:
    return shown(" ".join(text.split("\n"))).replace("|", r"\|").replace("<", "&lt;")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; None is an empty cell, and a text that a spreadsheet would calculate is quoted by `'`."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([_spreadsheet_cell(cell) for cell in row] for row in rows)
    return written.getvalue()


def _spreadsheet_cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    # A bare CR would end the row for readers, and `csv` does not quote it.
    return ("'" if cell.startswith(_FORMULA) else "") + cell.replace("\r\n", "\n").replace("\r", "\n")
