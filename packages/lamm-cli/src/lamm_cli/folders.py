"""One run at a time in a folder, and files that are whole whenever they are there."""

import os
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
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUseError(
                f"Expected {folder} to be free, found another run at work in it. Wait for it, or choose another folder."
            ) from error
        yield


def write_beside(path: Path, text: str) -> None:
    """Write a file under another name first and rename it, so that it is whole whenever it is there."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
