"""Finds copies of pictures by what is to be seen: a difference hash and a DCT hash, which must both agree.

The difference hash (dHash) says of 8 x 8 places whether the picture gets brighter to the right; the DCT hash (pHash)
says of its 8 x 8 lowest frequencies whether they lie above their median. Re-encoding, scaling and small changes of
brightness move few bits of either; another picture agrees in both by chance only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lamm_data.files.pictures import open_picture, upright

DISTANCE = 8
"""Bits in which the hashes of two copies may differ, of 64 each."""
FLAT = 4.0
"""Pictures whose grey levels have a smaller standard deviation look all the same to a hash; they get none."""
_DRAFT = 128


@dataclass(frozen=True, slots=True)
class ImageHash:
    """What a file and its picture look like: 64 bits of dHash and of pHash.

    A flat picture has too little in it for the two, which are 0 then.
    """

    sha256: str
    difference: int = 0
    frequency: int = 0
    flat: bool = False


def hash_image(path: Path) -> ImageHash:
    """Hash a picture.

    Raises:
        SourceError: It is missing or cannot be decoded.
    """
    import numpy as np
    from PIL import Image

    with open_picture(path) as image:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        image.draft("L", (_DRAFT, _DRAFT))
        shown = upright(image)
        grey = shown.convert("RGBA").convert("L") if shown.mode in ("P", "PA") else shown.convert("L")
        small = grey.resize((32, 32), Image.Resampling.LANCZOS)
        wide = grey.resize((9, 8), Image.Resampling.LANCZOS)
    levels = np.asarray(small, np.float64)
    if levels.std() < FLAT:
        return ImageHash(digest, flat=True)
    steps = np.asarray(wide, np.int16)
    cosines = _cosines()
    waves = (cosines @ levels @ cosines.T).ravel()[1:]
    return ImageHash(digest, _bits(steps[:, 1:] > steps[:, :-1]), _bits(waves > np.median(waves)))


@cache
def _cosines() -> Any:
    """Rows 0 to 7 of the DCT-II of 32 values, `[8, 32]`."""
    import numpy as np

    return np.cos(np.pi / 32 * np.arange(8)[:, None] * (np.arange(32)[None] + 0.5))


def _bits(flags: Any) -> int:
    import numpy as np

    return int.from_bytes(np.packbits(flags.ravel()).tobytes(), "big")


class HashIndex:
    """Finds hashes that differ from another one in at most so many bits each, exactly.

    The difference hash is cut into one band more than bits may differ, so that a near hash equals it in at least one.
    """

    def __init__(self, distance: int = DISTANCE) -> None:
        self.distance = distance
        self._files: dict[str, str] = {}
        self._bands: list[dict[int, list[tuple[ImageHash, str]]]] = [{} for _ in range(distance + 1)]

    def add(self, value: ImageHash, name: str) -> None:
        """Add a picture under a name."""
        self._files.setdefault(value.sha256, name)
        if not value.flat:
            for bands, part in zip(self._bands, self._parts(value.difference), strict=True):
                bands.setdefault(part, []).append((value, name))

    def find(self, value: ImageHash) -> tuple[str, str] | None:
        """Find a copy: its name and how it was recognised."""
        if value.sha256 in self._files:
            return self._files[value.sha256], "same file"
        if value.flat:
            return None
        best: tuple[int, str] | None = None
        for bands, part in zip(self._bands, self._parts(value.difference), strict=True):
            for other, name in bands.get(part, ()):
                apart = self._apart(value, other)
                if apart is not None and (best is None or (apart, name) < best):
                    best = apart, name
        return None if best is None else (best[1], f"looks alike, {best[0]} of 127 bits differ")

    def _apart(self, one: ImageHash, other: ImageHash) -> int | None:
        first = (one.difference ^ other.difference).bit_count()
        second = (one.frequency ^ other.frequency).bit_count()
        return first + second if max(first, second) <= self.distance else None

    def _parts(self, value: int) -> Iterator[int]:
        count = self.distance + 1
        for number in range(count):
            low, high = 64 * number // count, 64 * (number + 1) // count
            yield value >> low & (1 << high - low) - 1
