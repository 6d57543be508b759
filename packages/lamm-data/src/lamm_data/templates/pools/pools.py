"""Pools of questions and answers, kept as TOML beside this module."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.files.settings import did_you_mean, packaged_names

STYLES = ("full", "short", "plain")
"""`full` answers are sentences; `short` ones the bare entity ("circle", "(B) red", "3"); `plain` the same, but an
option without its letter ("red")."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Templates of one task.

    Attributes:
        name: File stem.
        questions: Question templates.
        answers: Answer templates by style.
    """

    name: str
    questions: tuple[str, ...]
    answers: dict[str, tuple[str, ...]]

    @property
    def sha256(self) -> str:
        """Hash of all templates: two pools with one hash write the same records."""
        return hashlib.sha256(json.dumps([self.questions, self.answers], sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """List the pools that come with the package."""
    return packaged_names("templates/pools/packaged")


@cache
def load_pool(name: str) -> Pool:
    """Load one of the package's pools.

    Raises:
        UsageError: There is none of this name.
    """
    entry = resources.files("lamm_data.templates.pools").joinpath("packaged", f"{name}.toml")
    if not entry.is_file():
        raise UsageError(f"Expected a template pool, got {name!r}. {did_you_mean(name, names())}")
    return parse_pool(name, entry.read_text(encoding="utf-8"))


def read_pool(path: str | Path) -> Pool:
    """Read a pool of the user's own."""
    path = Path(path)
    try:
        return parse_pool(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Expected a template pool at {path}, got: {error}.") from error


def read_pools(folder: str | Path) -> dict[str, Pool]:
    """Read all pools of a folder, by name.

    Raises:
        UsageError: There is no pool, or one of them is none.
    """
    pools = {path.stem: read_pool(path) for path in sorted(Path(folder).glob("*.toml"))}
    if not pools:
        raise UsageError(f"Expected template pools (NAME.toml) in {folder}, got none.")
    return pools


def parse_pool(name: str, text: str) -> Pool:
    """Parse a pool's TOML.

    Raises:
        UsageError: It is not TOML or lacks questions or answers.
    """
    try:
        value = tomllib.loads(text)
        answers = value["answers"]
        short = value.get("short", answers)
        styles = {"full": answers, "short": short, "plain": value.get("plain", short)}
        return Pool(name, _texts(value["questions"]), {style: _texts(templates) for style, templates in styles.items()})
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise UsageError(f"Expected a pool with questions and answers, got {error} (pool {name!r}).") from error


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{str(values)[:60]!r} instead of a list of texts")
    return tuple(values)
