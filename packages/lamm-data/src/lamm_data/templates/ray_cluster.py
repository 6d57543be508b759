"""The same blocks made by Ray Data, on one machine or on a cluster (extra `lamm-data[ray]`)."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from lamm_data.errors import LammDataError, import_extra
from lamm_data.templates.convert import Batch, Block, BlockMaker, Engine

PATIENCE = 10.0
"""Seconds to wait for a cluster's address to answer."""

WINDOW = 64
"""Batches handed to Ray Data at a time; the object store never holds more than their items and blocks."""


def ray_cluster(address: str = "local", watch: Callable[[str], None] | None = None) -> Engine:
    """Give an engine that runs on a Ray cluster.

    Args:
        address: `local` starts Ray on this machine for the run; `auto` or an address joins a running cluster, whose
            nodes need lamm-data and, where media are looked for, the media at the same path.
        watch: Called with the id of the node that made a block, block by block.
    """

    def engine(makers: Sequence[BlockMaker], batches: Iterator[Batch]) -> Iterator[tuple[int, Block]]:
        ray = _import_ray()
        own = not ray.is_initialized()
        if own:
            _start(ray, address)
        try:
            convert = _conversion(ray.put(pack(list(makers))))
            while window := [{"maker": maker, "items": pack(items)} for maker, items in islice(batches, WINDOW)]:
                for row in _run_window(ray, window, convert):
                    if watch is not None:
                        watch(row["node"])
                    yield int(row["maker"]), unpack(row["block"])
        finally:
            if own:
                ray.shutdown()

    return engine


def pack(value: Any) -> bytes:
    """Write a value for another process of this run."""
    return pickle.dumps(value, protocol=5)


def unpack(packed: bytes) -> Any:
    """Read what `pack` wrote; never call it on bytes from a file or a stranger."""
    return pickle.loads(packed)  # noqa: S301 - bytes come from this run's own processes  # nosec B301


def _import_ray() -> Any:
    # Ray would otherwise report its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import_extra("ray.data", "--ray", "ray")
    return import_extra("ray", "--ray", "ray")


def _start(ray: Any, address: str) -> None:
    try:
        _knock(address)
        ray.init(
            None if address == "local" else address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level="error",
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise LammDataError(
            f"Expected a Ray cluster at {address!r}, got none: {error}. Start one with `ray start --head`, or use "
            "--ray local."
        ) from error


def _knock(address: str) -> None:
    """Connect to a cluster's address once: Ray itself would try for many minutes before it gave up."""
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), PATIENCE).close()


def _conversion(makers: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Make the function that Ray runs on each row: packed items in, a packed block out."""

    def convert(row: dict[str, Any]) -> dict[str, Any]:
        import ray

        made = _received(makers)[int(row["maker"])](unpack(row["items"]))
        return {"maker": row["maker"], "block": pack(made), "node": ray.get_runtime_context().get_node_id()}

    return convert


@lru_cache(maxsize=2)
def _received(makers: Any) -> list[BlockMaker]:
    """Fetch the block makers of a run from the object store, once a process."""
    import ray

    received: list[BlockMaker] = unpack(ray.get(makers))
    return received


def _run_window(ray: Any, window: list[dict[str, Any]], convert: Any) -> Iterator[dict[str, Any]]:
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # plans and progress bars are no news to a command's user
    rows = ray.data.from_items(window, override_num_blocks=len(window)).map(convert)
    yield from rows.iter_rows()
