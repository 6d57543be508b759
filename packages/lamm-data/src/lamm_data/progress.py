"""A progress bar on standard error, for commands; library code only takes a callback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

Advance = Callable[[int], None]
"""Called with the number of newly finished steps."""


def unwatched(done: int) -> None:
    """Show nothing."""


def watched(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    """Pass items on and show how many went by."""
    with progress_bar(label, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Advance]:
    """Show progress while the block runs, when standard error is a terminal and rich is installed.

    Args:
        label: What is being done.
        total: How many steps there are; None when unknown.

    Yields:
        A function to call with the number of newly finished steps.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        yield unwatched
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)
