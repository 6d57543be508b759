"""The named configurations that come with the package."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from lamm_model.errors import UsageError


def _folder() -> Traversable:
    return files("lamm_model.training") / "preset_files"


def summaries() -> dict[str, str]:
    """Return the presets' names with the first comment line of each file."""
    found = sorted((item for item in _folder().iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return {
        item.name.removesuffix(".toml"): item.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for item in found
    }


def path_of(name: str) -> Path:
    """Return the file of a preset.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in summaries():
        raise UsageError(f"Expected a preset ({', '.join(summaries())}), found {name!r}.")
    return Path(str(_folder() / f"{name}.toml"))
