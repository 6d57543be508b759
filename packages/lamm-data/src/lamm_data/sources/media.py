"""Whether the media that records name are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lamm_data.annotations import Annotated
from lamm_data.errors import SourceError, UsageError

MODES = ("check", "skip-missing", "ignore")
SHOWN = 5


@dataclass(slots=True)
class MediaCheck:
    """Look for every item's file.

    Attributes:
        root: Media root.
        mode: `check` fails at the end when any is missing, `skip-missing` leaves such items out and counts them,
            `ignore` does not look.
        missing: Missing files, in order.
    """

    root: Path
    mode: str = "check"
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"Expected one of {', '.join(MODES)}, got {self.mode!r}.")

    def __call__(self, items: Iterable[Annotated], counts: Counter[str]) -> Iterator[Annotated]:
        """Pass items on whose file is there.

        Raises:
            SourceError: In the mode `check`, after the last item, when files are missing: how many and which first.
        """
        for item in items:
            if self.mode == "ignore" or (self.root / item.media).is_file():
                yield item
            else:
                self.missing.append(item.media)
                counts["left out: media missing"] += 1
        if self.missing and self.mode == "check":
            shown = ", ".join(self.missing[:SHOWN]) + (", ..." if len(self.missing) > SHOWN else "")
            raise SourceError(
                f"Expected every image or cloud below {self.root}, got {len(self.missing)} missing: {shown}. "
                "Complete the download, or go on without them with --media skip-missing."
            )
