"""The settings of `lamm demo`: the packaged TOML file with overrides."""

import tomllib
from importlib.resources import files
from typing import Any


class DemoSettingsError(Exception):
    """An override names a key that the demo does not have."""

    exit_code = 2


def demo_settings(overrides: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return the demo's tables.

    Args:
        overrides: Assignments ``table.key=value`` in TOML syntax; a bare word is taken as a string.

    Raises:
        DemoSettingsError: An assignment is malformed or names an unknown key.
    """
    tables = tomllib.loads((files("lamm_cli") / "data" / "demo.toml").read_text(encoding="utf-8"))
    for assignment in overrides:
        path, sign, text = assignment.partition("=")
        table, _, key = path.strip().partition(".")
        if not sign or key not in tables.get(table, {}):
            known = ", ".join(f"{name}.{entry}" for name, entries in tables.items() for entry in entries)
            raise DemoSettingsError(f"Expected --set with one of {known}; found {assignment!r}.")
        try:
            tables[table][key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            tables[table][key] = text
    return tables


def as_toml(tables: dict[str, dict[str, Any]]) -> str:
    """Write plain tables of strings, numbers, booleans and lists of strings as TOML."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_value(value)}" for key, value in table.items()]
        lines.append("")
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
