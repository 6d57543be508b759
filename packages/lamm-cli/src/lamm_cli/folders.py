"""Hashes of folders and files."""

import hashlib
from pathlib import Path


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
