"""Settings of the commands that compose others: tables of a TOML file, with overrides from the command line."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import make_dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

Tables = dict[str, dict[str, Any]]
BARE = re.compile(r"[A-Za-z0-9_-]+")


class SettingsError(Exception):
    """A settings file or an override names what the command does not have, or is no TOML."""

    exit_code = 2


def packaged_settings(name: str) -> Tables:
    """Return the tables of a settings file that this package carries, such as `demo`."""
    return tomllib.loads((files("lamm_cli") / "data" / f"{name}.toml").read_text(encoding="utf-8"))


def read_settings(path: Path, known: Tables, free: Iterable[str] = ()) -> Tables:
    """Read a user's settings file over the known ones.

    Args:
        path: TOML file.
        known: Tables with their default values, which say what keys there are and of which type.
        free: Tables whose keys the user chooses.

    Raises:
        SettingsError: All faults of the file at once, unknown names with the nearest known one.
    """
    from lamm_data import load_toml

    return _over(known, load_toml(path, SettingsError), str(path), free)


def override(tables: Tables, assignments: Iterable[str], free: Iterable[str] = ()) -> Tables:
    """Return the tables with single keys set.

    Args:
        tables: All tables.
        assignments: `table.key=value` in TOML syntax; a bare word is taken as a string.
        free: Tables whose keys the user chooses.

    Raises:
        SettingsError: An assignment is malformed, names an unknown key, or has a value of another type.
    """
    from lamm_data import did_you_mean, parse_assignment

    found: Tables = {}
    for assignment in assignments:
        path, value = parse_assignment(assignment, error=SettingsError)
        table, _, key = path.partition(".")
        if not key or (key not in tables.get(table, {}) and table not in free):
            known = [f"{name}.{entry}" for name, entries in tables.items() for entry in entries]
            meant = did_you_mean(path, known) if key else f"Choose one of {', '.join(known)}."
            raise SettingsError(f"Expected --set with a key of this command, got {assignment!r}. {meant}")
        found.setdefault(table, {})[key] = value
    return _over(tables, found, "--set", free)


def _over(known: Tables, found: Mapping[str, Any], where: str, free: Iterable[str]) -> Tables:
    """Return the known tables with what was found laid over them; a value has the type of the one it replaces."""
    from lamm_data import check_values, nearest

    tables = {name: dict(table) for name, table in known.items()}
    faults = []
    for name, table in found.items():
        if name not in known or not isinstance(table, dict):
            faults.append(f"unknown table [{name}]{nearest(name, known)}")
        elif name in free:
            tables[name] |= table
        else:
            kinds = {
                key: tuple[str, ...] if isinstance(value, list) else type(value) for key, value in tables[name].items()
            }
            values, wrong, _ = check_values(table, make_dataclass(name, kinds.items()), f"{name}.", least=0)
            tables[name] |= {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
            faults += wrong
    if faults:
        raise SettingsError(f"Expected the settings this command has, got in {where}: {'; '.join(faults)}.")
    return tables


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Write plain tables of strings, numbers, booleans and lists of them as TOML."""
    # A JSON string, number, truth value or list of them is one of TOML, too.
    written = partial(json.dumps, ensure_ascii=False)
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key if BARE.fullmatch(key) else written(key)} = {written(value)}" for key, value in table.items()]
        lines.append("")
    return "\n".join(lines)
