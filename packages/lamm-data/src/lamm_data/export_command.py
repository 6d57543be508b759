"""`lamm data export`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="File to write: .jsonl, or .json.")
@click.option("--format", "name", type=click.Choice(("llava", "messages")), required=True, help="Format to write.")
@click.option("--license", "licence", type=click.Choice(("any", "commercial")), default="any", show_default=True,
              help="Refuse records whose source does not allow this use.")  # fmt: skip
def export(path: Path, output: Path, name: str, licence: str) -> None:
    """Write instruction records in another tool's format."""
    from lamm_data.export import export_records
    from lamm_data.records import read_records

    count = export_records(read_records(path), output, name, commercial=licence == "commercial")
    click.echo(f"{count} records written to {output}.")
