"""`lamm data sources`, `unpack`, `prepare` and `clouds`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamm_llm import writes_alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamm_data.sources.registry import Source

OWN_OPTIONS = (
    click.option("--dataset", default="", help="Name of your data set, for the source images."),
    click.option("--licence", default="", help='Its licence or terms; records say "not stated" without.'),
    click.option(
        "--format", "layout", default="", help="Its label format, such as coco or yolo; found out when empty."
    ),
)


def own_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that say what a folder of the user's own holds."""
    for option in reversed(OWN_OPTIONS):
        command = option(command)
    return command


def sources_begun(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the sources that begin so, the last of a list with commas, for a shell that completes a word."""
    from lamm_data.sources.registry import load_sources

    before, comma, last = begun.rpartition(",")
    return [before + comma + name for name in load_sources() if name.startswith(last)]


def tasks_begun(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the tasks of the source named before, or all, that begin so, for a shell that completes a word."""
    from lamm_data.records.tasks import BENCHMARK_TASKS
    from lamm_data.sources.registry import load_sources

    before, comma, last = begun.rpartition(",")
    source = load_sources().get(context.params.get("source") or "")
    return [before + comma + task for task in (source.readers if source else BENCHMARK_TASKS) if task.startswith(last)]


def say_found(text: str) -> None:
    """Say on the error stream what was found in a folder of the user's own."""
    click.echo(text, err=True)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _describe(source: Source) -> str:
    rows = [
        f"{source.name}: {source.title}",
        f"  download   {source.url or 'nothing: it is yours'}",
        f"  licence    {source.licence}",
        f"  may be     redistributed: {_yes(source.redistribution)}, used commercially: {_yes(source.commercial)}",
        f"  splits     {', '.join(source.splits)}"
        + (f" (benchmark: {source.benchmark_split})" if source.benchmark_split else ""),
        f"  tasks      {', '.join(source.readers) or 'none: joined with other sources'}",
        "  layout     "
        + "\n             ".join(
            pattern.removesuffix("?") + (" (optional)" if pattern.endswith("?") else "") for pattern in source.layout
        ),
        f"  cite       {source.citation or 'as you state'}",
    ]
    if source.prepare:
        rows.append(f"  prepare    lamm data prepare {source.name} --root DIR makes the media files")
    return "\n".join([*rows, f"  note       {source.note}"] if source.note else rows)


def _list(chosen: list[Source]) -> str:
    """Write the table of all sources: what each is good for, what may be done with it, where it is."""
    rows = []
    for source in chosen:
        rows += [
            f"{source.name:20s}{', '.join(source.readers)}",
            f"{'':20s}{source.licence}; redistribution {_yes(source.redistribution)}, "
            f"commercial {_yes(source.commercial)}",
            f"{'':20s}{source.url}",
        ]
    rows += ["", f"{len(chosen)} sources. `lamm data sources NAME` shows layout, splits and citation,"]
    return "\n".join([*rows, "`lamm data sources NAME --root DIR` checks a download, --json prints everything."])


@click.command()
@click.argument("name", required=False, shell_complete=sources_begun)
@click.option("--root", type=click.Path(path_type=Path), default=None, help="Check the download in this folder.")
@click.option("--split", default="", help="Split to check; the training split when empty.")
@click.option("--decode/--no-decode", default=True, show_default=True, help="Decode every image and cloud.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that decode.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sources(name: str | None, root: Path | None, split: str, decode: bool, workers: int, as_json: bool) -> None:
    """List the source data sets, describe one, or check a download of one."""
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
            click.echo(_list(chosen))
        return
    if name is None:
        raise UsageError("Expected the name of the source in --root, got none. Name one of `lamm data sources`.")
    source = get_source(name)
    with progress_bar("checking", None) as advance:
        finding = check_download(source, root, split, decode=decode, workers=workers, progress=advance)
    if as_json:
        click.echo(json.dumps(vars(finding)))
    else:
        click.echo(f"{finding.items} items, {finding.media} of them with their media.")
        for fault in finding.faults:
            click.echo(f"  {fault}")
        for kind, number in finding.kinds.items():
            click.echo(f"{number:8d}  {kind}")
    if finding.faults:
        raise SourceError(
            f"Expected the download of {name} in {root} whole, got {len(finding.faults)} faults. See the list above."
        )


@click.command()
@click.argument("name", shell_complete=sources_begun)
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder of the download.")
@click.option("--split", default="", help="Split to prepare; the training split when empty.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that read meshes.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("root", folder=True)
def prepare(name: str, root: Path, split: str, workers: int, as_json: bool) -> None:
    """Make the media files that a download does not hold: pictures out of batches, clouds out of meshes."""
    from lamm_data.clouds.command import finish
    from lamm_data.errors import UsageError
    from lamm_data.progress import progress_bar
    from lamm_data.sources.registry import get_source, load_function, load_sources

    source = get_source(name)
    if not source.prepare:
        able = ", ".join(key for key, entry in load_sources().items() if entry.prepare)
        raise UsageError(f"Expected a source that needs preparing ({able}), got {name}. Use its files as they are.")
    split = split or source.train
    source.check_split(split)
    count, faults, left_out = 0, list[str](), Counter[str]()
    with progress_bar("preparing", None) as advance:
        for _, fault, reasons in load_function(source.prepare)(root, split, workers):
            count += not fault
            faults += [fault] if fault else []
            left_out.update(reasons)
            advance(1)
    if as_json:
        click.echo(json.dumps({"files": count, "left_out": left_out, "faults": faults, "root": str(root)}))
        if faults:
            raise SystemExit(1)
        return
    for reason, number in left_out.most_common():
        click.echo(f"left out: {reason}: {number}")
    click.echo(f"{count} files of {name} are ready in {root}, {len(faults)} could not be made.")
    finish(faults, f"Expected every file of {name} to be made, {len(faults)} could not be: see the list above.")


@click.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder to unpack in.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("root", folder=True)
def unpack(archives: tuple[Path, ...], root: Path, as_json: bool) -> None:
    """Unpack downloaded archives safely: nothing leaves the folder, and bombs, links and devices are refused."""
    from lamm_data.files.archives import unpack as unpack_archive
    from lamm_data.progress import progress_bar

    counts = {}
    for path in archives:
        with progress_bar(path.name, None) as advance:
            counts[path.name] = unpack_archive(path, root, progress=advance)
        if not as_json:
            click.echo(f"{counts[path.name]} files of {path.name} are in {root}.")
    if as_json:
        click.echo(json.dumps({"files": counts, "root": str(root)}))
