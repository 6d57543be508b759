"""JSON Lines, JSON lists and large JSON objects: read a value at a time, in memory that does not grow with the file."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import SourceError

CHUNK = 1 << 20
LAST_READ: ContextVar[Path | None] = ContextVar("LAST_READ", default=None)
"""The file that was opened last, for errors about values that nobody foresaw."""
_SPACE = " \t\r\n"


@contextmanager
def open_values(path: str | Path) -> Iterator[tuple[IO[bytes], int, bool]]:
    """Open a file of values behind its byte order mark, if it has one.

    Yields:
        The handle, the byte it is at, and whether the file is one JSON list.

    Raises:
        SourceError: The file is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"Expected a file, got nothing at {path}. Check the path.")
    LAST_READ.set(path)
    with path.open("rb") as handle:
        head = handle.read(3)
        start = 3 if head == codecs.BOM_UTF8 else 0
        handle.seek(start)
        first = b" "
        while first and first in b" \t\r\n":
            first = handle.read(1)
        handle.seek(start)
        yield handle, start, first == b"["


class JsonCursor:
    """Walk through one JSON text by moving a window over it.

    Args:
        path: File name for messages.
        handle: Binary handle, placed on the first byte of the value.
        offset: Byte at which it is placed.
    """

    def __init__(self, path: Path, handle: IO[bytes], offset: int = 0) -> None:
        self.path, self.handle = path, handle
        self.decoder, self.utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.line, self.read, self.ended = "", 0, 1, offset, False

    def _fill(self) -> bool:
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

    def _advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def peek(self) -> str:
        """Skip white space and return the next character, or an empty string at the end of the file."""
        while True:
            at = self.at
            while at < len(self.text) and self.text[at] in _SPACE:
                at += 1
            self._advance(at)
            if at < len(self.text):
                return self.text[at]
            if not self._fill():
                return ""

    def take(self, expected: str) -> str:
        """Step over one of the expected characters and return it.

        Raises:
            SourceError: Something else, or the end of the file, comes next.
        """
        character = self.peek()
        if not character or character not in expected:
            raise self.fault(repr(character) if character else "the end of the file")
        self._advance(self.at + 1)
        return character

    def value(self) -> tuple[int, Any]:
        """Decode the next value whole; return the line it starts on and the value."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self._fill():
                    continue
                raise self.fault(error.msg) from error
            except (RecursionError, ValueError) as error:
                raise self.fault(f"nesting or numbers beyond all measure ({str(error)[:80]})") from error
            # A number at the very end of the window may go on in the next chunk.
            if end == len(self.text) and not self.ended and self._fill():
                continue
            line = self.line
            self._advance(end)
            return line, value

    def elements(self) -> Iterator[tuple[int, Any]]:
        """Yield the elements of the list that comes next, with their lines."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def sections(self, seen: set[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Walk the members of the object that comes next.

        Args:
            seen: Receives the key of every member, also of lists without elements.

        Yields:
            `(key, element)` for every element of a member that is a list, `(key, value)` for every other member.
        """
        self.take("{")
        if self.peek() == "}":
            return
        while True:
            _, key = self.value()
            self.take(":")
            if seen is not None:
                seen.add(key)
            if self.peek() == "[":
                for _, element in self.elements():
                    yield key, element
            else:
                yield key, self.value()[1]
            if self.take(",}") == "}":
                return

    def fault(self, found: str) -> SourceError:
        """Make the error for what was found here instead of more JSON."""
        offset = self.read - len(self.text[self.at :].encode())
        return SourceError(
            f"Expected complete JSON, got {found} ({self.path}, line {self.line}, byte {offset}). "
            "The file looks truncated or damaged: download or write it again."
        )


def iter_sections(path: str | Path, seen: set[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Stream a file that holds one JSON object, such as COCO's; see `JsonCursor.sections`.

    Raises:
        SourceError: The file is missing, truncated or not a JSON object; the message names line and byte.
    """
    with open_values(path) as (handle, start, _):
        cursor = JsonCursor(Path(path), handle, start)
        first = cursor.peek()
        if first and first != "{":
            raise SourceError(
                f"Expected one JSON object, got {first!r} as its first character ({path}). Is it the right file?"
            )
        yield from cursor.sections(seen)


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
                yield number, json.loads(raw.decode())  # of bytes, `json` would guess the encoding
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
    LAST_READ.set(path)
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
