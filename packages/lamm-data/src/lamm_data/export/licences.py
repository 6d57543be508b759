"""Licences rolled up over records: what each source allows, and whether a record may be used commercially."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from lamm_data.errors import LammDataError
from lamm_data.records.instruction import InstructionRecord
from lamm_data.sources.registry import OWN, Source, load_sources

NOT_STATED = "not stated"
_RESTRICTED = re.compile(r"non-?commercial|\bNC\b|academic|research|educat|on request|unspecified|none stated", re.I)


@dataclass(slots=True)
class LicenceRow:
    """One licence of one source: what may be done with records and media, whom to cite, and how many records there are.

    Source and licence are "not stated" where records do not say; citation and address are empty then.
    """

    source: str
    licence: str
    redistribution: bool
    commercial: bool
    citation: str
    url: str
    records: int = 0


@cache
def _by_dataset() -> dict[str, Source]:
    """Sources by the data set names that records carry. Where several have one name, their terms are the same."""
    by_name: dict[str, Source] = {}
    for source in load_sources().values():
        for name in (source.dataset, *source.datasets.values()):
            for key in filter(None, (name.casefold(), _stem(name))):
                by_name.setdefault(key, source)
    return by_name


def _stem(name: str) -> str:
    """Return a data set name without year and split: `coco2017` and `coco_train2017` are both COCO."""
    return re.sub(r"[_\d].*", "", name).casefold()


def source_of(record: InstructionRecord) -> Source | None:
    """Return the source a record was made from, by its `meta` or, in published files, by its data set's name."""
    name = (record.meta or {}).get("source")
    if isinstance(name, str) and name in load_sources():
        return load_sources()[name]
    dataset = str(record.src_image or record.src_dataset or "")
    return _by_dataset().get(dataset.casefold()) or _by_dataset().get(_stem(dataset))


def licence_of(record: InstructionRecord) -> LicenceRow:
    """Return the terms of one record.

    A record's own licence (`meta.licence`, such as that of a single COCO photograph) can forbid what its source allows,
    never the reverse. Where a source's licence differs from image to image and a record does not state its image's,
    commercial use counts as not allowed. Of the user's own data the stated licence alone decides.
    """
    source = source_of(record)
    stated = (record.meta or {}).get("licence")
    if source is None:
        return LicenceRow(NOT_STATED, str(stated or NOT_STATED), False, False, "", "")
    text = str(stated or source.licence)
    unknown_image = source.licence_per_image and text == source.licence
    name, allowed = source.name, source.commercial and not unknown_image
    if source.name == OWN:
        name, allowed = str(record.src_image or record.src_dataset or OWN), text != source.licence
    commercial = allowed and not _RESTRICTED.search(text)
    return LicenceRow(name, text, source.redistribution, commercial, source.citation, source.url)


def check_commercial(records: Iterable[InstructionRecord]) -> Iterator[InstructionRecord]:
    """Pass records on that may be used commercially.

    Raises:
        LammDataError: After the last record, when some may not or do not say: how many of which source and licence.
    """
    refused = Counter[tuple[str, str]]()
    for record in records:
        row = licence_of(record)
        if row.commercial:
            yield record
        else:
            refused[row.source, row.licence] += 1
    if refused:
        listed = ", ".join(f"{number} of {source} ({licence})" for (source, licence), number in refused.items())
        raise LammDataError(
            f"Expected only records whose licence allows commercial use, got {listed}. "
            "Leave these records out, or drop --use."
        )
