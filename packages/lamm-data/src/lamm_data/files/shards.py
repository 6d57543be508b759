"""Where records go: one file, or numbered shards of a size, complete or not there at all."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lamm_data.errors import UsageError
from lamm_llm import disk_faults, refuse_folder


class ShardWriter:
    """Writes lines of JSON to files beside their final names.

    Args:
        output: JSON Lines file, or a JSON list when the name ends in `.json`.
        shard_size: Records a shard; 0 for one file. Shards are named `NAME-00000-of-00012.jsonl`; they replace the
            shards that an earlier run left under this name.

    Attributes:
        written: Records written so far.
    """

    def __init__(self, output: str | Path, shard_size: int = 0) -> None:
        if shard_size < 0:
            raise UsageError(f"Expected a shard size from 0, got {shard_size}.")
        self.output, self.shard_size, self.written = Path(output), shard_size, 0
        self._as_list = self.output.suffix == ".json"
        self._parts: list[Path] = []
        self._file: IO[str] | None = None
        self._in_shard = 0
        if not shard_size:
            refuse_folder(self.output, UsageError)
        self.output.parent.mkdir(parents=True, exist_ok=True)

    def add(self, lines: Iterable[str]) -> None:
        """Append records, each one line of JSON without its end."""
        for line in lines:
            if self._file is None or (self.shard_size and self._in_shard == self.shard_size):
                self._end_shard()
                self._file = self._next_shard()
            if self._as_list:
                self._file.write(("[\n" if self._in_shard == 0 else ",\n") + line)
            else:
                self._file.write(line + "\n")
            self._in_shard += 1
            self.written += 1

    def finish(self) -> list[Path]:
        """Close the last shard and give all of them their names.

        Returns:
            The files, in order. A run without records writes one empty file.
        """
        if self._file is None:
            self._file = self._next_shard()
        self._end_shard()
        names, older = [self.output], list[Path]()
        if self.shard_size:
            count, stem, suffix = len(self._parts), self.output.stem, self.output.suffix
            names = [self.output.with_name(f"{stem}-{k:05d}-of-{count:05d}{suffix}") for k in range(count)]
            shard = re.compile(re.escape(stem) + r"-\d{5}-of-\d{5}" + re.escape(suffix))
            older = [path for path in self.output.parent.iterdir() if shard.fullmatch(path.name) and path not in names]
        for part, name in zip(self._parts, names, strict=True):
            os.replace(part, name)
        for path in older:
            path.unlink()
        return names

    def discard(self) -> None:
        """Remove what is not finished."""
        if self._file is not None:
            self._file.close()
        for part in self._parts:
            part.unlink(missing_ok=True)

    def _next_shard(self) -> IO[str]:
        # So named that the next run of a command, which holds the output, removes what a killed one left.
        part = self.output.with_name(f".{self.output.name}.{secrets.token_hex(4)}.part")
        self._parts.append(part)
        self._in_shard = 0
        return part.open("w", encoding="utf-8", newline="\n", buffering=1 << 20)

    def _end_shard(self) -> None:
        if self._file is not None:
            if self._as_list:
                self._file.write("\n]\n" if self._in_shard else "[]\n")
            self._file.close()
            self._file = None


def write_values(path: str | Path, values: Iterable[Mapping[str, Any]]) -> int:
    """Write mappings as JSON Lines, or as a JSON list when the name ends in `.json`.

    Returns:
        How many were written.
    """
    with open_shards(path) as writer:
        writer.add(map(json_line, values))
    return writer.written


def json_line(value: Mapping[str, Any]) -> str:
    """Return a value as one line of JSON; half characters, which no file can hold, stay the escapes that they were."""
    text = json.dumps(value, ensure_ascii=False)
    return text if is_writable(text) else json.dumps(value)


def is_writable(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: JSON may hold half of a surrogate pair, which no file can."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def open_shards(output: str | Path, shard_size: int = 0) -> Iterator[ShardWriter]:
    """Open a writer whose files appear only when the block has ended without an error."""
    writer = ShardWriter(output, shard_size)
    try:
        with disk_faults(output):
            yield writer
            writer.finish()
    finally:
        writer.discard()
