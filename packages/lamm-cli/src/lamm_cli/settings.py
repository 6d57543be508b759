"""Settings of the commands that compose others: tables of a TOML file, with overrides from the command line."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

Tables = dict[str, dict[str, Any]]


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
        known: Tables with their default values; a key that is in none of them is refused.
        free: Tables whose keys the user chooses.

    Raises:
        SettingsError: All faults of the file at once, with the nearest known name.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"Expected a TOML file, got something else ({path}: {error}).") from error
    tables = {name: dict(table) for name, table in known.items()}
    faults = []
    for name, table in given.items():
        if name not in tables or not isinstance(table, dict):
            faults.append(f"unknown table [{name}]{_nearest(name, tables)}")
            continue
        for key, value in table.items():
            if name in free or key in tables[name]:
                tables[name][key] = value
            else:
                faults.append(f"unknown key {name}.{key}{_nearest(key, tables[name])}")
    if faults:
        raise SettingsError(f"Expected the settings this command has, got in {path}: " + "; ".join(faults) + ".")
    return tables


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def override(tables: Tables, assignments: Iterable[str], free: Iterable[str] = ()) -> Tables:
    """Return the tables with single keys set.

    Args:
        tables: All tables.
        assignments: `table.key=value` in TOML syntax; a bare word is taken as a string.
        free: Tables whose keys the user chooses.

    Raises:
        SettingsError: An assignment is malformed or names an unknown key.
    """
    changed = {name: dict(table) for name, table in tables.items()}
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        table, _, key = path.strip().partition(".")
        if not sign or not key or (key not in changed.get(table, {}) and table not in free):
            known = ", ".join(f"{name}.{entry}" for name, entries in changed.items() for entry in entries)
            raise SettingsError(f"Expected --set with one of {known}; found {assignment!r}.")
        try:
            changed[table][key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changed[table][key] = text
    return changed


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Write plain tables of strings, numbers, booleans and lists of them as TOML."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items()]
        lines.append("")
    return "\n".join(lines)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)
