"""`lamm data view`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamm_llm import writes_alone

if TYPE_CHECKING:
    from lamm_data.view.page import Viewed

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("records", type=_FILE)
@click.option("--output", type=_FILE, required=True, help="HTML file to write.")
@click.option("--media-root", type=_FILE, help="Folder that media paths are relative to [that of RECORDS].")
@click.option("--annotations", type=_FILE, help="Rows the records were made from: their boxes are drawn too.")
@click.option("--model", help="Also show which tokens are learnt: a model's folder, or a fine-tuning configuration.")
@click.option("--sample", type=click.IntRange(min=1), default=100, show_default=True, help="Draw so many records.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides which are drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
@writes_alone("output")
def view(
    records: Path,
    output: Path,
    media_root: Path | None,
    annotations: Path | None,
    model: str | None,
    sample: int,
    seed: int,
    as_json: bool,
) -> None:
    """Write a page of instruction records: images and clouds with boxes, and dialogues.

    With --model every token is shown as well, and whether the loss learns it.
    """
    from lamm_data.errors import LammDataError
    from lamm_data.generation.input_rows import rows_by_id
    from lamm_data.progress import progress_bar
    from lamm_data.records.instruction import scan_records
    from lamm_data.view.page import Viewed, draw_records, write_page
    from lamm_data.view.token_masks import open_token_masks

    account = Viewed()
    drawn = draw_records(scan_records(records), sample, seed, account)
    if not drawn:
        first = account.faults[0] if account.faults else "the file is empty"
        raise LammDataError(f"Expected records in {records}, got none that is usable ({first}).")
    rows = rows_by_id(annotations) if annotations else {}
    token_mask = open_token_masks(model) if model else None
    with progress_bar("drawing", len(drawn)) as advance:
        root = media_root or records.parent
        write_page(output, drawn, root, account, title=records.name, rows=rows, token_mask=token_mask, advance=advance)
    _tell(account, output, as_json)


def _tell(account: Viewed, output: Path, as_json: bool) -> None:
    import json

    from lamm_data.errors import SHOWN_FAULTS, first_of

    if as_json:
        click.echo(json.dumps({**vars(account), "output": str(output)}))
        return
    for kind, lines in (("no record", account.faults), ("not shown", account.missing)):
        for line in first_of(lines, SHOWN_FAULTS):
            click.echo(f"{kind}: {line}", err=True)
    click.echo(f"Written: {output} ({account.shown} of {account.read} records)")
