"""Are the media of a record there, and can they be decoded?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lamm_data.errors import LammDataError
from lamm_data.files.pictures import media_file, open_picture
from lamm_data.quality.checks.record import Finding
from lamm_data.records.instruction import HasMedia


def check_media(record: HasMedia, root: Path) -> Iterator[Finding]:
    """Open the media of a record below their root.

    Yields:
        Findings of the kind media.
    """
    for kind, name in zip(record.kinds, record.media, strict=True):
        fault = _fault(root, name, kind == "image")
        if fault:
            yield Finding("media", fault)


@lru_cache(maxsize=100_000)
def _fault(root: Path, name: str, picture: bool) -> str:
    """Say what is wrong with a medium; empty when it is whole."""
    from lamm_data.clouds.reading import read_cloud

    try:
        path = media_file(root, name)
        if not picture:
            read_cloud(path)
            return ""
        with open_picture(path) as image:
            image.load()
    except LammDataError as error:
        return str(error)
    return ""
