"""What a fine-tuning run is made of, read from one TOML file.

Every fault of a configuration is reported at once, before a weight is loaded: unknown keys with the nearest known one,
values of the wrong type or out of range, and keys that exclude each other.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data import build_tables, load_toml, parse_assignment
from lamm_model.errors import UsageError
from lamm_model.training.settings.tables import (
    AdapterSettings,
    ComputeSettings,
    DataSettings,
    EvaluationSettings,
    ModelSettings,
    TrainingSettings,
)


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """One fine-tuning run."""

    model: ModelSettings = field(default_factory=ModelSettings)
    adapters: AdapterSettings = field(default_factory=AdapterSettings)
    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)

    def to_tables(self) -> dict[str, dict[str, Any]]:
        """Return the settings as plain tables, as the TOML file holds them."""
        return dataclasses.asdict(self)


def load_settings(path: Path, overrides: tuple[str, ...] = ()) -> FinetuneSettings:
    """Read a configuration and apply ``section.key=value`` overrides.

    Args:
        path: A TOML file with the tables of `FinetuneSettings`.
        overrides: Assignments in TOML syntax, e.g. ``training.seed=1``; a bare word is taken as a string.

    Raises:
        UsageError: The file cannot be read as TOML, or holds faults; all of them are listed.
    """
    tables = load_toml(path, UsageError)
    for assignment in overrides:
        _apply(tables, assignment)
    return settings_from_tables(tables, str(path))


def settings_from_tables(tables: dict[str, Any], origin: str) -> FinetuneSettings:
    """Check plain tables and build the settings.

    Raises:
        UsageError: With every fault, one a line, each naming ``origin``, the key and what was expected.
    """
    built, faults = build_tables(tables, FinetuneSettings)
    if faults:
        if len(faults) == 1:
            raise UsageError(f"Expected a configuration without faults, got one in {origin}: {faults[0]}.")
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(f"Expected a configuration without faults, got {len(faults)} faults in {origin}:\n{listed}")
    return FinetuneSettings(**built)


def _apply(tables: dict[str, Any], assignment: str) -> None:
    key, value = parse_assignment(assignment, "section.key=value", UsageError)
    section, _, name = key.partition(".")
    table = tables.setdefault(section, {})
    if not isinstance(table, dict):
        raise UsageError(f"Expected the table [{section}] to set {key} in, found {table!r}.")
    table[name] = value
