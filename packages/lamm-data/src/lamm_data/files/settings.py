"""Settings from TOML text and `--set key=value`: checked against dataclasses, every fault named at once."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from lamm_data.errors import UsageError


def packaged_toml(room: str, name: str) -> dict[str, Any]:
    """Return a table that comes with the package, such as `registry.toml` of the room `sources`."""
    return tomllib.loads((files("lamm_data") / room / name).read_text(encoding="utf-8"))


def packaged_names(room: str) -> list[str]:
    """List the tables that come with the package in a room, without their ending."""
    entries = (files("lamm_data") / room).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def load_toml(path: Path, error: type[Exception] = UsageError) -> dict[str, Any]:
    """Return what a TOML file holds.

    Args:
        path: The file.
        error: What to raise.

    Raises:
        UsageError: Or `error`: there is no file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise error(f"Expected a configuration file, found none at {path}.") from fault
    except OSError as fault:
        raise error(f"Expected a configuration file at {path}: {fault.strerror}.") from fault
    except (ValueError, RecursionError) as fault:
        raise error(f"{path}: expected TOML: {fault}") from fault


def parse_assignment(text: str, form: str = "key=value", error: type[Exception] = UsageError) -> tuple[str, Any]:
    """Read one `--set key=value`; the value is TOML, or plain text where it is none.

    Args:
        text: The assignment.
        form: How it should look, for the message; with a dot in it the key must have one too.
        error: What to raise.

    Raises:
        UsageError: Or `error`: it looks otherwise.

    Example:
        >>> parse_assignment("rounds=5"), parse_assignment("model=a/b")
        (('rounds', 5), ('model', 'a/b'))
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip() or ("." in form and "." not in key):
        raise error(f"Expected --set {form}, got {text!r}.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value


def parse_part(text: str, name: str = "part") -> tuple[int, int]:
    """Read `2/8` as the second of eight parts.

    Args:
        text: Number of the part, from 1, and how many there are; empty for the whole.
        name: What an error calls it.

    Returns:
        Number of the part, from 0, and how many there are.

    Raises:
        UsageError: The text is no such pair.

    Example:
        >>> parse_part("2/8"), parse_part("")
        ((1, 8), (0, 1))
    """
    number, _, count = (text or "1/1").partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"Expected a {name} such as 2/8, got {text!r}.")
    return int(number) - 1, int(count)


def build_tables(tables: Mapping[str, Any], kind: type) -> tuple[dict[str, Any], list[str]]:
    """Build each table of a dataclass whose fields are dataclasses.

    Args:
        tables: Plain tables by name, as TOML holds them.
        kind: The dataclass. A table with a method `faults` is asked what contradicts itself.

    Returns:
        The tables by name, and every fault: unknown tables and keys with the nearest known one, values of the wrong
        type or below zero, and contradictions.
    """
    hints = typing.get_type_hints(kind)
    kinds = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    faults: list[str] = []
    built: dict[str, Any] = {}
    doubtful: set[str] = set()  # keys named above: a contradiction about one would say the same thing twice
    for name, table in tables.items():
        if name not in kinds:
            faults.append(f"unknown table [{name}]{nearest(name, kinds)}")
            doubtful |= {f"{close}." for close in difflib.get_close_matches(name, kinds, n=1)}
        elif not isinstance(table, dict):
            faults.append(f"[{name}] must be a table, found {table!r}")
        else:
            values, wrong, keys = check_values(table, kinds[name], f"{name}.", least=0)
            built[name] = kinds[name](**values)
            faults += wrong
            doubtful |= {f"{name}.{key}" for key in keys}
    for name, table_kind in kinds.items():
        part = built.setdefault(name, table_kind())
        contradictions = part.faults() if hasattr(part, "faults") else []
        faults += [fault for fault in contradictions if not _speaks_of(fault, name, doubtful)]
    return built, faults


def _speaks_of(fault: str, table: str, keys: Iterable[str]) -> bool:
    words = set(re.findall(r"\w+", fault))
    own = [key.removeprefix(f"{table}.") for key in keys if key.startswith(f"{table}.")]
    return any(not key or key in words for key in own)


def check_values(
    values: Mapping[str, Any], kind: type, prefix: str = "", least: float | None = None
) -> tuple[dict[str, Any], list[str], set[str]]:
    """Check values against the fields of one dataclass.

    Args:
        values: By key.
        kind: The dataclass.
        prefix: Before each key in messages.
        least: Smallest number that is taken, where there is one.

    Returns:
        What could be converted, every fault, and the keys that the faults are about.
    """
    hints = typing.get_type_hints(kind)
    converted: dict[str, Any] = {}
    faults: list[str] = []
    doubtful: set[str] = set()
    for key, value in values.items():
        name = f"{prefix}{key}" if prefix else repr(key)
        if key not in hints:
            faults.append(f"unknown key {name}{nearest(key, hints)}")
            doubtful.update(difflib.get_close_matches(key, hints, n=1))
            continue
        try:
            converted[key] = convert(value, hints[key], least)
        except ValueError as error:
            faults.append(f"{name}: {error}")
            doubtful.add(key)
    return converted, faults, doubtful


def convert(value: Any, hint: Any, least: float | None = None) -> Any:
    """Return a value as its hint wants it.

    Args:
        value: A value of TOML.
        hint: A type, a `Literal`, a tuple of one type, a path, or a union of types, of which a value keeps its own.
        least: Smallest number that is taken, where there is one.

    Raises:
        ValueError: It is of another type, not among the choices, or too small a number.
    """
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        kinds = [part for part in typing.get_args(hint) if part is not types.NoneType]
        return convert(value, type(value) if type(value) in kinds else kinds[-1], least)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise ValueError(f"expected one of {', '.join(map(str, choices))}, found {value!r}{_meant(value, choices)}")
    if origin is tuple:
        return _convert_list(value, typing.get_args(hint)[0])
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise ValueError(f"expected {hint.__name__ if isinstance(hint, type) else hint}, found {value!r}")
    if least is not None and isinstance(value, int | float) and not value >= least:
        raise ValueError(f"expected a number of at least {least}, found {value!r}")
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


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return what to do about an unknown name: the known one that is nearest, else all there are.

    >>> did_you_mean("coc", ["coco", "voc2012"]), did_you_mean("x", ["coco", "voc2012"])
    ('Did you mean coco?', 'Choose one of coco, voc2012.')
    """
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"Did you mean {close[0]}?" if close else f"Choose one of {', '.join(names)}."


def _meant(name: Any, known: Iterable[Any]) -> str:
    close = difflib.get_close_matches(str(name), list(map(str, known)), n=1)
    return f"; did you mean {close[0]}?" if close else ""
