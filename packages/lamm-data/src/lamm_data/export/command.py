"""`lamm data export` and `lamm data push`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lamm_llm import writes_alone

_PATH = click.Path(path_type=Path)
_FORMATS = click.Choice(("lamm", "llava", "messages", "parquet", "webdataset"))


@click.command()
@click.argument("path", type=_PATH)
@click.option("--output", type=_PATH, required=True, help="File (.jsonl, .json), or folder for Parquet and WebDataset.")
@click.option("--to", "name", type=_FORMATS, required=True, help="Format to write.")
@click.option("--use", type=click.Choice(("any", "commercial")), default="any", show_default=True,
              help="Refuse records whose licence does not allow it.")  # fmt: skip
@click.option("--text-only", type=click.Choice(("refuse", "drop", "keep")), default="refuse", show_default=True,
              help="About dialogues without an image or cloud.")  # fmt: skip
@click.option("--media-root", type=_PATH, default=None, help="Folder of the media; the records' own folder if empty.")
@click.option("--embed", is_flag=True, help="Put images and clouds into the Parquet files, for the Hub's viewer.")
@click.option("--card", default="", metavar="TITLE", help="Also write README.md and croissant.json with this title.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output")
def export(
    path: Path,
    output: Path,
    name: str,
    use: str,
    text_only: str,
    media_root: Path | None,
    embed: bool,
    card: str,
    as_json: bool,
) -> None:
    """Write instruction records, of our layout or another tool's, in the format of another tool, or in ours."""
    from lamm_data.export.formats import export_records
    from lamm_data.progress import watched
    from lamm_data.records.instruction import read_records

    records = read_records(path, text_only=text_only != "refuse")
    everything = len(records)
    if text_only == "drop":
        records = [record for record in records if record.modality != "text"]
    count = export_records(
        watched(records, "exporting", len(records)),
        output,
        name,
        commercial=use == "commercial",
        media_root=media_root or path.parent,
        embed=embed,
        card=card,
    )
    if as_json:
        click.echo(json.dumps({"records": count, "left_out": everything - len(records), "output": str(output)}))
        return
    dropped = f" {everything - len(records)} without an image or cloud left out." if text_only == "drop" else ""
    click.echo(f"{count} records written to {output}.{dropped}")


@click.command()
@click.argument("folder", type=_PATH)
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--public/--private", default=False, show_default=True, help="Who may read the repository.")
@click.option("--json", "as_json", is_flag=True, help="Print where it went as JSON.")
def push(folder: Path, repository: str, public: bool, as_json: bool) -> None:
    """Upload an exported folder with a card to a dataset repository of the Hugging Face Hub, private unless told so.

    The token is that of HF_TOKEN or of `hf auth login`. Run a push that failed again: what has arrived is not sent
    twice.
    """
    from lamm_data.export.push import push_export

    pushed = push_export(folder, repository, public=public)
    if as_json:
        click.echo(json.dumps({"address": pushed.address, "public": public, "licences": list(pushed.licences)}))
        return
    click.echo(f"Pushed to {repository}, {'public' if public else 'private'}: {pushed.address}")
    click.echo(
        f"Licences: {', '.join(pushed.licences)}." + " Not stated means unknown." * ("not stated" in str(pushed))
    )
