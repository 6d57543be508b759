"""Hashes of folders and files, and what was found out of files with such a hash."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lamm_llm import loads, write_whole


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


def remember(path: Path, key: str, value: Any) -> None:
    """Write what was found out, with the key of what it was found out of."""
    write_whole(path, json.dumps({"key": key, "value": value}, indent=1))


def recall(path: Path, key: str) -> Any:
    """Return what was remembered with a key; None where there is nothing, something else, or a torn file."""
    try:
        kept = loads(path.read_bytes()) if path.is_file() else {}
    except ValueError:
        return None
    return kept.get("value") if isinstance(kept, dict) and kept.get("key") == key else None
