"""JSON Lines and JSON lists: read one value at a time with its line number, write beside and rename."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import SourceError

CHUNK = 1 << 20
_SPACE = " \t\r\n"


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
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the path.")
    with path.open("rb") as handle:
        head = handle.read(3)
        start = 3 if head == codecs.BOM_UTF8 else 0
        handle.seek(start)
        first = b" "
        while first and first in b" \t\r\n":
            first = handle.read(1)
        handle.seek(start)
        yield from _iter_list(path, handle, start) if first == b"[" else _iter_lines(path, handle)


def _iter_lines(path: Path, handle: IO[bytes]) -> Iterator[tuple[int, Any]]:
    offset = handle.tell()
    for number, raw in enumerate(handle, 1):
        if raw.strip():
            try:
                yield number, json.loads(raw)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise SourceError(
                    f"Expected one JSON value a line, got {str(error).splitlines()[0]} "
                    f"({path}, line {number}, byte {offset}). Mend or remove that line."
                ) from error
        offset += len(raw)


class _ListReader:
    """Cut the elements of one JSON list out of a growing text window."""

    def __init__(self, path: Path, handle: IO[bytes], offset: int) -> None:
        self.path, self.handle = path, handle
        self.decoder, self.utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.line, self.read, self.ended = "", 0, 1, offset, False

    def fill(self) -> bool:
        """Append the next chunk to the window; False at the end of the file."""
        raw = self.handle.read(max(CHUNK, len(self.text) - self.at))
        self.read += len(raw)
        self.text, self.at = self.text[self.at :], 0
        try:
            self.text += self.utf8.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise self.fault("bytes that are not UTF-8") from error
        self.ended = not raw
        return bool(raw)

    def advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def peek(self) -> str:
        """Skip white space and return the next character, or an empty string at the end of the file."""
        while True:
            at = self.at
            while at < len(self.text) and self.text[at] in _SPACE:
                at += 1
            self.advance(at)
            if at < len(self.text):
                return self.text[at]
            if not self.fill():
                return ""

    def value(self) -> tuple[int, Any]:
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.fill():
                    continue
                raise self.fault(error.msg) from error
            # A number at the very end of the window may go on in the next chunk.
            if end == len(self.text) and not self.ended and self.fill():
                continue
            line = self.line
            self.advance(end)
            return line, value

    def fault(self, found: str) -> SourceError:
        offset = self.read - len(self.text[self.at :].encode())
        return SourceError(
            f"Expected a complete JSON list, got {found} ({self.path}, line {self.line}, byte {offset}). "
            "The file looks truncated or damaged: download or write it again."
        )


def _iter_list(path: Path, handle: IO[bytes], offset: int) -> Iterator[tuple[int, Any]]:
    reader = _ListReader(path, handle, offset)
    reader.peek()
    reader.advance(reader.at + 1)
    if reader.peek() == "]":
        return
    while True:
        reader.peek()
        yield reader.value()
        mark = reader.peek()
        if mark == "]":
            return
        if mark != ",":
            raise reader.fault("the end of the file" if not mark else f"{mark!r} after an element")
        reader.advance(reader.at + 1)


@contextmanager
def atomic_text(path: str | Path) -> Iterator[IO[str]]:
    """Open a file for writing that appears under its name only when the block has ended without an error.

    Args:
        path: Final name; missing parent folders are made.

    Yields:
        A UTF-8 text handle of a file beside it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as handle:
            yield handle
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_values(path: str | Path, values: Iterable[Mapping[str, Any]]) -> int:
    """Write mappings as JSON Lines, or as a JSON list when the name ends in `.json`.

    Returns:
        How many were written.
    """
    as_list, count = Path(path).suffix == ".json", 0
    with atomic_text(path) as handle:
        for value in values:
            text = json.dumps(value, ensure_ascii=False)
            if as_list:
                handle.write(("[\n" if count == 0 else ",\n") + text)
            else:
                handle.write(text + "\n")
            count += 1
        if as_list:
            handle.write("\n]\n" if count else "[]\n")
    return count


def load_json(path: str | Path, *, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Load one whole JSON file.

    Raises:
        SourceError: It is missing, truncated or not JSON; the message names line and offset.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_hook=object_hook)
    except FileNotFoundError as error:
        raise SourceError(f"Expected a file, got nothing at {path}. Check the path.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(
            f"Expected JSON, got {error} ({path}). The file looks truncated or damaged: download it again."
        ) from error
