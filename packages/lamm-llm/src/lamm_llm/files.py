"""What is written: JSON, the lines of journals, and files and folders that are whole whenever they are there.

JSON that goes over the wire and into files is written and read by orjson where it is installed (`lamm-llm[fast]`), by
the standard library elsewhere. Request keys are always made by the standard library, so that they do not depend on what
is installed. A journal's line is one JSON object with the version of its form and a checksum of its text. Files
and folders are written beside and renamed, by one process at a time where a command writes them.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from lamm_llm.errors import InUseError, UsageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

Result = TypeVar("Result")
LINE_VERSION = 2
"""Version 1 had neither version nor checksum; such lines are still read."""
_SEAL = re.compile(rb',"crc":"([0-9a-f]{8})"\}\s*\Z')
# The disk is full, the quota or the file system's largest file reached, or the disk fails.
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PART = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")

try:
    import orjson
except ModuleNotFoundError:

    def dumps(value: Any) -> bytes:
        """Encode as compact UTF-8 JSON."""
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()

    def loads(text: bytes | str) -> Any:
        """Decode JSON; ValueError when it is none, or nested beyond reason."""
        return _plain_loads(text)

else:

    def dumps(value: Any) -> bytes:
        """Encode as compact UTF-8 JSON."""
        try:
            return orjson.dumps(value)
        except TypeError:  # lone surrogates and integers beyond 64 bits, which the standard library escapes or writes
            return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()

    def loads(text: bytes | str) -> Any:
        """Decode JSON; ValueError when it is none, or nested beyond reason."""
        try:
            return orjson.loads(text)
        except ValueError as error:
            if "surrogate" not in str(error):
                raise
            return _plain_loads(text)  # half of a surrogate pair, which the standard library reads


def _plain_loads(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("values nested beyond reason") from None


def seal_line(values: dict[str, Any]) -> bytes:
    """Return a line of a journal, with its end: the values, the version, and the CRC-32 of the text before it."""
    text = dumps({"v": LINE_VERSION, **values})[:-1]
    return text + b',"crc":"%08x"}\n' % crc32(text)


def open_line(line: bytes, known: Set[str] | None = None) -> dict[str, Any]:
    """Return the values of a journal's line, without version and checksum.

    Args:
        line: The line.
        known: Names that a line may have; None for any.

    Raises:
        ValueError: It is no JSON object, of another version, changed since it was written, or has unknown fields.
    """
    try:
        values = loads(line)
    except RecursionError:
        raise ValueError("JSON nested beyond reason") from None
    if not isinstance(values, dict):
        raise ValueError("no JSON object")
    version, seal = values.pop("v", 1), _SEAL.search(line)
    if version not in (1, LINE_VERSION) or isinstance(version, bool):
        raise ValueError(f"its version is {version!r}, versions 1 and {LINE_VERSION} are read")
    if version == LINE_VERSION and (seal is None or int(seal[1], 16) != crc32(line[: seal.start()])):
        raise ValueError("its text was changed: it has not the checksum that it was written with")
    if version == LINE_VERSION:
        del values["crc"]
    refuse_unknown(values, known)
    return values


def refuse_unknown(values: dict[str, Any], known: Set[str] | None) -> None:
    """Refuse names that nobody reads.

    Raises:
        ValueError: Naming them.
    """
    if known is not None and not known >= values.keys():
        raise ValueError(f"unknown fields {', '.join(sorted(map(repr, values.keys() - known)))}")


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
def disk_faults(path: str | Path) -> Iterator[None]:
    """Let errors of a full or failing disk name the file that is written; the system names it at opening only."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FAULTS and error.filename is None:
            error.filename = str(path)
        raise


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
        with disk_faults(path):
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


@contextmanager
def sole_use(output: str | Path, *, folder: bool = False) -> Iterator[None]:
    """Hold an output for this process.

    The lock is the system's own on a hidden file beside the output. It ends with the process: what a killed run leaves
    behind blocks nobody, and what it was writing (`atomic_path`) is removed. The hidden file, and folders made for it,
    go when the block ends.

    Args:
        output: File or folder that is written; it need not be there yet.
        folder: The output is a folder that stays: it is made, and the hidden file lies in it.

    Raises:
        InUseError: Another process holds it.
        UsageError: No file can be made there.
    """
    from filelock import FileLock, Timeout

    path = Path(output).resolve()
    beside = path / ".lock" if folder else path.with_name(f".{path.name}.lock")
    made = [parent for parent in beside.parents if not parent.exists()]
    lock = FileLock(beside)
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock)
    except Timeout as error:
        raise InUseError(
            f"Expected {output} to be free, got another run at work there: another process holds its lock. "
            "Wait for it, or choose another output."
        ) from error
    except OSError as error:
        raise UsageError(f"Expected a place to write {output}, got {error}. Choose another output.") from error
    _clear(beside.parent, "" if folder else path.name)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            beside.unlink()
        lock.release()
        for parent in made:
            with suppress(OSError):  # it holds something now
                parent.rmdir()


def writes_alone(*names: str, folder: bool = False) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Let a function hold the outputs that these arguments name, where they are not None, while it works.

    Args:
        names: Of keyword arguments, as click passes them.
        folder: As for `sole_use`.
    """

    def decorate(work: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(work)
        def alone(*args: Any, **options: Any) -> Result:
            with ExitStack() as held:
                for output in dict.fromkeys(options[name] for name in names if options.get(name) is not None):
                    held.enter_context(sole_use(output, folder=folder))
                return work(*args, **options)

        return alone

    return decorate


def _clear(folder: Path, name: str) -> None:
    """Remove what a killed process was writing under a name, or under every one that no other command has locked."""
    for path in folder.iterdir():
        if (match := _PART.fullmatch(path.name)) and (
            match[1] == name if name else not path.with_name(f".{match[1]}.lock").exists()
        ):
            _remove(path)


def _acquire(lock: BaseFileLock) -> None:
    """Take a lock whose file is the one that stands there: its last holder may have removed the one that was opened.

    Raises:
        filelock.Timeout: Another process holds it.
    """
    while True:
        lock.acquire(timeout=0)
        with suppress(FileNotFoundError):
            descriptor = lock._context.lock_file_fd
            if descriptor is None or os.path.samestat(os.fstat(descriptor), os.stat(lock.lock_file)):
                return
        lock.release()
