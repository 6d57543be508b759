"""Work spread over processes, results in order, with little in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from lamm_data.errors import LammDataError

AHEAD = 4
"""Pieces handed to each worker beyond the one it works on."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_parallel(work: Callable[[Given], Made], given: Sequence[Given], workers: int) -> Iterator[Made]:
    """Do work on each piece in worker processes, or in this one when a single worker is asked for.

    Args:
        work: Picklable function of a piece.
        given: Pieces.
        workers: Processes.

    Yields:
        What `work` returned, in the order of the pieces.

    Raises:
        LammDataError: A worker process died, most likely for want of memory.
    """
    if workers <= 1 or len(given) < 2:
        yield from map(work, given)
        return
    try:
        # Spawned, not forked: a library such as open3d has started threads by then.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            waiting = iter(given)
            running = [pool.submit(work, piece) for piece in islice(waiting, workers * AHEAD)]
            while running:
                yield running.pop(0).result()
                running += [pool.submit(work, piece) for piece in islice(waiting, 1)]
    except BrokenProcessPool as error:
        raise LammDataError(
            f"Expected {workers} worker processes to finish, got one that died: {error}. Ask for fewer of them."
        ) from error
