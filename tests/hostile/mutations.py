"""Changes to valid files: of their bytes, of the values that their JSON holds, of what their seals and lengths hide."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

Maker = Callable[[random.Random], bytes]
TOKENS = [b"0", b"-1", b"1e999", b"nan", b"null", b"[]", b"{}", b'""', b"\0", b"\n", b"\r", b",", b"\\ud800", b"\xff"]
TOKENS += [b"99999999999999999999", b"4294967296", b"[" * 500, b'{"a":' * 500, b"\xef\xbb\xbf", b"true", b"1" * 5000]
VALUES: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2**63,
    10**400,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a",
]
VALUES += [
    "1",
    "\ud800",
    "a\0b",
    "\x1b]0;x\x07",
    "../a.png",
    "x" * 300,
    "٣",
    [],
    {},
    [None],
    [[]],
    [0, 0, 1, 1],
    [1] * 40,
]
VALUES += [[0, 0, 1], ["a", 1], {"id": 1}, {"a": {"a": {}}}, [[[[[[1]]]]]], "(B)", [0.1, float("nan"), 0.3, 0.4]]


def flipped(*files: bytes) -> Maker:
    """Make one of some files after one to four changes of its bytes."""

    def make(draw: random.Random) -> bytes:
        return mutated(list(files), draw)

    return make


def within(*files: bytes, wrap: Callable[[bytes], bytes]) -> Maker:
    """Make a file around changed bytes, with the lengths and sums that belong to them."""

    def make(draw: random.Random) -> bytes:
        return wrap(mutated(list(files), draw))

    return make


def altered(*values: Any, write: Callable[[Any], bytes] | None = None) -> Maker:
    """Make a file of one of some values of JSON after one to three of its parts were changed."""
    texts = [json.dumps(value) for value in values]

    def make(draw: random.Random) -> bytes:
        value = [json.loads(draw.choice(texts))]
        for _ in range(draw.choice((1, 1, 2, 3))):
            _alter(value, draw)
        return (write or _dumped)(value[0])

    return make


def mutated(files: list[bytes], draw: random.Random) -> bytes:
    """Return one of some files after one to four changes."""
    raw = bytearray(draw.choice(files))
    for _ in range(draw.choice((1, 1, 2, 4))):
        kind, at = draw.randrange(7), draw.randrange(len(raw) + 1)
        length = draw.choice((1, 1, 2, 4, 8, 32))
        if kind == 0 and at < len(raw):
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            raw[at : at + length] = draw.randbytes(length)
        elif kind == 2:
            del raw[at : at + length]
        elif kind == 3:
            raw[at:at] = draw.choice(TOKENS)
        elif kind == 4:
            raw[at : at + length] = draw.choice(TOKENS)
        elif kind == 5:
            other = draw.choice(files)
            start = draw.randrange(len(other) + 1)
            raw[at:] = other[start : start + 200]
        elif len(raw) > 4:
            word = draw.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, draw.getrandbits(32)))
            raw[at : at + 4] = struct.pack("<I", word)
    return bytes(raw)


def lines(rows: Any) -> bytes:
    """Write one JSON value a line; what is no list is one line."""
    return b"".join(_dumped(row) + b"\n" for row in (rows if isinstance(rows, list) else [rows]))


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every part of a value as what holds it and its key there."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _alter(value: list[Any], draw: random.Random) -> None:
    """Change one part of what stands in a list of one."""
    places = list(_places(value))
    holder, key = draw.choice(places)
    kind = draw.randrange(8)
    if kind < 4 or holder is value:
        holder[key] = deepcopy(draw.choice(VALUES))
    elif kind == 4:
        del holder[key]
    elif kind == 5:  # what stands elsewhere
        other, name = draw.choice(places)
        holder[key] = deepcopy(other[name])
    elif kind == 6 and isinstance(holder, dict):
        holder[draw.choice(("", "id", key + "s", key.upper(), "\ud800", "x" * 300))] = holder.pop(key)
    elif isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = [holder[key]]
