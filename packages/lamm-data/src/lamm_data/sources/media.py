"""Whether the media that records name are there and can be opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lamm_data.errors import OutsideError, SourceError, UsageError, first_of
from lamm_data.files.pictures import media_file, open_picture, shown_name, shown_size
from lamm_data.records.annotations import Annotated

MODES = ("check", "skip-missing", "ignore")


@dataclass(slots=True)
class MediaCheck:
    """Look for every item's file.

    Attributes:
        root: Media root.
        mode: `check` fails at the end when any is missing, `skip-missing` leaves such items out and counts them,
            `ignore` does not look.
        decode: Also decode every image and load every cloud; a damaged one counts as a missing one does.
        missing: Missing and damaged files, in order.
    """

    root: Path
    mode: str = "check"
    decode: bool = False
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"Expected one of {', '.join(MODES)}, got {self.mode!r}.")
        if self.decode and self.mode == "ignore":
            raise UsageError("Expected media to be looked for when they are decoded, got the mode 'ignore'.")

    def __call__(self, items: Iterable[Annotated], counts: Counter[str]) -> Iterator[Annotated]:
        """Pass items on whose file is there.

        Raises:
            SourceError: In the mode `check`, after the last item, when files are missing: how many and which first.
        """
        yield from self.present(items, counts)
        self.finish()

    def present(self, items: Iterable[Annotated], counts: Counter[str]) -> Iterator[Annotated]:
        """Pass items on whose file is there, and count and remember the others."""
        for item in items:
            reason = "" if self.mode == "ignore" else self.fault(item)
            if reason:
                self.missing.append(item.media if reason == "media missing" else f"{item.media} ({reason})")
                counts[f"left out: {reason}"] += 1
            else:
                yield item

    def finish(self) -> None:
        """Fail in the mode `check` when files are missing.

        Raises:
            SourceError: How many, and which first.
        """
        if self.missing and self.mode == "check":
            raise SourceError(
                f"Expected every image or cloud below {self.root}, got {len(self.missing)} missing: "
                f"{', '.join(map(shown_name, first_of(self.missing)))}. Complete the download, or go on without them "
                "with --media skip-missing."
            )

    def fault(self, item: Annotated) -> str:
        """Say in two words why an item's file cannot be used; an empty string when it can."""
        try:
            media_file(self.root, item.media)
        except OutsideError:
            return "media outside the root"
        except SourceError:
            return "media missing"
        # A reader that has to measure the image itself gives no size where it could not.
        doubtful = self.decode or (item.modality == "image" and not item.width)
        fault = decode_fault(self.root, item) if doubtful else ""
        return "media of another size" if fault.startswith("size:") else "media damaged" if fault else ""


def with_corner(root: Path, item: Annotated) -> Annotated:
    """Return an item of a cloud with the cloud's lowest x, y and z, from which layout text counts.

    Raises:
        SourceError: The cloud is missing or damaged.
    """
    from lamm_data.clouds.reading import read_cloud

    low = read_cloud(media_file(root, item.media)).points.min(axis=0)
    return replace(item, corner=tuple(round(float(value), 4) for value in low))


def decode_fault(root: Path, item: Annotated) -> str:
    """Decode an item's image or load its cloud; say what is wrong with it, or nothing when all is well."""
    if item.modality == "pcl":
        from lamm_data.clouds.reading import load_cloud

        try:
            load_cloud(media_file(root, item.media))
        except SourceError as error:
            return str(error)
        return ""
    try:
        with open_picture(media_file(root, item.media)) as image:
            image.load()
            size = shown_size(image)
    except SourceError as error:
        return f"damaged: {item.media}: {error.__cause__ or error}"
    if item.width and size != (item.width, item.height):
        return f"size: {item.media} is {size[0]}x{size[1]}, the annotations say {item.width}x{item.height}"
    return ""
