"""Check a download: expected files, readable annotations, present and readable media."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lamm_data.annotations import Annotated
from lamm_data.errors import SourceError
from lamm_data.sources.media import decode_fault
from lamm_data.sources.registry import Source

SHOWN = 10


@dataclass(slots=True)
class Finding:
    """What a check found.

    Attributes:
        items: Images or clouds that the annotations name.
        media: How many of them are there.
        faults: What is missing, truncated or damaged, one line each.
        hidden: Faults beyond the ones listed.
    """

    items: int = 0
    media: int = 0
    faults: list[str] = field(default_factory=list)
    hidden: int = 0

    def add(self, fault: str) -> None:
        """Note a fault; after the first few they are only counted."""
        if len(self.faults) < SHOWN:
            self.faults.append(fault)
        else:
            self.hidden += 1


def check_download(
    source: Source,
    root: str | Path,
    split: str = "",
    *,
    decode: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Finding:
    """Check one split of a download.

    Args:
        source: The source.
        root: Its folder.
        split: Split to check; the training split when empty.
        decode: Also decode every image and load every cloud, which finds damaged files.
        progress: Called with the number of newly checked items.

    Returns:
        The finding; its `faults` are empty when all is well.
    """
    root, split, finding = Path(root), split or source.train, Finding()
    for pattern in source.layout:
        wanted = pattern.format(split=split, Split=split.capitalize())
        if not wanted.endswith("?") and not any(any(root.glob(one.strip())) for one in wanted.split("|")):
            finding.add(f"missing: {wanted}")
    seen: set[str] = set()
    for reader in dict.fromkeys(source.readers.values()):
        task = next(key for key, value in source.readers.items() if value == reader)
        ids: set[str] = set()
        try:
            for item in source.open(root, split, task):
                if item.id in ids:
                    finding.add(f"duplicate id: {item.id} ({item.origin})")
                ids.add(item.id)
                if item.media not in seen:
                    seen.add(item.media)
                    _check_item(root, item, finding, decode)
                if progress is not None:
                    progress(1)
        except SourceError as error:
            finding.add(str(error))
    return finding


def _check_item(root: Path, item: Annotated, finding: Finding, decode: bool) -> None:
    finding.items += 1
    path = root / item.media
    if not path.resolve().is_relative_to(root.resolve()) or PurePosixPath(item.media).is_absolute():
        finding.add(f"outside the root: {item.media}")
    elif not path.is_file():
        finding.add(f"missing: {item.media}")
    else:
        finding.media += 1
        fault = decode_fault(path, item) if decode else ""
        if fault:
            finding.add(fault)
