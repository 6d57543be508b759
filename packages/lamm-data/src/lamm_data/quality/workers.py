"""Runs a piece of work on chunks in other processes, in order and with few chunks in the air."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from lamm_data.errors import LammDataError

Setting = TypeVar("Setting")
Piece = TypeVar("Piece")
Result = TypeVar("Result")

IN_THE_AIR = 4
"""Pieces a process that are read ahead; a pool's own map would read the whole file at once."""
_made: dict[str, Callable[[Any], Any]] = {}


def map_pieces(
    make: Callable[[Setting], Callable[[Piece], Result]], setting: Setting, pieces: Iterable[Piece], workers: int
) -> Iterator[Result]:
    """Apply work to pieces.

    Args:
        make: Builds the work of a setting: once here, and again only where processes cannot inherit it.
        setting: The setting.
        pieces: Pieces of work.
        workers: Processes; 1 works in this one.

    Yields:
        Results in the order of the pieces.

    Raises:
        LammDataError: A process was ended from outside.
    """
    work = make(setting)
    if workers <= 1:
        yield from map(work, pieces)
        return
    # A forked process has the work in its memory already; started otherwise, it builds its own.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    _made["work"] = work
    context = multiprocessing.get_context(method)
    waiting: deque[Future[Result]] = deque()
    try:
        with ProcessPoolExecutor(workers, context, _start, (make, setting)) as pool:
            for piece in pieces:
                waiting.append(pool.submit(_run, piece))
                if len(waiting) >= IN_THE_AIR * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise LammDataError(
            f"Expected {workers} processes to work to the end, got one that was ended from outside, perhaps for want "
            "of memory. Run again with --workers 1."
        ) from error
    finally:
        _made.clear()


def _start(make: Callable[[Any], Callable[[Any], Any]], setting: Any) -> None:
    if "work" not in _made:
        _made["work"] = make(setting)


def _run(piece: Any) -> Any:
    return _made["work"](piece)
