"""Check plain tables against dataclasses, and say everything that is wrong at once."""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal


def build_tables(tables: Mapping[str, Any], kinds: Mapping[str, type]) -> tuple[dict[str, Any], list[str]]:
    """Build one dataclass per table.

    Args:
        tables: Plain tables by name, as TOML holds them.
        kinds: The dataclass of each known table. One with a method ``faults`` is asked what contradicts itself.

    Returns:
        What could be built, by name, and every fault: unknown tables and keys with the nearest known one, values of the
        wrong type or below zero, and contradictions.
    """
    faults: list[str] = []
    built: dict[str, Any] = {}
    doubtful: set[str] = set()  # keys named above: a contradiction about one would say the same thing twice
    for name, table in tables.items():
        if name not in kinds:
            faults.append(f"unknown table [{name}]{nearest(name, kinds)}")
            doubtful |= {f"{table}." for table in difflib.get_close_matches(name, kinds, n=1)}
        elif not isinstance(table, dict):
            faults.append(f"[{name}] must be a table, found {table!r}")
        else:
            built[name] = _build(name, kinds[name], table, faults, doubtful)
    for name, kind in kinds.items():
        part = built.setdefault(name, kind())
        said = part.faults() if hasattr(part, "faults") else []
        faults += [fault for fault in said if not _speaks_of(fault, name, doubtful)]
    return built, faults


def _speaks_of(fault: str, table: str, keys: Iterable[str]) -> bool:
    words = set(re.findall(r"\w+", fault))
    own = [key.removeprefix(f"{table}.") for key in keys if key.startswith(f"{table}.")]
    return any(not key or key in words for key in own)


def _build(name: str, kind: type, table: dict[str, Any], faults: list[str], doubtful: set[str]) -> Any:
    hints = typing.get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if key not in hints:
            faults.append(f"unknown key {name}.{key}{nearest(key, hints)}")
            doubtful |= {f"{name}.{meant}" for meant in difflib.get_close_matches(key, hints, n=1)}
            continue
        try:
            values[key] = convert(value, hints[key])
        except ValueError as error:
            faults.append(f"{name}.{key}: {error}")
            doubtful.add(f"{name}.{key}")
    return kind(**values)


def convert(value: Any, hint: Any) -> Any:
    """Return a value as its hint wants it.

    Raises:
        ValueError: It is of another type, not among the choices, or a number below zero.
    """
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise ValueError(f"expected one of {', '.join(choices)}, found {value!r}{_meant(value, choices)}")
    if typing.get_origin(hint) is tuple:
        return _convert_list(value, typing.get_args(hint)[0])
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        wanted = hint.__name__ if isinstance(hint, type | types.GenericAlias) else str(hint)
        raise ValueError(f"expected {wanted}, found {value!r}")
    if isinstance(value, int | float) and not value >= 0:
        raise ValueError(f"expected a number of at least 0, found {value!r}")
    return value


def _convert_list(value: Any, kind: type) -> tuple[Any, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    converted = tuple(float(item) if kind is float and type(item) is int else item for item in items)
    if all(type(item) is kind for item in converted):
        return converted
    raise ValueError(f"expected a list of {kind.__name__}, found {value!r}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest known name, or all of them."""
    names = list(known)
    return _meant(name, names) or f"; known: {', '.join(sorted(names))}"


def _meant(name: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def table_kinds(settings: type) -> dict[str, type]:
    """Return the dataclass of each field of a dataclass of dataclasses."""
    hints = typing.get_type_hints(settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings)}
