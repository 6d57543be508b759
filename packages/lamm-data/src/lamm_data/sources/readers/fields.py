"""Reading fields of foreign files with messages that say where they are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lamm_data.errors import SourceError


def need(value: Any, keys: Iterable[str], path: str | Path, what: str) -> Mapping[str, Any]:
    """Return a JSON object after checking that it has the keys.

    Raises:
        SourceError: It is no object or lacks a key.
    """
    missing = [key for key in keys if not isinstance(value, Mapping) or key not in value]
    if missing:
        found = sorted(map(str, value))[:8] if isinstance(value, Mapping) else type(value).__name__
        raise SourceError(f"Expected {what} with {', '.join(missing)}, got {found} ({path}). Is this the right file?")
    return dict(value)


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file, without their ends and without empty ones.

    Raises:
        SourceError: The file is missing or not UTF-8.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SourceError(f"Expected a file, got nothing at {path}. Check the root folder.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"Expected UTF-8 text, got byte {error.start} that is not ({path}).") from error
    return [line for line in text.splitlines() if line.strip()]


def join(prefix: str, name: str) -> str:
    """Join a folder below the root and a file name with forward slashes."""
    return f"{prefix.rstrip('/')}/{name}" if prefix else name


def image_size(path: str | Path) -> tuple[int, int]:
    """Read width and height from an image file's header.

    Returns:
        `(0, 0)` when there is no such file or it is damaged: `lamm_data.sources.media.MediaCheck` looks at those files
        again and leaves them out with the reason, so that one bad photograph does not end a run over thousands.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0, 0
