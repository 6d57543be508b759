"""Folders of cloud and mesh files of any origin, made into `.npy` clouds of stated units and axes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamm_data.clouds.columns import check_range_name
from lamm_data.clouds.frames import MANIFEST, Matrix, frame_matrix, map_points
from lamm_data.clouds.inspection import Finding, inspect_cloud
from lamm_data.clouds.libraries import GLTF, MESHES
from lamm_data.clouds.normalising import UNITS, Y_UP, normal_frame
from lamm_data.clouds.reading import SUFFIXES, Cloud, PointCloud, mesh_cloud, read_cloud, resample, save_cloud, seed_of
from lamm_data.errors import SourceError, UsageError
from lamm_data.files.json_lines import load_json
from lamm_data.files.processes import in_parallel
from lamm_data.progress import Advance, unwatched
from lamm_llm import write_whole

PARTS_OF_MESHES = frozenset({".mtl", ".bin", ".png", ".jpg", ".jpeg", ".bmp", ".tga", ".tif", ".tiff", ".webp"})
"""Files that belong to a mesh beside them: they are passed over."""
_SAVED_EVERY = 200


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """How clouds are made.

    Attributes:
        points: Points of every cloud; 0 keeps each cloud's own.
        units: Unit of the files: a key of `UNITS`. glTF files are in metres by definition.
        up: Axis of the files that points upwards: `z` or `y`. glTF files are turned by definition.
        seed: Seed; together with a cloud's name it decides which points are drawn.
        colours: Keep colours where there are any.
        colour_range: `auto` recognises the range of colours; a name of `COLOUR_RANGES` states it.
        columns: Names of the columns of arrays and text without names.
        normalise: Find out what each scan is, turn the floor level and to height 0, and walls along the axes. Only
            with it, `units` and `up` may be `auto`.
        directions: With `normalise`: degrees by which walls are turned, seen from above; None to find them.
        tile: Metres along the side of the tiles that `tile_folder` cuts scans into; 0 leaves them whole.
        overlap: Metres by which tiles overlap at least: what is no larger is whole in one of them.
    """

    points: int = 0
    units: str = "m"
    up: str = "z"
    seed: int = 0
    colours: bool = True
    colour_range: str = "auto"
    columns: tuple[str, ...] = ()
    normalise: bool = False
    directions: float | None = None
    tile: float = 0.0
    overlap: float = 2.0

    def __post_init__(self) -> None:
        known = ("auto",) if self.normalise else ()
        if self.units not in (*UNITS, *known) or self.up not in ("y", "z", *known) or self.points < 0:
            raise UsageError(
                f"Expected units out of {', '.join(UNITS)}, up axis y or z and points from 0, got {self.units}, "
                f"{self.up}, {self.points}."
            )
        check_range_name(self.colour_range)
        if self.directions is not None and not self.normalise:
            raise UsageError("Expected directions of walls to turn with normalise, got no normalise. Add --normalise.")
        if self.tile and not 0 <= self.overlap < self.tile:
            raise UsageError(f"Expected tiles that are larger than their overlap, got {self.tile} and {self.overlap}.")

    def stated(self) -> dict[str, Any]:
        """Return what `clouds.json` says a folder was made with: settings that nobody touched are left out."""
        quiet = {
            "colour_range": "auto",
            "columns": (),
            "normalise": False,
            "directions": None,
            "tile": 0.0,
            "overlap": 2.0,
        }
        values = {key: value for key, value in asdict(self).items() if key not in quiet or value != quiet[key]}
        return json.loads(json.dumps(values))  # type: ignore[no-any-return]

    def header(self) -> dict[str, Any]:
        """Return what `clouds.json` says of all clouds of a folder."""
        units = "none" if self.units == "none" else "metres"
        return {"units": units, "made_with": self.stated(), "matrix": self.matrix().tolist()}

    def read(self, path: Path, seed: int) -> PointCloud:
        """Read one file, or sample the surface of one mesh."""
        colours = self.colour_range if self.colours else "none"
        if path.suffix.lower() in MESHES:
            return mesh_cloud(path, self.points or 4096, seed, colours)
        return read_cloud(path, columns=self.columns, colours=colours)

    def matrix(self) -> Matrix:
        """Return the 4 x 4 matrix from the files' frame to metres with z up."""
        turn = Y_UP if self.up == "y" else np.eye(3)
        return frame_matrix(turn, UNITS.get(self.units, 1.0), np.zeros(3), np.zeros(3))


