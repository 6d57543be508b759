"""`lamm data export`."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_FORMATS = click.Choice(("llava", "messages", "parquet", "webdataset"))


@click.command()
@click.argument("path", type=_PATH)
@click.option("--output", type=_PATH, required=True, help="File (.jsonl, .json), or folder for Parquet and WebDataset.")
@click.option("--format", "name", type=_FORMATS, required=True, help="Format to write.")
@click.option("--license", "licence", type=click.Choice(("any", "commercial")), default="any", show_default=True,
              help="Refuse records whose licence does not allow this use.")  # fmt: skip
@click.option("--media-root", type=_PATH, default=None, help="Folder of the media; the records' own folder if empty.")
@click.option("--card", default="", metavar="TITLE", help="Also write README.md and croissant.json with this title.")
def export(path: Path, output: Path, name: str, licence: str, media_root: Path | None, card: str) -> None:
    """Write instruction records in another tool's format."""
    from lamm_data.export.formats import export_records
    from lamm_data.progress import watched
    from lamm_data.records.instruction import read_records

    records = read_records(path)
    count = export_records(
        watched(records, "exporting", len(records)),
        output,
        name,
        commercial=licence == "commercial",
        media_root=media_root or path.parent,
        card=card,
    )
    click.echo(f"{count} records written to {output}.")
