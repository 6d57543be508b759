"""`lamm data clouds`: clouds of one kind out of scans of any."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamm_llm import writes_alone

if TYPE_CHECKING:
    from lamm_data.clouds.folder import CloudReport, CloudSettings

UNIT_NAMES = ("m", "dm", "cm", "mm", "ft", "in", "none")
RANGE_NAMES = ("auto", "0..255", "0..1", "0..65535", "-1..1", "none")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the .npy clouds; not for --inspect.")
@click.option("--inspect", is_flag=True, help="Say what each scan is, with evidence, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts, or what --inspect found, as JSON.")
@click.option(
    "--normalise", is_flag=True, help="Apply what --inspect says: unit, z up, floor at 0, walls along the axes."
)
@click.option("--tile", type=click.FloatRange(0, min_open=True),
              help="Cut each scan into tiles of that side in metres, for `lamm data untile`.")  # fmt: skip
@click.option("--overlap", type=click.FloatRange(0), default=2.0, show_default=True,
              help="Metres by which tiles overlap: what is no larger is whole in one.")  # fmt: skip
@click.option("--points", type=click.IntRange(0), default=0, show_default=True, help="Points a cloud; 0 keeps all.")
@click.option("--units", type=click.Choice(UNIT_NAMES),
              help="Unit of the files [m; with --normalise found]; none: keep numbers.")  # fmt: skip
@click.option("--up", type=click.Choice(("z", "y")), help="Axis that points upwards [z; with --normalise found].")
@click.option("--directions", type=click.FloatRange(-180, 180),
              help="Degrees that walls are turned by, seen from above [with --normalise found].")  # fmt: skip
@click.option("--colours", type=click.Choice(RANGE_NAMES), default="auto", show_default=True,
              help="Range of the files' colours; none: leave them out.")  # fmt: skip
@click.option("--columns", default="", help="Names of the columns of .npy and text files that have none: x,y,z,...")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of resampling, with each cloud's name.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that read.")
@writes_alone("output", folder=True)
def clouds(
    source: Path,
    output: Path | None,
    inspect: bool,
    as_json: bool,
    normalise: bool,
    tile: float | None,
    overlap: float,
    points: int,
    units: str | None,
    up: str | None,
    directions: float | None,
    colours: str,
    columns: str,
    seed: int,
    workers: int,
) -> None:
    """Make .npy clouds (metres, z up) of PLY, PCD, XYZ, NPY, OBJ, STL, OFF, glTF, LAS, LAZ and E57 files."""
    from lamm_data.clouds.folder import CloudSettings, convert_folder
    from lamm_data.clouds.tiles import tile_folder
    from lamm_data.errors import UsageError
    from lamm_data.progress import progress_bar

    names = tuple(name.strip() for name in columns.split(",") if name.strip())
    if inspect == (output is not None) or (inspect and normalise):
        got = "--normalise with --inspect" if inspect and normalise else "both" if inspect else "neither"
        raise UsageError(f"Expected either --output DIR or --inspect, which writes nothing; got {got}.")
    unknown = ("auto", "auto") if normalise else ("m", "z")
    settings = CloudSettings(
        points, units or unknown[0], up or unknown[1], seed, colour_range=colours, columns=names, normalise=normalise,
        directions=directions, tile=tile or 0.0, overlap=overlap,
    )  # fmt: skip
    if inspect or output is None:
        _inspect(source, settings, workers, as_json)
        return
    with progress_bar("reading clouds", None) as advance:
        make = tile_folder if tile else convert_folder
        report = make(source, output, settings, workers=workers, progress=advance)
    if as_json:
        counts = {"written": report.written, "kept": report.kept, "notes": dict(report.notes), "faults": report.faults}
        click.echo(json.dumps({**counts, "passed_over": report.passed_over, "output": str(output)}))
        if report.faults:
            raise SystemExit(1)
        return
    for line in report_lines(report, output):
        click.echo(line)
    finish(
        report.faults,
        f"Expected every file of {source} to be a cloud, {len(report.faults)} could not be read: see above.",
    )


@click.command()
@click.argument("answers", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--tiles", type=click.Path(path_type=Path), required=True,
              help="Folder that `lamm data clouds --tile` wrote.")  # fmt: skip
@click.option("--benchmark", "records", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Questions that say by `pcl` which tile each `id` is about, where answers do not.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), required=True, help="JSON Lines file, a line a building.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output")
def untile(answers: Path, tiles: Path, records: Path | None, output: Path, as_json: bool) -> None:
    """Merge answers about tiles: boxes in the building's own frame, what two tiles show once.

    ANSWERS holds JSON lines with `boxes` of `label`, `box` and perhaps `score`. Captions and counts stay as they are,
    each with the place of its tile.
    """
    from lamm_data.clouds.merging import merge_tiles, read_answers, read_tiles
    from lamm_data.progress import progress_bar
    from lamm_llm import atomic_bytes, dumps

    known, found, objects = read_tiles(tiles), 0, 0
    with atomic_bytes(output) as lines, progress_bar("merging buildings", None) as advance:
        for building in merge_tiles(read_answers(answers, known, records), known):
            advance(1)
            lines.write(dumps(building) + b"\n")
            objects += len(building["boxes"])
            found += sum(len(box["tiles"]) for box in building["boxes"])
    if as_json:
        click.echo(json.dumps({"objects": objects, "boxes": found, "output": str(output)}))
    else:
        click.echo(f"{objects} objects of {found} boxes are in {output}.")


def _inspect(source: Path, settings: CloudSettings, workers: int, as_json: bool) -> None:
    from lamm_data.clouds.folder import inspect_folder
    from lamm_data.progress import progress_bar

    with progress_bar("reading clouds", None) as advance:
        inspected, faults = inspect_folder(source, settings, workers=workers, progress=advance)
    if as_json:
        rows = {name: {key: asdict(found) for key, found in findings.items()} for name, findings in inspected.items()}
        click.echo(json.dumps({"clouds": rows, "faults": faults}, indent=1))
    else:
        for name, findings in inspected.items():
            click.echo(name)
            for key, found in findings.items():
                click.echo(f"  {key:<10} {found}")
    if faults and as_json:
        raise SystemExit(1)
    finish(faults, f"Expected every file of {source} to be a cloud, {len(faults)} could not be read: see above.")


def report_lines(report: CloudReport, output: Path) -> list[str]:
    """Say what became of a folder, and what had to be done to clouds."""
    lines = [
        f"{report.written} clouds written, {report.kept} kept, {len(report.faults)} could not be read. See {output}."
    ]
    said = {
        "dropped": "with points left out that were not finite",
        "offset": "had an offset subtracted",
        "rounded": "hold map coordinates in float32, which has rounded them",
        "colours": "had colours of another range than 0 to 255 mapped to it",
    }
    lines += [
        f"{report.notes[key]} clouds {words}: see clouds.json." for key, words in said.items() if report.notes[key]
    ]
    if report.passed_over:
        lines.append(f"{report.passed_over} files that belong to meshes were passed over.")
    return lines


def finish(faults: list[str], message: str) -> None:
    """List faults and fail when there are any."""
    from lamm_data.errors import SourceError, first_of

    for line in first_of(faults, 100):
        click.echo(f"  {line}")
    if faults:
        raise SourceError(message)