@dataclass(slots=True)
class CloudReport:
    """What became of a folder.

    Attributes:
        written: Clouds made.
        kept: Clouds that were there already.
        faults: Why each other file was not made into a cloud.
        passed_over: Files that belong to a mesh beside them.
        notes: How many clouds needed what: points left out, an offset subtracted, colours mapped.
    """

    written: int = 0
    kept: int = 0
    faults: list[str] = field(default_factory=list)
    passed_over: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: str, entry: dict[str, Any], clouds: int = 1) -> None:
        """Count what became of a file: `written` or `kept` with so many clouds, or a fault."""
        self.written += clouds * (outcome == "written")
        self.kept += clouds * (outcome == "kept")
        if outcome not in ("written", "kept"):
            self.faults.append(outcome)
        self.notes["points"] += entry.get("dropped", 0)
        self.notes.update(key for key in ("dropped", "offset", "colours", "rounded") if key in entry)


class MadeCloud(NamedTuple):
    """A cloud in metres with z up, and what `clouds.json` says of it.

    Attributes:
        values: `[N, 3]` or `[N, 6]` float32.
        entry: `points`, and where there are any: `dropped`, `offset`, `colours`, `notes`, `matrix`.
    """

    values: Cloud
    entry: dict[str, Any]


def make_cloud(path: Path, name: str, settings: CloudSettings) -> MadeCloud:
    """Make one cloud: metres (where the files have a unit), z up, resampled by its name's seed.

    Raises:
        SourceError: The file is damaged or empty, or its colours or columns cannot be told.
    """
    seed = seed_of(name, settings.seed)
    cloud = settings.read(path, seed)
    entry: dict[str, Any] = {"points": len(cloud.values)} | cloud_notes(cloud)
    matrix, own = settings.matrix(), False
    if path.suffix.lower() in GLTF:
        matrix, own = np.eye(4), True
    if settings.normalise:
        inspection = inspect_cloud(path, lambda _: cloud)
        matrix, entry["steps"] = normal_frame(
            path, cloud.offset, inspection, settings.units, settings.up, settings.directions
        )
        own = True
    elif cloud.offset.any():
        matrix, own = frame_matrix(matrix[:3, :3], 1.0, cloud.offset, np.zeros(3)), True
    values = cloud.values
    if settings.points and path.suffix.lower() not in MESHES:
        values = resample(values, settings.points, seed)
    if own:
        entry["matrix"] = matrix.tolist()
    return MadeCloud(moved(values, matrix), entry | {"points": len(values)})


def moved(values: Any, matrix: Matrix) -> Cloud:
    """Return `[N, C]` float32 with points moved in float64."""
    if (matrix == np.eye(4)).all():
        return np.ascontiguousarray(values, dtype=np.float32)
    points = map_points(values[:, :3], matrix)
    return np.concatenate([points, values[:, 3:]], axis=1).astype(np.float32)


def cloud_notes(cloud: PointCloud) -> dict[str, Any]:
    """Return what had to be done to read a cloud."""
    notes: dict[str, Any] = {"dropped": cloud.dropped} if cloud.dropped else {}
    if cloud.colour_range not in ("", "0..255"):
        notes["colours"] = f"{cloud.colour_range} in the file"
    if cloud.offset.any():
        notes["offset"] = cloud.offset.tolist()
        narrow = cloud.points.astype(np.float32)
        if (narrow == cloud.points).all():
            step = float(np.spacing(np.abs(narrow).max(axis=0)).max())
            notes["rounded"] = f"the file holds its coordinates in float32, in steps of up to {step:g}"
    return notes


Outcome = tuple[str, str, dict[str, Any]]
"""Source name, what became of it (`written`, `kept` or a fault), and the entry of `clouds.json`."""


def _make_file(source: Path, output: Path, settings: CloudSettings, done: set[str], job: tuple[str, str]) -> Outcome:
    name, target = job
    if target in done and (output / target).is_file():
        return name, "kept", {}
    try:
        made = make_cloud(source / name, name, settings)
    except SourceError as error:
        return name, str(error), {}
    (output / target).parent.mkdir(parents=True, exist_ok=True)
    save_cloud(output / target, made.values)
    return name, "written", {"source": name} | made.entry


def find_files(source: Path, output: Path | None = None) -> tuple[Path, list[str], list[str], int]:
    """Look for clouds.

    Args:
        source: A folder, or one file.
        output: A folder below it that is passed over.

    Returns:
        The folder, names of cloud and mesh files below it, faults of all other files, and how many files belong to a
        mesh beside them. Hidden files do not count.

    Raises:
        SourceError: There is no cloud or mesh file.
    """
    if not source.exists():
        raise SourceError(f"Expected a scan or a folder of scans, got nothing at {source}. Check the path.")
    folder = source.parent if source.is_file() else source
    paths = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    paths = [path for path in paths if not _hidden(path.relative_to(folder)) and not _below(path, output)]
    names = [path.relative_to(folder).as_posix() for path in paths if path.suffix.lower() in SUFFIXES]
    if not names:
        wanted = ", ".join(sorted(SUFFIXES))
        raise SourceError(f"Expected cloud or mesh files ({wanted}) below {source}, got none.")
    meshes = {path.parent for path in paths if path.suffix.lower() in MESHES}
    faults, passed = [], 0
    for path in paths:
        if path.suffix.lower() in SUFFIXES or path.name == MANIFEST:
            continue
        if path.suffix.lower() in PARTS_OF_MESHES and path.parent in meshes:
            passed += 1
        else:
            faults.append(f"Expected a cloud or mesh file, got one of another kind ({path}). Move it elsewhere.")
    return folder, names, faults, passed


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _below(path: Path, output: Path | None) -> bool:
    return output is not None and path.resolve().is_relative_to(output.resolve())


