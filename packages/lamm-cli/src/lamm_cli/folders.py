"""One run at a time in a folder, and hashes of folders and files."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUseError(Exception):
    """Another process works in the folder."""

    exit_code = 2


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; a lock that ends with the process, so that a killed run leaves none behind.

    Raises:
        FolderInUseError: Another process holds it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise FolderInUseError(
            f"Expected {folder} to be free, got another run at work in it. Wait for it, or choose another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def file_hash(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_state(folder: Path) -> str:
    """Return a hash of the names, sizes and times of a folder's files: equal as long as nobody wrote there."""
    digest = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        state = path.stat()
        digest.update(f"{path.relative_to(folder)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
