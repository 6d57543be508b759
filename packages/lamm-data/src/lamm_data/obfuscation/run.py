"""Copies images with faces and plates hidden; originals stay as they are, and every region is written down."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_data.errors import SourceError, UsageError
from lamm_data.files.pictures import ORIENTATION, media_file, open_picture, orientation, upright
from lamm_data.obfuscation.blur import MARGIN, MOSAIC, as_stored, hide
from lamm_data.obfuscation.detectors import Detector, Region
from lamm_data.progress import Advance, unwatched
from lamm_data.records.instruction import InstructionRecord
from lamm_llm import atomic_path, loads

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
JOURNAL = "obfuscation.jsonl"


@dataclass
class ObfuscationReport:
    """What a run did: images of the input, changed, done before and unreadable, and regions by kind."""

    images: int = 0
    changed: int = 0
    reused: int = 0
    regions: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Obfuscator:
    """Writes copies below a folder, and beside them `obfuscation.jsonl` with one line an image.

    A copy in which nothing is hidden has the bytes of the original. One that is changed keeps format, size and
    orientation, but none of the file's other metadata. Running again does what is missing.

    Args:
        root: Folder of the originals.
        output: Folder of the copies, outside the root.
        detectors: What to look for.

    Raises:
        UsageError: The output lies inside the root, or holds it.
    """

    def __init__(self, root: Path, output: Path, detectors: Sequence[Detector]) -> None:
        inner, outer = output.resolve(), root.resolve()
        if inner.is_relative_to(outer) or outer.is_relative_to(inner):
            raise UsageError(
                f"Expected an output beside the originals, got {output} and {root}. Choose another folder."
            )
        self.root, self.output, self.detectors = root, output, detectors
        self.report = ObfuscationReport()
        self.provenance: dict[str, dict[str, Any]] = {}
        self._setting = {
            "detectors": [detector.identity() for detector in detectors], "margin": MARGIN, "mosaic": MOSAIC,
        }  # fmt: skip
        output.mkdir(parents=True, exist_ok=True)
        self._known = self._read_journal()

    def run(self, names: Iterable[str], advance: Advance = unwatched) -> ObfuscationReport:
        """Copy images by their paths below the root; those that cannot be read are listed."""
        with (self.output / JOURNAL).open("a", encoding="utf-8") as journal:
            for name in dict.fromkeys(names):
                self.report.images += 1
                try:
                    entry = self._one(name)
                except SourceError as error:
                    self.report.faults.append(str(error))
                else:
                    self.provenance[name] = entry
                    self.report.changed += bool(entry["regions"])
                    self.report.regions.update(region["kind"] for region in entry["regions"])
                    if entry is not self._known.get(name):
                        journal.write(json.dumps(entry, ensure_ascii=False) + "\n")
                        journal.flush()
                advance(1)
        return self.report

    def _one(self, name: str) -> dict[str, Any]:
        source = media_file(self.root, name)
        content = source.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        target = self.output / name
        known = self._known.get(name)
        if known and known["source_sha256"] == digest and _sha256(target) == known["output_sha256"]:
            self.report.reused += 1
            return known
        regions, size = _obfuscate(source, target, self.detectors)
        return {
            "file": name, "source_sha256": digest, "output_sha256": _sha256(target), "size": size,
            "regions": [asdict(region) for region in regions], **self._setting,
        }  # fmt: skip

    def _read_journal(self) -> dict[str, dict[str, Any]]:
        path = self.output / JOURNAL
        lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
        if lines[-1]:  # A crash leaves a torn last line: cut it off, so that nothing is joined to it.
            with path.open("rb+") as handle:
                handle.truncate(sum(len(line) + 1 for line in lines[:-1]))
        try:
            entries = [loads(line) for line in lines[:-1] if line.strip()]
            return {
                entry["file"]: entry
                for entry in entries
                if all(entry.get(key) == self._setting[key] for key in self._setting)
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"Expected the lines that an earlier run wrote in {path}, got {error}. Remove it."
            ) from error


def _obfuscate(source: Path, target: Path, detectors: Sequence[Detector]) -> tuple[list[Region], list[int]]:
    import numpy as np

    with open_picture(source) as image:
        if getattr(image, "is_animated", False):
            raise SourceError(f"Expected a picture of one frame, got several ({source}).")
        image.load()
        turned = upright(image)
        picture = turned.convert("RGB")
        regions = [region for detector in detectors for region in detector.find(np.asarray(picture))]
        with atomic_path(target) as beside:
            if regions:
                _save(hide(picture, regions), image, turned, beside)
            else:
                shutil.copyfile(source, beside)
    return regions, list(turned.size)


def _save(picture: Image, original: Image, turned: Image, path: Path) -> None:
    """Write a changed picture in the original's format, frame and transparency, without its other metadata."""
    if "A" in turned.getbands():
        picture = picture.convert("RGBA")
        picture.putalpha(turned.getchannel("A"))
    turned_by = orientation(original)
    stored = as_stored(picture, turned_by)
    gentle: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    options = gentle.get(original.format or "", {})
    if turned_by != 1:
        exif = stored.getexif()
        exif[ORIENTATION] = turned_by
        options["exif"] = exif
    stored.save(path, original.format, **options)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def images_below(folder: Path) -> list[str]:
    """List the images below a folder, by name, as paths relative to it."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def note_provenance(record: InstructionRecord, provenance: dict[str, dict[str, Any]]) -> InstructionRecord:
    """Write into a record's `meta` what was hidden in its images, and by what."""
    entries = [provenance[name] for name in record.media if name in provenance]
    regions = [{"file": entry["file"], **region} for entry in entries for region in entry["regions"]]
    if entries:
        detectors = [
            {key: identity[key] for key in ("name", "package", "sha256")} for identity in entries[0]["detectors"]
        ]
        record.meta = {**(record.meta or {}), "obfuscation": {"regions": regions, "detectors": detectors}}
    return record
