"""What one must know to repeat a run: settings, versions, and hashes of what went in."""

import json
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lamm_cli.benchmark.models import BLIND, FREE, Model
from lamm_cli.folders import file_hash
from lamm_cli.leaderboard.scores import BenchmarkFile, BenchmarkFilesError
from lamm_cli.plugins import versions
from lamm_cli.settings import SettingsError, Tables, as_toml, packaged_settings, read_settings
from lamm_llm import loads, write_whole

SETTINGS = "run.toml"
MANIFEST = "manifest.json"
# A run directory holds one benchmark; models, recipes and scoring may be added or changed later.
FIXED = ("root", "sources", "tasks", "per_task", "seed")


def absolute_paths(settings: Tables) -> Tables:
    """Return the settings with every path of a file or folder made absolute, so that a run repeats from anywhere.

    Names of packaged recipes and presets and models of an endpoint stay as they are.
    """

    def absolute(name: Any, there: Callable[[Path], bool]) -> Any:
        return str(Path(name).resolve()) if isinstance(name, str) and name and there(Path(name)) else name

    benchmark, finetune = settings["benchmark"], settings["finetune"]
    recipes = [absolute(recipe, Path.is_file) for recipe in benchmark["recipes"]]
    return {
        **settings,
        "benchmark": {**benchmark, "root": absolute(benchmark["root"], Path.exists), "recipes": recipes},
        "models": {name: absolute(target, Path.is_dir) for name, target in settings["models"].items()},
        "finetune": {**finetune, "config": absolute(finetune["config"], Path.is_file)},
    }


def keep_settings(folder: Path, settings: Tables) -> Tables:
    """Write the run's settings, with the models of earlier calls added to those of this one.

    Returns:
        The settings that hold now.

    Raises:
        SettingsError: The folder holds a run on another benchmark; the differing keys are named.
    """
    path = folder / SETTINGS
    if path.is_file():
        before = read_settings(path, packaged_settings("benchmark"), free=FREE)
        differing = [key for key in FIXED if before["benchmark"][key] != settings["benchmark"][key]]
        if differing:
            shown = ", ".join(
                f"{key} was {before['benchmark'][key]!r}, is {settings['benchmark'][key]!r}" for key in differing
            )
            raise SettingsError(
                f"Expected the benchmark that {folder} holds, got other settings ({shown}). Choose another --output."
            )
        moved = [
            name
            for name, target in before["models"].items()
            if settings["models"].get(name, target) != target and _has_answered(folder, name)
        ]
        if moved:
            raise SettingsError(
                f"Expected the models that {folder} holds, got another one for {', '.join(moved)}. "
                "Give the new one another name."
            )
        settings = {**settings, "models": {**before["models"], **settings["models"]}}
    write_whole(path, as_toml(settings))
    return settings


def _has_answered(folder: Path, name: str) -> bool:
    """Whether a model has answers in a run directory: lines behind the first, which says what was asked how."""
    folders = (folder / "predictions" / name, folder / "predictions" / f"{name}.{BLIND}")
    kept = [path for place in folders for path in place.glob("*.jsonl*")]
    return any(path.read_bytes().count(b"\n") > 1 for path in kept)


def finished_run(folder: Path) -> tuple[Tables, list[Model]]:
    """Return the settings of a finished run and the models whose answers it holds.

    Raises:
        BenchmarkFilesError: The folder holds no finished run.
    """
    missing = [name for name in (SETTINGS, MANIFEST) if not (folder / name).is_file()]
    if missing:
        raise BenchmarkFilesError(
            f"Expected the directory of a finished run, found no {' and no '.join(missing)} in {folder}. "
            "`lamm benchmark run` makes one, or goes on with one that was interrupted."
        )
    settings = read_settings(folder / SETTINGS, packaged_settings("benchmark"), free=FREE)
    try:
        asked = loads((folder / MANIFEST).read_bytes())["models"]
        for one in asked:
            one["name"] = one["name"].removesuffix(f" ({BLIND})") if one["blind"] else one["name"]
        return settings, [Model(**one) for one in asked]
    except (ValueError, KeyError, TypeError, AttributeError, SettingsError) as error:
        raise BenchmarkFilesError(
            f"Expected the models of a finished run, got {type(error).__name__}: {error} ({folder / MANIFEST}). "
            "Use an intact run, or run the benchmark anew."
        ) from error


def write_manifest(folder: Path, files: Sequence[BenchmarkFile], asked: Sequence[Model]) -> None:
    """Write `manifest.json`."""
    manifest = {
        "lamm": "benchmark run",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "benchmark": [
            {"file": file.path.name, "task": file.task, "records": file.records, "sha256": file_hash(file.path)}
            for file in files
        ],
        "models": [
            {"name": one.label, "model": one.model, "endpoint": one.endpoint, "blind": one.blind} for one in asked
        ],
    }
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1))
