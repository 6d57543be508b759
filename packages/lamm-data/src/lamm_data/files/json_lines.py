"""JSON Lines and JSON lists: read one value at a time with its line number."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import SourceError
from lamm_data.files.json_stream import JsonCursor, open_values


def iter_values(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yield every top-level value of a JSON Lines file, or every element of a JSON list, with its line.

    The two layouts are told apart by the first character. Neither is held in memory as a whole.

    Args:
        path: UTF-8 file, a byte order mark allowed.

    Yields:
        `(line, value)`, the line (1-based) on which the value starts.

    Raises:
        SourceError: The file is missing, not UTF-8, or not JSON; the message names line and byte offset.
    """
    with open_values(path) as (handle, start, is_list):
        yield from JsonCursor(Path(path), handle, start).elements() if is_list else _iter_lines(Path(path), handle)


def _iter_lines(path: Path, handle: IO[bytes]) -> Iterator[tuple[int, Any]]:
    offset = handle.tell()
    for number, raw in enumerate(handle, 1):
        if raw.strip():
            try:
                yield number, json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise SourceError(
                    f"Expected one JSON value a line, got {str(error).splitlines()[0]} "
                    f"({path}, line {number}, byte {offset}). Mend or remove that line."
                ) from error
        offset += len(raw)


def load_json(path: str | Path, *, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Load one whole JSON file.

    Raises:
        SourceError: It is missing, truncated or not JSON; the message names line and byte.
    """
    path, text = Path(path), ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_hook=object_hook)
    except FileNotFoundError as error:
        raise SourceError(f"Expected a file, got nothing at {path}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"Expected UTF-8 text, got other bytes ({path}, byte {error.start}).") from error
    except RecursionError as error:
        raise SourceError(f"Expected JSON, got values nested beyond all measure ({path}). Do not use it.") from error
    except json.JSONDecodeError as error:
        mark = len(codecs.BOM_UTF8) if path.read_bytes()[:3] == codecs.BOM_UTF8 else 0
        offset = mark + len(text[: error.pos].encode())
        raise SourceError(
            f"Expected JSON, got {error.msg} ({path}, line {error.lineno}, byte {offset}). "
            "The file looks truncated or damaged: download it again."
        ) from error
    except ValueError as error:
        raise SourceError(f"Expected JSON, got {str(error)[:80]} ({path}). Do not use it.") from error
