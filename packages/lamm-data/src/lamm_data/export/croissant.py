"""Croissant 1.0 metadata (JSON-LD) for exported records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamm_data.export.licences import NOT_STATED, LicenceRow

CONFORMS = "http://mlcommons.org/croissant/1.0"
FORMATS = {
    ".parquet": "application/x-parquet",
    ".tar": "application/x-tar",
    ".jsonl": "application/jsonlines",
    ".json": "application/json",
}
_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
TURNS = {
    "lamm": ("conversations", {"from": "[*].from", "value": "[*].value"}),
    "llava": ("conversations", {"from": "[*].from", "value": "[*].value"}),
    "parquet": ("conversations", {"from": "[*].from", "value": "[*].value"}),
    "messages": ("messages", {"role": "[*].role", "text": "[*].content[*].text"}),
}
"""Column of the dialogue by layout, and where its parts are."""
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The context that the specification recommends."""


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
        "sha256": digest,
    }


def _field(name: str, file: str, description: str, **more: Any) -> dict[str, Any]:
    source = {"fileObject": {"@id": file}, "extract": {"column": name}}
    base = {"@type": "cr:Field", "@id": f"records/{name}", "name": name, "description": description}
    return {**base, "dataType": "sc:Text", "source": source, **more}


def _turns(file: str, layout: str) -> dict[str, Any]:
    column, parts = TURNS[layout]
    fields = []
    for name, path in parts.items():
        part = _field(column, file, f"`{name}` of each turn.", repeated=True)
        part["source"] |= {"transform": {"jsonPath": path}}
        fields.append(part | {"@id": f"records/{column}/{name}", "name": name})
    base = {"@type": "cr:Field", "@id": f"records/{column}", "name": column, "description": "Turns of the dialogue."}
    return {**base, "subField": fields}


@dataclass(frozen=True, slots=True)
class Described:
    """What the metadata say.

    Attributes:
        title: Name of the data set.
        records: How many there are.
        licences: Their licences.
        columns: Which of `id` and `task_type` some record has.
        layout: `lamm`, `llava`, `messages`, `parquet` or `webdataset`.
        embedded: Whether Parquet files hold the media, too.
    """

    title: str
    records: int
    licences: Sequence[LicenceRow]
    columns: Set[str]
    layout: str
    embedded: bool


def _record_set(about: Described, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Describe the columns of the first file; shards of one layout have the same ones. Tar files have no columns."""
    if about.layout == "webdataset" or files[0].suffix == ".json":
        return []
    first = files[0].name
    fields = [
        _field(name, first, text)
        for name, text in (("id", "Id of the record."), ("task_type", "Task type, as the LAMM-Dataset spells it."))
        if about.layout == "parquet" or name in about.columns
    ]
    if about.layout == "parquet":
        fields += [
            _field("modality", first, "image or pcl (point cloud)."),
            _field("media", first, "Paths of the images or clouds.", repeated=True),
            _field("meta", first, "Provenance and licence, as JSON text."),
        ]
    if about.embedded:
        fields += [
            _field("images", first, "The images.", repeated=True, dataType="sc:ImageObject"),
            _field("clouds", first, "The clouds' files, as bytes.", repeated=True),
        ]
        for part in fields[-2:]:
            part["source"] |= {"transform": {"jsonPath": "[*].bytes"}}
    fields.append(_turns(first, about.layout))
    return [{"@type": "cr:RecordSet", "@id": "records", "name": "records", "field": fields}]


def croissant(about: Described, files: Sequence[Path]) -> dict[str, Any]:
    """Describe exported files that lie beside the metadata."""
    names = dict.fromkeys(f"{row.source}: {row.licence}" for row in about.licences)
    value: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": about.title,
        "description": f"{about.records} instruction records about images and point clouds, written by lamm-data.",
        "conformsTo": CONFORMS,
        "license": list(names) or [NOT_STATED],
        "citeAs": " ".join(dict.fromkeys(row.citation for row in about.licences if row.citation)),
        "distribution": [_file(path) for path in files],
    }
    record_set = _record_set(about, files)
    return value | ({"recordSet": record_set} if record_set else {})
