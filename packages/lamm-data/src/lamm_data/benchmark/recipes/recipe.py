"""A recipe as a TOML file: what is changed, for which tasks, and its variants."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from lamm_data.errors import UsageError
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.tasks import TASKS

KEYS = {"title", "kind", "tasks", "seed", "variants"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way a recipe changes the benchmark.

    Attributes:
        name: Stands after a plus in the names of its files.
        values: Its settings, as the recipe's kind knows them.
    """

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is changed and how.

    Attributes:
        name: File name without its ending.
        title: One line for people.
        kind: `remap`, `in_context`, `image_corruption`, `text_corruption`, `cloud_corruption`, `presence`, `likelihood`
            or `alignment`.
        tasks: Task keys it applies to.
        seed: Seed of everything drawn.
        variants: At least one.
    """

    name: str
    title: str
    kind: str
    tasks: tuple[str, ...]
    seed: int
    variants: tuple[Variant, ...]


@dataclass
class Job:
    """What a kind works with.

    Attributes:
        seed: The recipe's.
        variant: The variant's name, part of every random stream.
        media_root: Folder of the base file's media.
        media_output: Folder for changed media; a kind that changes none leaves it alone.
        examples: Records of the training split of the same set; empty where there are none.
        left_out: Records left out, by reason.
    """

    seed: int
    variant: str
    media_root: Path
    media_output: Path
    examples: Sequence[BenchmarkRecord] = ()
    left_out: Counter[str] = field(default_factory=Counter)


def packaged_recipes() -> list[str]:
    """Name the recipes that come with the package."""
    folder = resources.files("lamm_data.benchmark.recipes") / "packaged"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_recipe(name: str, kinds: Mapping[str, object]) -> Recipe:
    """Read a packaged recipe by its name, or a recipe file by its path.

    Args:
        name: Name or path.
        kinds: The kinds there are.

    Raises:
        UsageError: There is none, or it is not laid out as a recipe; all faults are named.
    """
    path = Path(name)
    if name in packaged_recipes():
        text = (resources.files("lamm_data.benchmark.recipes") / "packaged" / f"{name}.toml").read_text("utf-8")
    elif path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise UsageError(f"Expected a recipe, got {name!r}. Name a file or one of {', '.join(packaged_recipes())}.")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise UsageError(f"Expected a recipe in TOML, got something else ({name}: {fault}).") from fault
    faults = _faults(table, kinds)
    if faults:
        raise UsageError(f"Expected a recipe, got in {name}: {'; '.join(faults)}.")
    variants = tuple(
        Variant(entry["name"], {key: value for key, value in entry.items() if key != "name"})
        for entry in table["variants"]
    )
    title = str(table.get("title", path.stem))
    return Recipe(path.stem, title, table["kind"], tuple(table["tasks"]), table.get("seed", 0), variants)


def _faults(table: Mapping[str, Any], kinds: Mapping[str, object]) -> list[str]:
    faults = [f"unknown key {key!r} (known: {', '.join(sorted(KEYS))})" for key in table.keys() - KEYS]
    if table.get("kind") not in kinds:
        faults.append(f"kind {table.get('kind')!r} (expected one of {', '.join(kinds)})")
    tasks = table.get("tasks")
    if not isinstance(tasks, list) or not tasks or not set(map(str, tasks)) <= TASKS.keys():
        faults.append(f"tasks {tasks!r} (expected some of {', '.join(TASKS)})")
    if not isinstance(table.get("seed", 0), int):
        faults.append(f"seed {table['seed']!r} (expected a whole number)")
    variants = table.get("variants")
    listed = variants if isinstance(variants, list) else []
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in listed]
    if not names or len(set(map(str, names))) < len(names) or not all(_is_name(name) for name in names):
        faults.append(
            f"variants named {names!r} (expected [[variants]] with names of their own, letters, digits, - and _)"
        )
    return faults


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name != "" and name.replace("-", "").replace("_", "").isalnum()


def setting(values: Mapping[str, Any], name: str, default: Any, low: float | None = None) -> Any:
    """Return one setting of a variant.

    Raises:
        UsageError: It is of another type than the default, or too small.
    """
    value = values.get(name, default)
    number = isinstance(default, int | float) and isinstance(value, int | float) and not isinstance(value, bool)
    if not (number or isinstance(value, type(default))) or (low is not None and value < low):
        least = "" if low is None else f" from {low}"
        raise UsageError(f"Expected `{name}` of a variant to be a {type(default).__name__}{least}, got {value!r}.")
    return value
