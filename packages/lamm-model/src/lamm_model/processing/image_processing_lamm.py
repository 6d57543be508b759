"""Read pictures of any kind safely and turn them into the image tower's input."""

from __future__ import annotations

import base64
import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from lamm_data import LammDataError, decoding, open_picture, shown_size, upright
from lamm_model.errors import LammModelError, UsageError

MAX_PIXELS = 100_000_000
IN_MEMORY = "a picture in memory"
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
RESIZE_MODES = ("squash", "letterbox")


def read_image(source: Any, max_pixels: int = MAX_PIXELS, at_least: int = 0) -> Image.Image:
    """Open a picture as upright 8-bit RGB.

    Grey, palette, transparent (composed on white), CMYK and 16-bit pictures are converted; an EXIF orientation is
    applied. The size is checked before anything is decoded.

    Args:
        source: Path, file content, `data:` URL, an open picture, or numbers: `[H, W]`, `[H, W, 1, 3 or 4]` or the same
            with channels first, as 8 or 16 unsigned bits or as fractions of 0..1.
        max_pixels: Largest accepted width times height.
        at_least: Decode a JPEG at a half, a quarter or an eighth of its size while each side keeps this many pixels;
            0 decodes it whole.

    Returns:
        The picture.

    Raises:
        LammModelError: The file is missing, empty, truncated, no picture, or too large; or numbers are no picture's.
    """
    if isinstance(source, np.ndarray | Tensor):
        return _to_rgb(Image.fromarray(_bytes_of(source)))
    try:
        with _opened(source, max_pixels) as image:
            if at_least:
                image.draft(None, (at_least, at_least))
            return _to_rgb(upright(image))
    except LammDataError as fault:
        raise LammModelError(str(fault)) from fault


def _opened(source: Any, max_pixels: int = MAX_PIXELS) -> AbstractContextManager[Image.Image]:
    """Open a picture by the rules of `lamm_data.open_picture`, and one that is open already by the same."""
    if isinstance(source, str) and source.startswith("data:"):
        head, _, body = source.partition(",")
        if not head.endswith(";base64"):
            raise LammModelError(f"Expected a base64 data URL, got {head[:60]!r}. Encode the picture in base64.")
        with decoding("base64 in a data URL", IN_MEMORY):
            source = base64.b64decode(body, validate=True)
    elif isinstance(source, str):
        source = Path(source)
    elif not isinstance(source, Path | bytes | Image.Image):
        raise LammModelError(
            f"Expected a picture as a path, bytes, a data URL, a PIL picture or numbers, got {type(source).__name__}."
        )
    return open_picture(source, "" if isinstance(source, Path) else IN_MEMORY, max_pixels)


def _bytes_of(numbers: np.ndarray[Any, Any] | Tensor) -> np.ndarray[Any, Any]:
    """Turn a picture's numbers into bytes `[H, W]` or `[H, W, 3 or 4]`; refuse what is in no known range."""
    values = np.asarray(numbers.detach().cpu() if isinstance(numbers, Tensor) else numbers)
    shape, kind = values.shape, values.dtype
    if values.ndim == 3 and shape[2] not in (1, 3, 4) and shape[0] in (1, 3, 4):
        values = values.transpose(1, 2, 0)
    if values.ndim not in (2, 3) or 0 in shape or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise LammModelError(f"Expected a picture of [H, W] or [H, W, 1, 3 or 4] numbers, got shape {list(shape)}.")
    if kind == np.bool_ or kind == np.uint16:
        values = values * (255.0 if kind == np.bool_ else 1 / 257)
    elif kind != np.uint8:
        low, high = float(values.min()), float(values.max())
        fractions = np.issubdtype(kind, np.floating) and low >= 0 and high <= 1
        if not fractions and not (np.issubdtype(kind, np.integer) and low >= 0 and high <= 255):
            raise LammModelError(
                f"Expected a picture's {kind} numbers to be 0..1 or whole ones of 0..255, got {low:g} to {high:g}. "
                "Give bytes, and no picture that was normalised already."
            )
        values = values * (255.0 if fractions else 1.0)
    return np.ascontiguousarray((values[..., 0] if values.shape[2:] == (1,) else values).round().astype(np.uint8))


def picture_size(path: str | Path | bytes) -> tuple[int, int]:
    """Return a picture's upright width and height in pixels, from its header.

    Raises:
        LammModelError: The file is missing, empty, too large or no picture.
    """
    try:
        with _opened(path, 1 << 62) as image:  # a header costs nothing, whatever size it claims
            return shown_size(image)
    except LammDataError as fault:
        raise LammModelError(str(fault)) from fault


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        return Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8), "L").convert("RGB")
    if "A" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


