"""Lines of journals: one JSON object with the version of its form and a checksum of its text."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any
from zlib import crc32

from lamm_llm.fast_json import dumps, loads

LINE_VERSION = 2
"""Version 1 had neither version nor checksum; such lines are still read."""
_SEAL = re.compile(rb',"crc":"([0-9a-f]{8})"\}\s*\Z')


def seal_line(values: dict[str, Any]) -> bytes:
    """Return a line of a journal, with its end: the values, the version, and the CRC-32 of the text before it."""
    text = dumps({"v": LINE_VERSION, **values})[:-1]
    return text + b',"crc":"%08x"}\n' % crc32(text)


def open_line(line: bytes, known: Set[str] | None = None) -> dict[str, Any]:
    """Return the values of a journal's line, without version and checksum.

    Args:
        line: The line.
        known: Names that a line may have; None for any.

    Raises:
        ValueError: It is no JSON object, of another version, changed since it was written, or has unknown fields.
    """
    try:
        values = loads(line)
    except RecursionError:
        raise ValueError("JSON nested beyond reason") from None
    if not isinstance(values, dict):
        raise ValueError("no JSON object")
    version, seal = values.pop("v", 1), _SEAL.search(line)
    if version not in (1, LINE_VERSION) or isinstance(version, bool):
        raise ValueError(f"its version is {version!r}, versions 1 and {LINE_VERSION} are read")
    if version == LINE_VERSION and (seal is None or int(seal[1], 16) != crc32(line[: seal.start()])):
        raise ValueError("its text was changed: it has not the checksum that it was written with")
    if version == LINE_VERSION:
        del values["crc"]
    refuse_unknown(values, known)
    return values


def refuse_unknown(values: dict[str, Any], known: Set[str] | None) -> None:
    """Refuse names that nobody reads.

    Raises:
        ValueError: Naming them.
    """
    if known is not None and not known >= values.keys():
        raise ValueError(f"unknown fields {', '.join(sorted(map(repr, values.keys() - known)))}")
