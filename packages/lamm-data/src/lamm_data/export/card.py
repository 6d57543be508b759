"""A data set card for exported records: README.md with Hugging Face's YAML head, and croissant.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.export.croissant import Described, croissant
from lamm_data.export.licences import NOT_STATED, LicenceRow, licence_of
from lamm_data.export.rows import FEATURES, MEDIA_FEATURES
from lamm_data.records.instruction import InstructionRecord
from lamm_data.stats.counting import Statistics
from lamm_llm import write_whole

NOT_TO_PASS_ON = "**Not everything here may be passed on**"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
KNOWN_LICENCES = {"CC0-1.0": "cc0-1.0", "CC-BY-4.0": "cc-by-4.0", "CC-BY-SA-4.0": "cc-by-sa-4.0",
                  "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0", "CC-BY-NC-SA-3.0": "cc-by-nc-sa-3.0"}  # fmt: skip
"""Licences that Hugging Face knows by an identifier; a mixture is `other`."""
LIMITS = (
    "Answers made by templates say what the annotations say, and share their mistakes and gaps.",
    "Coordinates are rounded: two decimals of image width and height in 2D, millimetres in 3D.",
    "Nobody has checked these records one by one; `lamm data check` lists what it can find.",
)


@dataclass(slots=True)
class CardFacts:
    """What a card says, gathered record by record: licences by source and text, generators by model and prompt."""

    statistics: Statistics = field(default_factory=Statistics)
    licences: dict[tuple[str, str], LicenceRow] = field(default_factory=dict)
    generators: Counter[str] = field(default_factory=Counter)
    synthetic: int = 0
    seen: int = 0
    columns: set[str] = field(default_factory=set)

    def watch(self, records: Iterable[InstructionRecord]) -> Iterable[InstructionRecord]:
        """Pass records on and count them."""
        for record in records:
            self.statistics.add(record)
            row = licence_of(record)
            self.licences.setdefault((row.source, row.licence), row).records += 1
            meta = record.meta or {}
            if meta.get("generator"):
                prompt = meta.get("prompt")
                named = f", prompt {prompt.get('name')} {prompt.get('version')}" if isinstance(prompt, dict) else ""
                self.generators[f"{meta['generator']}{named}"] += 1
            self.synthetic += bool(meta.get("synthetic"))
            self.seen += bool(meta.get("shown"))
            self.columns.update(key for key in ("id", "task_type") if getattr(record, key) is not None)
            yield record

    @property
    def rows(self) -> list[LicenceRow]:
        """Licence rows, the most frequent first."""
        return sorted(self.licences.values(), key=lambda row: (-row.records, row.source, row.licence))

    @property
    def licence(self) -> str:
        """Hugging Face's identifier of the one licence of all records, or `other`; `unknown` where none states one."""
        known = {known_licence(row.licence) for row in self.rows}
        return known.pop() if len(known) == 1 else "other"

    @property
    def unknown(self) -> int:
        """How many records state no licence, nor does their source."""
        return sum(row.records for row in self.rows if row.licence == NOT_STATED)


def known_licence(text: str) -> str:
    """Return Hugging Face's identifier of a licence text, or `other`; `unknown` where none is stated."""
    if text == NOT_STATED:
        return "unknown"
    return KNOWN_LICENCES.get(text.partition(" (")[0].strip(), "other") if "per-image" not in text else "other"


def _configs(files: Sequence[Path]) -> Iterator[str]:
    """Write which files load together: all of them, or one configuration for each series of shards."""
    series = dict.fromkeys(path.stem.rpartition("-")[0] if path.suffix == ".tar" else "" for path in files)
    for index, name in enumerate(series):
        pattern = f"{name}-*.tar" if name else files[0].name if len(files) == 1 else f"*{files[0].suffix}"
        yield f"- config_name: {json.dumps(name or 'default')}"
        if name and index == 0:
            yield "  default: true"
        yield from ("  data_files:", "  - split: train", f"    path: {json.dumps(pattern)}")


def _yaml(facts: CardFacts, files: Sequence[Path], features: Mapping[str, Any]) -> list[str]:
    """Write the head. JSON strings are YAML strings, which saves us a YAML writer."""
    size = next((name for limit, name in SIZES if facts.statistics.records < limit), "n>1M")
    head = ["---", "language:", "- en", f"license: {facts.licence}"]
    if facts.licence == "other":
        head += ["license_name: per-record", "license_link: README.md"]
    modalities = facts.statistics.counts.get("modality", {}).keys()
    categories = ["image-text-to-text", "visual-question-answering"] if {"image", "pcl"} & modalities else []
    categories += ["text-generation"] if "text" in modalities else []
    tags = ["instruction tuning", "multimodal", *(["3d", "point cloud"] if facts.statistics.geometry.boxes3d else [])]
    tags += ["synthetic"] if facts.synthetic else []
    head += [*(["task_categories:"] if categories else []), *(f"- {name}" for name in categories)]
    head += ["size_categories:", f"- {size}"]
    head += ["tags:", *(f"- {json.dumps(tag)}" for tag in tags)]
    head += ["configs:", *_configs(files)]
    if features:
        described = [{"name": name, **_described(feature)} for name, feature in features.items()]
        head += ["dataset_info:", "- config_name: default", f"  features: {json.dumps(described)}"]
    return [*head, "---", ""]