class LammImageProcessor(BaseImageProcessor):  # type: ignore[misc]
    """Resizes pictures to a square and normalises them.

    Attributes:
        size: Side in pixels.
        resize: `squash` (each axis on its own, as LAMM trains, so normalised boxes keep their numbers) or `letterbox`
            (aspect kept, padded; map coordinates with `to_input` and `to_picture`).
        image_mean: Subtracted from values in 0..1.
        image_std: Divided by.
        max_pixels: Largest accepted picture.
        jpeg_scaling: Let the JPEG decoder halve a picture that stays larger than the input: twice as fast, about one
            step of 255 from the whole decoding. It belongs to the model: answers should be asked for as it was trained.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012

    def __init__(
        self,
        size: int = 224,
        resize: str = "squash",
        image_mean: tuple[float, ...] = CLIP_MEAN,
        image_std: tuple[float, ...] = CLIP_STD,
        max_pixels: int = MAX_PIXELS,
        jpeg_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if resize not in RESIZE_MODES:
            raise UsageError(f"Expected resize to be one of {', '.join(RESIZE_MODES)}, got {resize!r}.")
        self.size = size
        self.resize = resize
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self.max_pixels = max_pixels
        self.jpeg_scaling = jpeg_scaling

    def __call__(self, images: Any, return_tensors: str | None = "pt", **kwargs: Any) -> BatchFeature:
        """Prepare pictures.

        Args:
            images: One or a list of what `read_image` takes; `[n, ...]` numbers are a list.
            return_tensors: `pt` or `np`.
            **kwargs: Ignored.

        Returns:
            `pixel_values`: `[n, 3, size, size]` float32.
        """
        batch = isinstance(images, np.ndarray | Tensor) and images.ndim == 4
        items = list(images) if batch or isinstance(images, list | tuple) else [images]
        stacked = torch.stack([self.prepare(item) for item in items])
        return BatchFeature({"pixel_values": stacked.numpy() if return_tensors == "np" else stacked})

    def prepare(self, image: Any) -> Tensor:
        """Turn one picture into `[3, size, size]` float32."""
        rgb = read_image(image, self.max_pixels, self.size if self.jpeg_scaling else 0)
        side = (self.size, self.size)
        if self.resize == "letterbox":
            square = ImageOps.pad(rgb, side, Image.Resampling.BICUBIC, color=(127, 127, 127))
        else:
            square = rgb.resize(side, Image.Resampling.BICUBIC)
        bytes_, values = np.asarray(square), np.empty((3, self.size, self.size), dtype=np.float32)
        for channel, (mean, std) in enumerate(zip(self.image_mean, self.image_std, strict=True)):
            # 256 values are normalised, and every pixel looks its own up.
            table = (np.arange(256, dtype=np.float32) / np.float32(255.0) - np.float32(mean)) / np.float32(std)
            np.take(table, bytes_[:, :, channel], out=values[channel])
        return torch.from_numpy(values)

    @property
    def moves_coordinates(self) -> bool:
        """Whether a point has other coordinates in the model's square than in its picture."""
        return self.resize != "squash"

    def to_input(self, points: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
        """Map normalised picture coordinates to normalised model-input coordinates.

        Args:
            points: `[..., 2]` x, y in 0..1 of the picture.
            size: Picture width and height in pixels.

        Returns:
            `[..., 2]` in 0..1 of the square; equal to `points` when squashing.
        """
        scale, offset = self._frame(size)
        return np.asarray(points * scale + offset)

    def to_picture(self, points: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
        """Map normalised model-input coordinates `[..., 2]` back to normalised picture coordinates."""
        scale, offset = self._frame(size)
        return np.asarray((points - offset) / scale)

    def _frame(self, size: tuple[int, int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        if not self.moves_coordinates:
            return np.ones(2), np.zeros(2)
        scale = np.asarray(size, dtype=float) / max(size)
        return scale, (1.0 - scale) / 2.0

    @classmethod
    def for_tower(cls, tower: str | Path, **changes: Any) -> LammImageProcessor:
        """Build the processor with the size, mean and deviation of a vision tower: a folder or hub name.

        Args:
            tower: It has a `preprocessor_config.json`.
            **changes: Settings to use instead.
        """
        settings, _ = BaseImageProcessor.get_image_processor_dict(tower)
        size = settings.get("crop_size", settings.get("size", 224))
        if "max_num_patches" in settings:  # any aspect within so many patches: a square of them
            size = math.isqrt(settings["max_num_patches"]) * settings.get("patch_size", 16)
        if isinstance(size, dict):
            size = size.get("height", size.get("shortest_edge"))
        own = {name: settings[name] for name in ("image_mean", "image_std") if name in settings}
        return cls(**{"size": int(size), **own, **changes})
