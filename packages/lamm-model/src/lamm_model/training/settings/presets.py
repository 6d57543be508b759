"""The named configurations that come with the package."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lamm_model.errors import UsageError
from lamm_model.training.settings.checking import nearest


def _folder() -> Traversable:
    return files("lamm_model.training.settings") / "preset_files"


def summaries() -> dict[str, str]:
    """Return the presets' names with the first comment line of each file."""
    found = sorted((item for item in _folder().iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return {
        item.name.removesuffix(".toml"): item.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for item in found
    }


def launchers() -> dict[str, str]:
    """Return the names of the configurations for `accelerate launch`, with the first comment line of each file."""
    found = sorted((files("lamm_model.training.settings") / "launch_files").iterdir(), key=lambda item: item.name)
    return {
        item.name.removesuffix(".yaml"): item.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for item in found
        if item.name.endswith(".yaml")
    }


def path_of(name: str) -> Path:
    """Return the file of a preset, or of a launcher's configuration.

    Raises:
        UsageError: There is none of that name.
    """
    if name in launchers():
        return Path(str(files("lamm_model.training.settings") / "launch_files" / f"{name}.yaml"))
    if name not in summaries():
        raise UsageError(f"Expected a preset of --list, found {name!r}{nearest(name, summaries() | launchers())}")
    return Path(str(_folder() / f"{name}.toml"))
