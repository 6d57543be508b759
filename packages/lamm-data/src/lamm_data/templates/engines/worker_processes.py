"""Blocks made by worker processes of this machine, in order and with bounded memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from lamm_data.errors import LammDataError
from lamm_data.templates.engines.blocks import Batch, Block, BlockMaker, Engine, pack, unpack

AHEAD = 3
"""Blocks under way for each worker: enough to keep it busy, few enough to bound memory."""

_makers: list[BlockMaker] = []


def worker_processes(workers: int) -> Engine:
    """Give an engine of so many processes; they start when it is called and end with its last block."""

    def engine(makers: Sequence[BlockMaker], batches: Iterator[Batch]) -> Iterator[tuple[int, Block]]:
        # Spawned, not forked: a fork would copy the threads' locks of whoever shows progress.
        with ProcessPoolExecutor(workers, get_context("spawn"), _receive, (pack(list(makers)),)) as pool:
            under_way: deque[tuple[int, Future[bytes]]] = deque()
            try:
                for place, items in batches:
                    under_way.append((place, pool.submit(_convert, place, pack(items))))
                    if len(under_way) >= AHEAD * workers:
                        yield _oldest(under_way)
                while under_way:
                    yield _oldest(under_way)
            except BrokenProcessPool as error:
                raise LammDataError(
                    f"Expected {workers} worker processes to live, got one that ended by itself, most likely for want "
                    "of memory. Use fewer --workers."
                ) from error
            finally:
                for _, future in under_way:
                    future.cancel()

    return engine


def _oldest(under_way: deque[tuple[int, Future[bytes]]]) -> tuple[int, Block]:
    place, future = under_way.popleft()
    return place, unpack(future.result())


def _receive(packed: bytes) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _makers[:] = unpack(packed)


def _end_with_parent() -> None:
    """End this worker when the run was killed: it would wait for its next block for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _convert(place: int, packed: bytes) -> bytes:
    return pack(_makers[place](unpack(packed)))
