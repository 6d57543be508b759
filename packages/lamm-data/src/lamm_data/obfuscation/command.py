"""`lamm data obfuscate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lamm_llm import writes_alone

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", type=_PATH)
@click.option("--output", type=_PATH, required=True, help="Folder for the copies, outside the originals'.")
@click.option("--media-root", type=_PATH, help="Folder that the records' media paths are relative to [that of SOURCE].")
@click.option("--faces/--no-faces", default=True, show_default=True, help="Hide faces.")
@click.option(
    "--plates/--no-plates",
    default=True,
    show_default=True,
    help="Hide licence plates, and other short texts with a digit.",
)
@click.option("--threshold", type=float, default=0.2, show_default=True, help="Score from which a face counts.")
@click.option("--force", is_flag=True, help="Also where faces are the labels, as in CelebA.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@writes_alone("output", folder=True)
def obfuscate(
    source: Path,
    output: Path,
    media_root: Path | None,
    faces: bool,
    plates: bool,
    threshold: float,
    force: bool,
    as_json: bool,
) -> None:
    """Blur faces and licence plates in copies of images, offline.

    SOURCE is a file of records or a folder of images. Originals are not touched. The copies stand below --output under
    the same paths, with obfuscation.jsonl, which names every region and the detectors; records are written there too.
    """
    from lamm_data.errors import LammDataError, UsageError, first_of
    from lamm_data.obfuscation.detectors import open_detectors
    from lamm_data.obfuscation.face_labels import face_folder, face_labelled
    from lamm_data.obfuscation.run import Obfuscator, images_below, note_provenance
    from lamm_data.progress import progress_bar
    from lamm_data.records.instruction import read_records, write_records

    if not 0 < threshold < 1 or not (faces or plates):
        raise UsageError("Expected something to hide and a threshold between 0 and 1, got none or another one.")
    records = [] if source.is_dir() else read_records(source)
    root = media_root or (source if source.is_dir() else source.parent)
    labelled = face_folder(source) if source.is_dir() else face_labelled(records)
    if faces and labelled and not force:
        raise UsageError(
            f"Expected images whose labels survive without faces, got {labelled}: faces are what it teaches. "
            "Leave it out, hide plates only with --no-faces, or go on with --force."
        )
    names = images_below(source) if source.is_dir() else [
        name for record in records for kind, name in zip(record.kinds, record.media, strict=True) if kind == "image"
    ]  # fmt: skip
    worker = Obfuscator(root, output, open_detectors(faces, plates, threshold))
    with progress_bar("obfuscate", len(set(names))) as advance:
        report = worker.run(names, advance)
    if records:
        write_records(output / source.name, (note_provenance(record, worker.provenance) for record in records))
    if as_json:
        click.echo(json.dumps(vars(report)))
    else:
        click.echo(
            f"{report.images} images: {report.changed} changed ({report.regions['face']} faces, "
            f"{report.regions['plate']} plates), {report.images - report.changed - len(report.faults)} as they were, "
            f"{report.reused} done before, {len(report.faults)} unreadable"
        )
        if plates:
            click.echo("Of plates, nearly all from 40 pixels of height are found, few below 18: look at a sample.")
    if report.faults:
        shown = "; ".join(first_of(report.faults))
        raise LammDataError(f"Expected images that can be read, got {len(report.faults)} that cannot: {shown}.")
