"""Decode mutated pictures until the time is up: each is decoded, or refused by the one error that names it.

    python tests/hostile/decoders.py MINUTES [SEED]

Counts are printed by format; an input that breaks the rule is written to `fuzz-faults/`, and the command ends with 1.
"""

from __future__ import annotations

import io
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from lamm_data import SourceError, open_picture, shown_size, upright
from lamm_metrics.report.media import picture_for_page
from lamm_model.errors import LammModelError
from lamm_model.processing.image_processing_lamm import picture_size, read_image

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "ICO", "TGA", "AVIF", "JPEG2000", "DDS", "PCX", "SGI")
WORDS = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x01\x00\x00",
    b"%!PS",
    b"IDAT",
    b"Exif",
]


def seeds() -> dict[str, list[bytes]]:
    """Return small pictures of every format that this Pillow writes, upright and turned by EXIF."""
    found: dict[str, list[bytes]] = {}
    for kind in FORMATS:
        for mode in ("RGB", "L", "P"):
            picture = Image.effect_noise((12, 9), 90).convert(mode)
            for turned in (1, 6):
                exif, out = Image.Exif(), io.BytesIO()
                exif[0x0112], exif[0x010E] = turned, "a"
                options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF") else {}
                try:
                    picture.save(out, kind, **options)
                except (OSError, KeyError, ValueError):
                    continue  # not of this mode, or not built in
                found.setdefault(kind, []).append(out.getvalue())
    return found


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Return a file after one to four changes, most of them near its head."""
    raw = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = int(len(raw) * draw.random() ** 2)
        kind = draw.randrange(5)
        if kind == 0 and at < len(raw):
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            raw[at : at + 4] = draw.choice(WORDS)
        elif kind == 2:
            del raw[at : at + draw.choice((1, 4, 64))]
        elif kind == 3:
            raw[at:at] = draw.randbytes(draw.choice((1, 4, 32)))
        else:
            raw[at : at + 2] = draw.randbytes(2)
    return bytes(raw)


def sizes_of(content: bytes) -> None:
    with open_picture(content) as image:
        before = shown_size(image)
        after = upright(image).size
    if image.format not in ("ICO", "ICNS", "GIF") and before != after:  # whose size is that of a frame
        raise AssertionError(f"shown as {before}, decoded as {after}")


def refused(read: Callable[[bytes], object], content: bytes) -> bool:
    """Say whether a picture was refused; any other error than the two comes through."""
    try:
        read(content)
    except (SourceError, LammModelError) as error:
        if "\n" in str(error) or "(" not in str(error):
            raise AssertionError(f"names no file on one line: {error!r}") from error
        return True
    return False


def page(content: bytes) -> None:
    path = Path(page.folder) / "x.png"  # type: ignore[attr-defined]
    path.write_bytes(content)
    picture_for_page(path)


READERS = {"training": read_image, "header": picture_size, "decoder": sizes_of, "page": page}


def main(minutes: float, seed: int) -> int:
    import tempfile

    warnings.simplefilter("ignore")
    draw, pictures = random.Random(seed), seeds()
    counts: Counter[str] = Counter()
    faults = 0
    end = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        page.folder = folder  # type: ignore[attr-defined]
        while time.monotonic() < end:
            kind = draw.choice(list(pictures))
            content = mutated(draw.choice(pictures[kind]), draw)
            for name, read in READERS.items() if draw.random() < 0.1 else [("training", read_image)]:
                counts[name] += 1
                try:
                    counts[f"{kind} refused"] += refused(read, content)
                except Exception as error:  # noqa: BLE001 - that is what is looked for
                    faults += 1
                    Path("fuzz-faults").mkdir(exist_ok=True)
                    (Path("fuzz-faults") / f"{kind}-{name}-{seed}-{faults}").write_bytes(content)
                    sys.stderr.write(f"{kind} by {name}: {type(error).__name__}: {error}\n")
    sys.stdout.write(f"{', '.join(f'{name} {count:,}' for name, count in sorted(counts.items()))}; faults {faults}\n")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 0))
