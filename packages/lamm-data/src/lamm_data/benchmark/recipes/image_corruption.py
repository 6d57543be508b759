"""Pictures with noise, blur, JPEG artefacts and changed tones, at five severities (after arXiv 1903.12261)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lamm_data.benchmark.recipes.recipe import Job, setting
from lamm_data.errors import UsageError
from lamm_data.files.pictures import open_picture
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import media_paths
from lamm_data.writing.draws import item_rng
from lamm_llm import atomic_bytes

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Way = Callable[[Image, int, np.random.Generator], Image]

SEVERITIES = 5
NOISE = (0.04, 0.08, 0.14, 0.22, 0.34)  # standard deviation, as a share of the range
BLUR = (0.005, 0.01, 0.02, 0.035, 0.06)  # standard deviation, as a share of the longer side
JPEG = (40, 25, 15, 8, 4)
CONTRAST = (0.6, 0.4, 0.25, 0.15, 0.08)
BRIGHTNESS = (1.3, 1.6, 2.0, 2.5, 3.2)
PIXELS = (0.5, 0.33, 0.2, 0.12, 0.07)  # share of the side that is kept


def _noise(image: Image, level: int, rng: np.random.Generator) -> Image:
    import numpy as np
    import PIL.Image

    pixels = np.asarray(image, np.float32) + rng.normal(0, 255 * NOISE[level], (image.height, image.width, 3))
    return PIL.Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _blur(image: Image, level: int, rng: np.random.Generator) -> Image:
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(BLUR[level] * max(image.size)))


def _jpeg(image: Image, level: int, rng: np.random.Generator) -> Image:
    import PIL.Image

    written = io.BytesIO()
    image.save(written, "JPEG", quality=JPEG[level])
    return PIL.Image.open(written).convert("RGB")


def _contrast(image: Image, level: int, rng: np.random.Generator) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Contrast(image).enhance(CONTRAST[level])


def _brightness(image: Image, level: int, rng: np.random.Generator) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(image).enhance(BRIGHTNESS[level])


def _pixels(image: Image, level: int, rng: np.random.Generator) -> Image:
    import PIL.Image

    small = [max(1, round(side * PIXELS[level])) for side in image.size]
    shrunk = image.resize((small[0], small[1]), PIL.Image.Resampling.BOX)
    return shrunk.resize(image.size, PIL.Image.Resampling.NEAREST)


WAYS: dict[str, Way] = {
    "noise": _noise,
    "blur": _blur,
    "jpeg": _jpeg,
    "contrast": _contrast,
    "brightness": _brightness,
    "pixels": _pixels,
}


def corrupt_images(records: Sequence[BenchmarkRecord], values: Mapping[str, Any], job: Job) -> list[BenchmarkRecord]:
    """Write a corrupted copy of every picture (PNG, of the same size, so that boxes and points stay true).

    Args:
        records: Records about pictures.
        values: `way` (see `WAYS`) and `severity`, 1 to 5.
        job: Gives folders and the seed.

    Raises:
        UsageError: An unknown way or severity.
        SourceError: A picture cannot be read.
    """
    way, severity = setting(values, "way", "noise"), setting(values, "severity", 3, 1)
    if way not in WAYS or severity not in range(1, SEVERITIES + 1):
        raise UsageError(
            f"Expected a way out of {', '.join(WAYS)} and a severity from 1 to {SEVERITIES}, got {way!r}, {severity!r}."
        )
    done: dict[str, str] = {}
    changed = []
    for record in records:
        names = media_paths(record.image)
        for name in names:
            if name not in done:
                done[name] = _corrupted(name, way, severity - 1, job)
        shown = [done[name] for name in names]
        changed.append(replace(record, image=shown if isinstance(record.image, list) else shown[0]))
    return changed


def _corrupted(name: str, way: str, level: int, job: Job) -> str:
    import numpy as np

    with open_picture(job.media_root / name) as opened:
        image = opened.convert("RGB")
    seed = item_rng(job.seed, job.variant, name).getrandbits(63)
    changed = WAYS[way](image, level, np.random.default_rng(seed))
    target = f"{job.variant}/{changed_name(name, '.png')}"
    with atomic_bytes(job.media_output / target) as handle:
        changed.save(handle, "PNG")
    return target


def changed_name(name: str, suffix: str) -> str:
    """Return where a changed copy of a medium goes: beside its name, or under a hash where the name leaves the root."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        name = hashlib.sha256(name.encode()).hexdigest()[:24]
    return f"{name}{suffix}"
