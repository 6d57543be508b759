"""`lamm data sources` and `lamm data prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lamm_data.sources.registry import Source


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _describe(source: Source) -> str:
    rows = [
        f"{source.name}: {source.title}",
        f"  download   {source.url}",
        f"  licence    {source.licence}",
        f"  may be     redistributed: {_yes(source.redistribution)}, used commercially: {_yes(source.commercial)}",
        f"  splits     {', '.join(source.splits)}"
        + (f" (benchmark: {source.benchmark_split})" if source.benchmark_split else ""),
        f"  tasks      {', '.join(source.readers) or 'none: joined with other sources'}",
        "  layout     " + "\n             ".join(source.layout),
        f"  cite       {source.citation}",
    ]
    if source.prepare:
        rows.append(f"  prepare    lamm data prepare {source.name} --root DIR makes the media files")
    return "\n".join([*rows, f"  note       {source.note}"] if source.note else rows)


@click.command()
@click.argument("name", required=False)
@click.option("--root", type=click.Path(path_type=Path), default=None, help="Check the download in this folder.")
@click.option("--split", default="", help="Split to check; the training split when empty.")
@click.option("--decode", is_flag=True, help="Also decode every image and load every cloud.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sources(name: str | None, root: Path | None, split: str, decode: bool, as_json: bool) -> None:
    """List the source data sets, describe one, or check a download of one."""
    import json
    from dataclasses import asdict

    from lamm_data.errors import SourceError, UsageError
    from lamm_data.progress import progress_bar
    from lamm_data.sources.check import check_download
    from lamm_data.sources.registry import get_source, load_sources

    if root is None:
        chosen = [get_source(name)] if name else list(load_sources().values())
        if as_json:
            click.echo(json.dumps([asdict(source) for source in chosen]))
        elif name:
            click.echo(_describe(chosen[0]))
        else:
            for source in chosen:
                click.echo(f"{source.name:20s}{', '.join(source.readers) or '-'}\n{'':20s}{source.licence}")
        return
    if name is None:
        raise UsageError("Expected the name of the source in --root, got none. Name one of `lamm data sources`.")
    source = get_source(name)
    with progress_bar("checking", None) as advance:
        finding = check_download(source, root, split, decode=decode, progress=advance)
    if as_json:
        click.echo(json.dumps(asdict(finding)))
    else:
        click.echo(f"{finding.items} items, {finding.media} of them with their media.")
        for fault in finding.faults:
            click.echo(f"  {fault}")
        if finding.hidden:
            click.echo(f"  ... and {finding.hidden} more faults")
    if finding.faults:
        raise SourceError(f"The download of {name} in {root} is incomplete or damaged: see the list above.")


@click.command()
@click.argument("name")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of the download.")
@click.option("--split", default="", help="Split to prepare; the training split when empty.")
def prepare(name: str, root: Path, split: str) -> None:
    """Make the media files that a download does not hold: pictures out of batches, clouds out of meshes."""
    from lamm_data.errors import UsageError
    from lamm_data.progress import progress_bar
    from lamm_data.sources.registry import get_source, load_function, load_sources

    source = get_source(name)
    if not source.prepare:
        able = ", ".join(key for key, entry in load_sources().items() if entry.prepare)
        raise UsageError(f"Expected a source that needs preparing ({able}), got {name}. Use its files as they are.")
    count = 0
    with progress_bar("preparing", None) as advance:
        for _ in load_function(source.prepare)(root, split or source.train):
            count += 1
            advance(1)
    click.echo(f"{count} files of {name} are ready in {root}.")
