"""Work spread over processes, results in order, with little in flight."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from lamm_data.errors import LammDataError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

IN_THE_AIR = 4
"""Pieces a process that are read ahead: enough to keep it busy, few enough to bound memory."""
_work: list[Callable[[Any], Any]] = []


def in_parallel(work: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int) -> Iterator[Result]:
    """Do work on each piece in worker processes, or in this one when a single worker is asked for.

    Processes are started anew, never forked: a fork inherits locks that threads of libraries hold.

    Args:
        work: Function of a piece; each process receives it once.
        pieces: Pieces; no more of them are read than are worked on soon.
        workers: Processes. They end with the last result, with the caller's loop, and with this process.

    Yields:
        What `work` returned, in the order of the pieces.

    Raises:
        LammDataError: A worker process died, most likely for want of memory.
    """
    if workers <= 1 or (isinstance(pieces, Sized) and len(pieces) < 2):
        yield from map(work, pieces)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), _start, (work,)) as pool:
            try:
                for piece in pieces:
                    waiting.append(pool.submit(_run, piece))
                    if len(waiting) >= IN_THE_AIR * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
    except BrokenProcessPool as error:
        raise LammDataError(
            f"Expected {workers} worker processes to live, got one that was ended from outside, most likely for want "
            "of memory. Ask for fewer of them."
        ) from error


def _start(work: Callable[[Any], Any]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work[:] = [work]


def _end_with_parent() -> None:
    """End this worker when the run was killed: it would wait for its next piece for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(piece: Any) -> Any:
    return _work[0](piece)
