"""Files and folders that appear under their names only when they are whole: written beside and renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lamm_llm.errors import UsageError


def refuse_folder(path: Path, error: type[Exception] = UsageError) -> None:
    """Refuse a folder where a file is to be written.

    Args:
        path: The file's name.
        error: What to raise.

    Raises:
        UsageError: Or `error`: a folder stands there.
    """
    if path.is_dir():
        raise error(f"Expected the name of a file to write, got a folder: {path}. Name a file in it.")


def sibling(output: Path, ending: str) -> Path:
    """Name a file that goes with a run's output: of `data.jsonl` and `journal.jsonl`, `data.journal.jsonl`."""
    return output.with_name(f"{output.stem}.{ending}")


@contextmanager
def atomic_path(path: str | Path, *, sync: bool = False) -> Iterator[Path]:
    """Give a name beside a path; what is written there takes the path when the block has ended without an error.

    Args:
        path: Final name of a file, or of a folder that is not there yet or empty; missing parent folders are made.
        sync: Wait until the file is on the disk before it takes its name.

    Yields:
        Where to write; removed when the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        if beside.is_dir() and path.is_dir():
            path.rmdir()
        if sync:
            with beside.open("rb+") as handle:
                os.fsync(handle.fileno())
        os.replace(beside, path)
    finally:
        _remove(beside)


@contextmanager
def atomic_text(path: str | Path) -> Iterator[IO[str]]:
    """Open a UTF-8 text file for writing that takes its name only when the block has ended without an error.

    Raises:
        UsageError: The name is a folder's.
    """
    refuse_folder(Path(path))
    with atomic_path(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as handle:
        yield handle


def write_whole(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file that is whole whenever it is there.

    Raises:
        UsageError: The name is a folder's.
    """
    with atomic_text(path) as handle:
        handle.write(text)


@contextmanager
def atomic_bytes(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file for writing that takes its name only when the block has ended without an error.

    Raises:
        UsageError: The name is a folder's.
    """
    refuse_folder(Path(path))
    with atomic_path(path) as beside, beside.open("wb") as handle:
        yield handle


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
