"""The named configurations that come with the package, and whether what a configuration names is there."""

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from lamm_data import did_you_mean
from lamm_model.errors import UsageError
from lamm_model.training.settings.settings import FinetuneSettings


def _files(folder: str) -> dict[str, Path]:
    return {path.stem: path for path in sorted(Path(str(files("lamm_model.training.settings") / folder)).glob("*.*ml"))}


def _first_lines(folder: str) -> dict[str, str]:
    return {
        name: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for name, path in _files(folder).items()
    }


def summaries() -> dict[str, str]:
    """Return the presets' names with the first comment line of each file."""
    return _first_lines("preset_files")


def launchers() -> dict[str, str]:
    """Return the names of the configurations for `accelerate launch`, with the first comment line of each file."""
    return _first_lines("launch_files")


def path_of(name: str) -> Path:
    """Return the file of a preset, or of a launcher's configuration.

    Raises:
        UsageError: There is none of that name.
    """
    known = _files("preset_files") | _files("launch_files")
    if name not in known:
        raise UsageError(f"Expected a preset of --list, got {name!r}. {did_you_mean(name, known)}")
    return known[name]


def configuration(name: str) -> Path:
    """Return the file of a preset of this name, else the path that the name is."""
    return _files("preset_files").get(name, Path(name))


def check_names(settings: FinetuneSettings) -> None:
    """Look for every file, folder and program that a configuration names.

    Raises:
        UsageError: Some are missing; all of them are listed.
    """
    missing = list(_missing(settings))
    if missing:
        lines = "\n".join(f"  {line}" for line in missing)
        raise UsageError(
            f"Expected everything that the configuration names, found {len(missing)} missing:\n{lines}\n"
            "Paths are relative to the folder that the command runs in."
        )


def _missing(settings: FinetuneSettings) -> Iterator[str]:
    model, data, judged = settings.model, settings.data, settings.evaluation
    files = [("data.records", name) for name in data.records]
    files += [("evaluation.records", name) for name in judged.records]
    files += [("evaluation.benchmark", judged.benchmark)]
    folders = [("model.path", model.path), ("data.media_root", data.media_root)]
    folders += [
        (f"model.{part}", name)
        for part, name in (
            ("base", model.base),
            ("language_model", model.language_model),
            ("image_tower", model.image_tower),
        )
        if not _may_be_on_a_hub(name)
    ]
    yield from (f"{key}: no file {name}" for key, name in files if name and not Path(name).is_file())
    yield from (f"{key}: no folder {name}" for key, name in folders if name and not Path(name).is_dir())
    if data.feature_cache and not Path(data.feature_cache).is_dir():
        yield f"data.feature_cache: no folder {data.feature_cache}; lamm model cache-features fills it"
    if judged.command and shutil.which(judged.command[0]) is None:
        yield f"evaluation.command: no program {judged.command[0]}"


def _may_be_on_a_hub(name: str) -> bool:
    """Return whether a name can be `model` or `owner/model`, and not a path alone."""
    return name.count("/") <= 1 and not name.startswith((".", "/", "~")) and "\\" not in name
