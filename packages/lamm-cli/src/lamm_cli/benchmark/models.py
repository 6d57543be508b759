"""The models of a benchmark run, as the user names them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lamm_cli.settings import SettingsError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
BLIND = "blind"


@dataclass(frozen=True)
class Contestant:
    """One column of the leaderboard: a model, with its media or without.

    Attributes:
        name: What the leaderboard and the folders call it.
        model: Folder of a checkpoint, or the name by which the endpoint knows the model.
        endpoint: Address of an OpenAI-compatible endpoint; empty for a folder.
        blind: Whether images and clouds are withheld.
    """

    name: str
    model: str
    endpoint: str = ""
    blind: bool = False

    @property
    def label(self) -> str:
        """Return the column's heading."""
        return f"{self.name} ({BLIND})" if self.blind else self.name

    @property
    def folder(self) -> str:
        """Return the name of its folders."""
        return f"{self.name}.{BLIND}" if self.blind else self.name

    def arguments(self) -> list[str]:
        """Return what tells `lamm model predict` whom to ask."""
        asked = ["--model", self.model]
        asked += ["--endpoint", self.endpoint] if self.endpoint else []
        return [*asked, "--blind"] if self.blind else asked


def contestants(models: Mapping[str, object], blind: bool) -> list[Contestant]:
    """Return every model, followed by the same model blind.

    Args:
        models: By name a folder, or ``MODEL@URL``.
        blind: Whether each also answers without its media.

    Raises:
        SettingsError: A name cannot name a folder, or there is nothing behind it.
    """
    found = []
    for name, target in models.items():
        if not NAME.fullmatch(name) or name.endswith(f".{BLIND}"):
            raise SettingsError(f"Expected a model's name of letters, digits and ._+-, got {name!r}.")
        if not isinstance(target, str) or not target:
            raise SettingsError(f"Expected a folder or MODEL@URL for the model {name}, got {target!r}.")
        model, at, endpoint = target.rpartition("@")
        asked = Contestant(name, model, endpoint) if at and "://" in endpoint else Contestant(name, target)
        if not asked.endpoint and not Path(asked.model).is_dir():
            raise SettingsError(f"Expected the folder of a model for {name}, got nothing at {asked.model}.")
        found += [asked, Contestant(asked.name, asked.model, asked.endpoint, True)] if blind else [asked]
    return found


def named_models(words: Iterable[str]) -> dict[str, str]:
    """Read ``NAME=FOLDER``, ``FOLDER``, ``NAME=MODEL@URL`` or ``MODEL@URL`` as a table of models.

    Raises:
        SettingsError: Two models have one name.
    """
    models: dict[str, str] = {}
    for word in words:
        name, sign, target = word.partition("=")
        if not sign or not NAME.fullmatch(name):
            name, target = _plain_name(word), word
        if name in models:
            raise SettingsError(f"Expected a name of its own for each model, got {name} twice. Write NAME={target}.")
        models[name] = target if "://" in target else str(Path(target).resolve())
    return models


def _plain_name(target: str) -> str:
    """Name a model after its folder, or after the last part of the name that an endpoint has for it."""
    model, at, endpoint = target.rpartition("@")
    path = Path(model if at and "://" in endpoint else target)
    name = path.parent.name if path.name == "model" and path.parent.name else path.name
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.") or "model"