def _described(feature: Any) -> dict[str, Any]:
    """Describe a column's feature as the head of a card does."""
    kind, entry = ("list", feature[0]) if isinstance(feature, list) else ("dtype", feature)
    if "_type" in entry:
        return {kind: entry.get("dtype", entry["_type"].lower())}
    return {kind: [{"name": name, **_described(part)} for name, part in entry.items()]}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [[" ".join(str(cell).replace("|", "\\|").replace("<", "&lt;").split()) for cell in row] for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in cells), ""]


def _counts(facts: CardFacts) -> list[str]:
    summary, lines = facts.statistics.summary(), list[str]()
    for name, title in (("task_type", "Task type"), ("task", "Task"), ("source", "Source")):
        lines += _table((title, "Records"), summary["counts"].get(name, {}).items())
    if facts.generators:
        lines += _table(("Generator", "Records"), facts.generators.most_common())
    return lines


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def _about_generators(facts: CardFacts) -> list[str]:
    """Say what the models that wrote answers knew; nothing where none did."""
    generated = facts.generators.total()
    if not generated:
        return []
    if not facts.seen:
        return ["Generated dialogues were written by a model that read annotations and never saw the image or cloud."]
    return [
        f"{generated:,} dialogues were written by a model; of {facts.seen:,} it was shown pictures, of the others "
        "it read annotations only."
    ]


def card_text(title: str, facts: CardFacts, files: Sequence[Path], layout: str, embedded: bool) -> str:
    """Write the card of data files of a layout that lie beside it, with the media in them or not."""
    statistics, rows = facts.statistics, facts.rows
    media = statistics.summary()["media"]
    features = {} if layout != "parquet" else MEDIA_FEATURES | FEATURES if embedded else FEATURES
    description = DESCRIPTIONS[layout] + (EMBEDDED if embedded else "")
    lines = [*_yaml(facts, files, features), f"# {title}", ""]
    lines += [
        f"{statistics.records:,} instruction records about {media:,} images or point clouds, written by lamm-data."
    ]
    if facts.synthetic:
        lines += [f"{facts.synthetic:,} of them are about **synthetic** (drawn) images or rooms."]
    lines += ["", description, "", "## Contents", "", *_counts(facts), "## Licences", ""]
    lines += [
        "Each record carries its licence in `meta.licence`. Below is the sum over all records. It is no legal advice.",
        "",
    ]
    lines += _table(
        ("Source", "Licence", "May be redistributed", "Commercial use", "Records"),
        ((row.source, row.licence, _yes(row.redistribution), _yes(row.commercial), row.records) for row in rows),
    )
    if facts.unknown:
        lines += [f"**The licence of {facts.unknown:,} records is unknown**: nobody has stated it.", ""]
    if not all(row.redistribution for row in rows):
        lines += [f"{NOT_TO_PASS_ON}: see the table before publishing this folder.", ""]
    limits = [*LIMITS, *_about_generators(facts)]
    citations = dict.fromkeys(f"- {row.citation} {row.url}".rstrip() for row in rows if row.citation)
    lines += ["## Please cite", "", *citations, ""] if citations else []
    lines += ["## Known limits", "", *(f"- {limit}" for limit in limits), ""]
    return "\n".join(lines)


def write_card(
    folder: Path, title: str, facts: CardFacts, files: Sequence[Path], layout: str, *, embedded: bool = False
) -> None:
    """Write `README.md` and `croissant.json` for data files of a layout, media embedded or not, into their folder.

    Raises:
        UsageError: One of the two is there already.
    """
    refuse_existing(folder)
    write_whole(folder / "README.md", card_text(title, facts, files, layout, embedded))
    about = Described(title, facts.statistics.records, facts.rows, facts.columns, layout, embedded)
    value: dict[str, Any] = croissant(about, files)
    write_whole(folder / "croissant.json", json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def refuse_existing(folder: Path) -> None:
    """Check that a card would overwrite nothing.

    Raises:
        UsageError: It would.
    """
    for name in ("README.md", "croissant.json"):
        if (folder / name).exists():
            raise UsageError(f"Expected no {name} in {folder}, got one. Name another folder for data with a card.")


EMBEDDED = " The media are in the files, too: `images` and `clouds` hold `bytes` and `path` of each."
DESCRIPTIONS = {
    "lamm": "The file holds LAMM's records: `image` or `pcl`, and `conversations` of `from` and `value`.",
    "llava": "The file holds LLaVA's records: `conversations` of `from` and `value`, a placeholder for each medium.",
    "messages": "The file holds chat `messages` whose content parts are the media's paths and the texts.",
    "parquet": "Columns: `id`, `modality` (image or pcl), `media` (paths), `conversations` (from, value), `task_type`, "
    "`src_image`, `src_dataset`, `src_id`, and as JSON text `meta` (provenance) and `extra`. "
    '`lamm_data.read_export(folder, "parquet")` gives the records back.',
    "webdataset": "Each sample is `<number>.json`, with the columns of a record, and its media; shards of one name "
    'hold media of one kind. `lamm_data.read_export(folder, "webdataset")` gives the records back.',
}
