"""Reads a file of records in pieces that can be handed to another process undecoded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError
from lamm_data.files.json_lines import JsonCursor, open_values
from lamm_llm import loads

CHUNK = 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """Neighbouring records of a file, the first at a position from 0, with the numbers of their lines.

    Attributes:
        items: JSON text of each, or its value where the file is one JSON list.
        size: Bytes of the file they take up; 0 for a list.
    """

    path: str
    first: int
    lines: list[int]
    items: list[Any]
    size: int

    def values(self) -> Iterator[Any]:
        """Decode the records.

        Raises:
            SourceError: One is not JSON; the message names its line.
        """
        for line, item in zip(self.lines, self.items, strict=True):
            if not isinstance(item, bytes):
                yield item
                continue
            try:
                yield _decode(item)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise SourceError(
                    f"Expected one JSON value a line, got {str(error).splitlines()[0]} ({self.path}, line {line}). "
                    "Mend or remove that line."
                ) from error


def _decode(item: bytes) -> Any:
    try:
        return loads(item)
    except ValueError:  # NaN, which orjson knows not, or no JSON at all, which the standard library names best
        return json.loads(item)


def read_chunks(path: Path, size: int = CHUNK) -> Iterator[Chunk]:
    """Read a file of records, JSON Lines or a JSON list, so many at a time and undecoded.

    Raises:
        SourceError: The file is missing, or a list in it is not JSON.
    """
    entries, first = _entries(path), 0
    while part := list(islice(entries, size)):
        lines, items = [line for line, _ in part], [item for _, item in part]
        yield Chunk(str(path), first, lines, items, sum(len(item) for item in items if isinstance(item, bytes)))
        first += len(part)


def _entries(path: Path) -> Iterator[tuple[int, Any]]:
    with open_values(path) as (handle, start, is_list):
        if is_list:
            yield from JsonCursor(path, handle, start).elements()
        else:
            yield from ((number, line) for number, line in enumerate(handle, 1) if not line.isspace())
