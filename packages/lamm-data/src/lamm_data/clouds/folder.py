"""Folders of cloud and mesh files of any origin, made into `.npy` clouds of stated units and axes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lamm_data.clouds.reading import SUFFIXES, load_cloud, resample, sample_mesh, save_cloud, seed_of
from lamm_data.errors import SourceError, UsageError
from lamm_data.files.processes import in_parallel
from lamm_data.progress import Advance, unwatched
from lamm_llm import write_whole

MESHES = frozenset({".obj", ".off", ".stl"})
UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "none": 1.0}
"""Metres in one unit; `none` is for models without a scale, whose coordinates are kept."""
MANIFEST = "clouds.json"


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """How clouds are made.

    Attributes:
        points: Points of every cloud; 0 keeps each cloud's own.
        units: Unit of the files: a key of `UNITS`.
        up: Axis of the files that points upwards: `z` or `y`.
        seed: Seed; together with a cloud's name it decides which points are drawn.
        colours: Keep colours where there are any.
    """

    points: int = 0
    units: str = "m"
    up: str = "z"
    seed: int = 0
    colours: bool = True

    def __post_init__(self) -> None:
        if self.units not in UNITS or self.up not in ("y", "z") or self.points < 0:
            raise UsageError(
                f"Expected units out of {', '.join(UNITS)}, up axis y or z and points from 0, got {self.units}, "
                f"{self.up}, {self.points}."
            )


@dataclass(slots=True)
class CloudReport:
    """What became of a folder: clouds made, those that were there already, and what could not be read."""

    written: int = 0
    kept: int = 0
    faults: list[str] = field(default_factory=list)


def make_cloud(path: Path, name: str, settings: CloudSettings) -> Any:
    """Make one cloud: metres (where the files have a unit), z up, resampled by its name's seed.

    Returns:
        `[N, 3]` or `[N, 6]` float32.

    Raises:
        SourceError: The file is damaged, empty or holds values that are not finite.
    """
    seed = seed_of(name, settings.seed)
    if path.suffix.lower() in MESHES:
        cloud = sample_mesh(path, settings.points or 4096, seed)
    else:
        cloud = load_cloud(path)
        cloud = resample(cloud, settings.points, seed) if settings.points else cloud
    cloud = cloud.copy() if settings.colours else cloud[:, :3].copy()
    cloud[:, :3] *= UNITS[settings.units]
    if settings.up == "y":
        # A quarter turn about x: (x, y, z) with y up becomes (x, -z, y) with z up.
        cloud[:, :3] = cloud[:, [0, 2, 1]] * (1, -1, 1)
    return cloud


def _make_file(source: Path, output: Path, settings: CloudSettings, name: str) -> tuple[str, str]:
    target = (output / name).with_suffix(".npy")
    if target.is_file():
        return name, "kept"
    try:
        save_cloud(target, make_cloud(source / name, name, settings))
    except SourceError as error:
        return name, str(error)
    return name, "written"


def _names(source: Path) -> list[str]:
    wanted = MESHES.union(SUFFIXES)
    paths = (path for path in source.rglob("*") if path.suffix.lower() in wanted and path.is_file())
    names = sorted(path.relative_to(source).as_posix() for path in paths)
    if not names:
        raise SourceError(f"Expected cloud or mesh files ({', '.join(sorted(wanted))}) below {source}, got none.")
    stems: dict[str, str] = {}
    for name in names:
        stem = str(Path(name).with_suffix(""))
        if stems.setdefault(stem, name) != name:
            raise SourceError(f"Expected one file a cloud, got {stems[stem]} and {name}, which would share a name.")
    return names


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
    """Make a cloud of every file of a folder, and `clouds.json` with units, axes and how points were drawn.

    The same settings give the same bytes with any number of workers. A damaged file does not stop the run: it is
    listed. Clouds that are there already are kept, so an interrupted run goes on where it was.

    Raises:
        UsageError: The folder was made with other settings before.
        SourceError: There is no file to read, or two files would get one name.
        LammDataError: open3d is needed and not installed.
    """
    source, output, settings, report = Path(source), Path(output), settings or CloudSettings(), CloudReport()
    names = _names(source)
    stated = {"units": "none" if settings.units == "none" else "metres", "made_with": asdict(settings)}
    _check_manifest(output, stated["made_with"])
    write_manifest(output, stated)
    for _, outcome in in_parallel(partial(_make_file, source, output, settings), names, workers):
        if outcome == "written":
            report.written += 1
        elif outcome == "kept":
            report.kept += 1
        else:
            report.faults.append(outcome)
        progress(1)
    return report


def _check_manifest(output: Path, made_with: object) -> None:
    path = output / MANIFEST
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8")).get("made_with")
        if before != made_with:
            raise UsageError(
                f"Expected the settings {output} was made with, {before}, got {made_with}. Name another one."
            )
