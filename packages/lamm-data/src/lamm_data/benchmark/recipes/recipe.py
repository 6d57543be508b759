"""A recipe as a TOML file: what is changed, for which tasks, and its variants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lamm_data.errors import UsageError
from lamm_data.files.settings import check_values, did_you_mean, load_toml, nearest, packaged_names, packaged_toml
from lamm_data.records.benchmark import BenchmarkRecord
from lamm_data.records.instruction import media_paths
from lamm_data.records.tasks import TASKS
from lamm_data.writing.draws import item_rng


@dataclass(frozen=True, slots=True)
class Variant:
    """One way a recipe changes the benchmark.

    Attributes:
        name: Stands after a plus in the names of its files.
        values: Its settings, of the class that the recipe's kind names.
    """

    name: str
    values: Any


@dataclass(frozen=True)
class _Head:
    kind: str = ""
    tasks: tuple[str, ...] = ()
    seed: int = 0
    title: str = ""


@dataclass(frozen=True)
class Recipe(_Head):
    """What is changed and how.

    Attributes:
        kind: A key of `KINDS`.
        tasks: Task keys it applies to.
        seed: Seed of everything drawn.
        title: One line for people.
        name: File name without its ending.
        variants: At least one.
    """

    name: str = ""
    variants: tuple[Variant, ...] = ()


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
    _copies: dict[str, str] = field(default_factory=dict)

    def copied(self, media: str | list[str] | None, change: Callable[[str], str]) -> str | list[str]:
        """Return the changed copies of a record's media, as it names them; `change` makes each of them once."""
        names = media_paths(media)
        for name in names:
            if name not in self._copies:
                self._copies[name] = change(name)
        copies = [self._copies[name] for name in names]
        return copies if isinstance(media, list) else copies[0]

    def copy_name(self, name: str, suffix: str) -> str:
        """Name the copy of a medium below the variant's folder."""
        return f"{self.variant}/{name}{suffix}"

    def media_seed(self, name: str) -> int:
        """Return the seed of what is drawn for a medium."""
        return item_rng(self.seed, self.variant, name).getrandbits(63)


class Kind(NamedTuple):
    """What recipes of a kind do.

    Attributes:
        change: Gives the changed records of a variant.
        settings: Dataclass of a variant's settings; its method `faults`, if it has one, names impossible ones.
        least: Smallest number among them.
    """

    change: Callable[[Sequence[BenchmarkRecord], Any, Job], Sequence[BenchmarkRecord] | Sequence[dict[str, Any]]]
    settings: type
    least: float | None = None


def packaged_recipes() -> list[str]:
    """Name the recipes that come with the package."""
    return packaged_names("benchmark/recipes/packaged")


def read_recipe(name: str, kinds: Mapping[str, Kind]) -> Recipe:
    """Read a packaged recipe by its name, or a recipe file by its path.

    Args:
        name: Name or path.
        kinds: The kinds there are.

    Raises:
        UsageError: There is none, or it is not laid out as a recipe; all faults are named.
    """
    if name in packaged_recipes():
        table = packaged_toml("benchmark/recipes/packaged", f"{name}.toml")
    elif Path(name).is_file():
        table = load_toml(Path(name))
    else:
        raise UsageError(f"Expected a recipe or its file, got {name!r}. {did_you_mean(name, packaged_recipes())}")
    listed = table.pop("variants", None)
    values, faults, _ = check_values(table, _Head)
    head = _Head(**values)
    if head.kind not in kinds:
        faults.append(f"kind {head.kind!r}{nearest(head.kind, kinds)}")
    if not head.tasks or not set(head.tasks) <= TASKS.keys():
        faults.append(f"tasks {', '.join(head.tasks) or 'none'} (expected some of {', '.join(TASKS)})")
    variants, wrong = _variants(listed if isinstance(listed, list) else [], kinds.get(head.kind))
    if faults or wrong:
        raise UsageError(f"Expected a recipe, got in {name}: {'; '.join(faults + wrong)}.")
    return Recipe(**{"title": Path(name).stem} | values, name=Path(name).stem, variants=variants)


def _variants(listed: list[Any], kind: Kind | None) -> tuple[tuple[Variant, ...], list[str]]:
    """Return the variants and what is wrong with them; the settings of an unknown kind are not looked at."""
    entries: list[dict[str, Any]] = [dict(entry) if isinstance(entry, dict) else {} for entry in listed]
    names = [entry.pop("name", None) for entry in entries]
    faults = []
    if not names or len(set(map(str, names))) < len(names) or not all(map(_is_name, names)):
        faults.append(
            f"variants named {names!r} (expected [[variants]] with names of their own, letters, digits, - and _)"
        )
    variants = []
    for name, entry in zip(names, entries, strict=True):
        if kind is None:
            break
        values, wrong, _ = check_values(entry, kind.settings, f"{name}.", kind.least)
        settings = kind.settings(**values)
        impossible = settings.faults() if not wrong and hasattr(settings, "faults") else []
        faults += [*wrong, *(f"{name}.{fault}" for fault in impossible)]
        variants.append(Variant(str(name), settings))
    return tuple(variants), faults


def _is_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[\w-]+", name) is not None
