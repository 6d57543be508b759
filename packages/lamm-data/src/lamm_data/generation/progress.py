"""What is shown while a run goes on: on a terminal a line that is redrawn, elsewhere nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamm_data.generation.input_rows import input_rows
from lamm_data.generation.run import Summary
from lamm_data.generation.settings import GenerationSettings, settings_prompt


@contextmanager
def watching(settings: GenerationSettings) -> Iterator[Callable[[Summary], None] | None]:
    """Show rows, rejections, rate, tokens, cost and projected cost on standard error while the block runs.

    Args:
        settings: The run's settings; the rows are counted for the total.

    Yields:
        What the run should call after each row; None when standard error is no terminal or rich is not installed.
    """
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        yield None
        return
    total = count_rows(settings)
    columns = (
        TextColumn("generate"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("", total=total)
        yield lambda summary: bar.update(task, completed=done_rows(summary), description=describe(summary, total))


def count_rows(settings: GenerationSettings) -> int:
    """Count the rows a run will read."""
    return sum(1 for _ in input_rows(settings, settings_prompt(settings)))


def done_rows(summary: Summary) -> int:
    """Count the rows that have ended, whichever way."""
    counts = summary.counts
    return counts.finished + counts.rejected.total() + counts.failed.total()


def describe(summary: Summary, total: int) -> str:
    """Say in one line how a run goes.

    Args:
        summary: The state so far.
        total: Rows in all.

    Returns:
        For example `3 rejected, 12.0/s, 4,200 tokens, $0.12 of about $0.40`.
    """
    done = done_rows(summary)
    problems = summary.counts.rejected + summary.counts.failed
    parts = [f"{count} {reason}" for reason, count in problems.most_common(3)]
    parts.append(f"{done / max(summary.seconds, 1e-9):.1f}/s")
    parts.append(f"{summary.prompt_tokens + summary.answer_tokens:,} tokens")
    if summary.cost is not None:
        parts.append(f"${summary.cost:.2f} of about ${summary.cost * total / max(done, 1):.2f}")
    return ", ".join(parts)
