"""Check a download: expected files, readable annotations, present and readable media."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lamm_data.errors import SourceError
from lamm_data.files.processes import in_parallel
from lamm_data.progress import Advance, unwatched
from lamm_data.records.annotations import Annotated
from lamm_data.sources.media import MediaCheck, decode_fault
from lamm_data.sources.registry import Source

SHOWN = 10


@dataclass
class Finding:
    """What a check found.

    Attributes:
        items: Images or clouds that the annotations name.
        media: How many of them are there.
        faults: What is missing, truncated or damaged, one line each; the first ten of a kind.
        kinds: How many faults there are of each kind: `missing file`, `annotations`, `duplicate id`, `media missing`,
            `media outside the root`, `media damaged`, `media of another size`.
    """

    items: int = 0
    media: int = 0
    faults: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, fault: str) -> None:
        """Note a fault; after the first few of its kind they are only counted."""
        self.kinds[kind] += 1
        if self.kinds[kind] <= SHOWN:
            self.faults.append(fault)


def check_download(
    source: Source,
    root: str | Path,
    split: str = "",
    *,
    decode: bool = False,
    workers: int = 1,
    progress: Advance = unwatched,
) -> Finding:
    """Check one split of a download, the training split when none is named; without faults all is well.

    With `decode`, every image is decoded and every cloud loaded as well, which finds truncated and damaged files.
    """
    root, split, finding = Path(root), split or source.train, Finding()
    for pattern in source.layout:
        wanted = pattern.format(split=split, Split=split.capitalize())
        if not wanted.endswith("?") and not any(any(root.glob(one.strip())) for one in wanted.split("|")):
            finding.add("missing file", f"missing: {wanted}")
    media, there, seen = MediaCheck(root), list[Annotated](), set[str]()
    tasks = {reader: task for task, reader in reversed(source.readers.items())}  # the first task of each reader
    for task in reversed(tasks.values()):
        ids: set[str] = set()
        try:
            for item in source.open(root, split, task):
                if item.id in ids:
                    finding.add("duplicate id", f"duplicate id: {item.id} ({item.origin})")
                ids.add(item.id)
                if item.media not in seen:
                    seen.add(item.media)
                    there += _check_item(item, media, finding)
                progress(1)
        except SourceError as error:
            finding.add("annotations", str(error))
    for fault in in_parallel(partial(decode_fault, root), there if decode else [], workers):
        if fault:
            finding.add("media of another size" if fault.startswith("size:") else "media damaged", fault)
        progress(1)
    return finding


def _check_item(item: Annotated, media: MediaCheck, finding: Finding) -> list[Annotated]:
    """Look for an item's file; return the item, without its annotations, when it is there."""
    finding.items += 1
    reason = media.fault(item)
    if reason in ("media missing", "media outside the root"):
        finding.add(reason, f"{reason.removeprefix('media ')}: {item.media}")
        return []
    finding.media += 1
    return [Annotated(item.id, item.media, item.modality, width=item.width, height=item.height)]