def cloud_jobs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each file with its cloud's name; files that differ only in their suffix keep it in that name."""
    names = list(names)
    stems = Counter(str(Path(name).with_suffix("")) for name in names)
    clashing = {name for name in names if stems[str(Path(name).with_suffix(""))] > 1}
    return [(name, f"{name}.npy" if name in clashing else str(Path(name).with_suffix(".npy"))) for name in names]


def write_manifest(folder: Path, values: dict[str, Any]) -> None:
    """Write `clouds.json`, which says what the numbers of a folder's clouds mean."""
    stated = {
        "axes": "x, y, z; z up, right-handed",
        "columns": ["x", "y", "z", "red", "green", "blue"],
        "dtype": "float32",
    }
    stated["colours"] = "0 to 255, where there are six columns"
    write_whole(folder / MANIFEST, json.dumps(stated | values, indent=1) + "\n")


def convert_folder(
    source: str | Path,
    output: str | Path,
    settings: CloudSettings | None = None,
    *,
    workers: int = 1,
    progress: Advance = unwatched,
) -> CloudReport:
    """Make a cloud of every file of a folder, and `clouds.json` with units, axes and how each was made.

    The same settings give the same bytes with any number of workers. A damaged file does not stop the run: it is
    listed, as is every file of another kind. Clouds that are there already are kept, so an interrupted run goes on
    where it was.

    Raises:
        UsageError: The folder was made with other settings before.
        SourceError: There is no file to read.
        LammDataError: A library is needed and not installed.
    """
    source, output, settings = Path(source), Path(output), settings or CloudSettings()
    folder, names, faults, passed = find_files(source, output)
    report = CloudReport(faults=faults, passed_over=passed)
    clouds = earlier_clouds(output, settings.stated())
    stated = settings.header() | {"clouds": clouds}
    write_manifest(output, stated)
    jobs = cloud_jobs(names)
    targets = dict(jobs)
    work = partial(_make_file, folder, output, settings, set(clouds))
    try:
        for name, outcome, entry in in_parallel(work, jobs, workers):
            report.count(outcome, entry)
            if entry:
                clouds[targets[name]] = entry
            if report.written and report.written % _SAVED_EVERY == 0:
                write_manifest(output, stated)
            progress(1)
    finally:
        stated["clouds"] = dict(sorted(clouds.items()))
        write_manifest(output, stated)
    return report


def inspect_folder(
    source: str | Path, settings: CloudSettings, *, workers: int = 1, progress: Advance = unwatched
) -> tuple[dict[str, dict[str, Finding]], list[str]]:
    """Say what each scan of a folder is.

    Args:
        source: A folder, or one file.
        settings: How files are read; units and axes of it are not looked at.
        workers: Processes that read.
        progress: Called with 1 for each file.

    Returns:
        By file name, what was found by property (`Inspection.findings`); and faults of files that cannot be read.
    """
    folder, names, faults, _ = find_files(Path(source))
    inspected = {}
    for name, findings, fault in in_parallel(partial(_inspect_file, folder, settings), names, workers):
        if fault:
            faults.append(fault)
        else:
            inspected[name] = findings
        progress(1)
    return inspected, faults


def _inspect_file(folder: Path, settings: CloudSettings, name: str) -> tuple[str, dict[str, Finding], str]:
    path, seed = folder / name, seed_of(name, settings.seed)

    def read(colours: str) -> PointCloud:
        stated = settings.colour_range if colours == "auto" else colours
        return replace(settings, colour_range=stated).read(path, seed)

    try:
        return name, inspect_cloud(path, read).findings, ""
    except SourceError as error:
        return name, {}, str(error)


def earlier_clouds(output: Path, made_with: object) -> dict[str, Any]:
    """Return the clouds that an earlier run with the same settings made."""
    path = output / MANIFEST
    if not path.is_file():
        return {}
    stated = load_json(path)
    if not isinstance(stated, dict):
        raise SourceError(f"Expected {path} as `lamm data clouds` writes it, got another value. Remove it.")
    clouds: dict[str, Any] = stated.get("clouds", {})
    if clouds and stated.get("made_with") != made_with:
        raise UsageError(
            f"Expected the settings {output} was made with, {stated.get('made_with')}, got {made_with}. "
            "Name another --output, or remove that folder."
        )
    return clouds
