"""Pictures with noise, blur, JPEG artefacts and changed tones, at five severities (after arXiv 1903.12261)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lamm_data.benchmark.recipes.recipe import Job
from lamm_data.files.pictures import media_file, open_picture, upright
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_llm import atomic_bytes

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

NOISE = (0.04, 0.08, 0.14, 0.22, 0.34)  # standard deviation, as a share of the range
BLUR = (0.005, 0.01, 0.02, 0.035, 0.06)  # standard deviation, as a share of the longer side
JPEG = (40, 25, 15, 8, 4)
CONTRAST = (0.6, 0.4, 0.25, 0.15, 0.08)
BRIGHTNESS = (1.3, 1.6, 2.0, 2.5, 3.2)
PIXELS = (0.5, 0.33, 0.2, 0.12, 0.07)  # share of the side that is kept


@dataclass(frozen=True)
class ImageCorruption:
    """What happens to pictures: `way`, and `severity` from 1 to 5."""

    way: Literal["noise", "blur", "jpeg", "contrast", "brightness", "pixels"] = "noise"
    severity: Literal[1, 2, 3, 4, 5] = 3


def corrupt_images(records: Sequence[BenchmarkRecord], settings: ImageCorruption, job: Job) -> list[BenchmarkRecord]:
    """Write a corrupted copy of every picture (PNG, of the same size, so that boxes and points stay true).

    Raises:
        SourceError: A picture cannot be read.
    """
    return [
        replace(record, image=job.copied(record.image, lambda name: _corrupted(name, settings, job)))
        for record in records
    ]


def _corrupted(name: str, settings: ImageCorruption, job: Job) -> str:
    import numpy as np

    with open_picture(media_file(job.media_root, name)) as opened:
        image = upright(opened).convert("RGB")
    changed = _changed(image, settings.way, settings.severity - 1, np.random.default_rng(job.media_seed(name)))
    target = job.copy_name(name, ".png")
    with atomic_bytes(job.media_output / target) as handle:
        changed.save(handle, "PNG")
    return target


def _changed(image: Image, way: str, level: int, rng: np.random.Generator) -> Image:
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageEnhance, ImageFilter

    match way:
        case "noise":
            pixels = np.asarray(image, np.float32) + rng.normal(0, 255 * NOISE[level], (image.height, image.width, 3))
            return Pillow.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
        case "blur":
            return image.filter(ImageFilter.GaussianBlur(BLUR[level] * max(image.size)))
        case "jpeg":
            written = io.BytesIO()
            image.save(written, "JPEG", quality=JPEG[level])
            return Pillow.open(written).convert("RGB")
        case "contrast":
            return ImageEnhance.Contrast(image).enhance(CONTRAST[level])
        case "brightness":
            return ImageEnhance.Brightness(image).enhance(BRIGHTNESS[level])
    small = [max(1, round(side * PIXELS[level])) for side in image.size]
    shrunk = image.resize((small[0], small[1]), Pillow.Resampling.BOX)
    return shrunk.resize(image.size, Pillow.Resampling.NEAREST)
