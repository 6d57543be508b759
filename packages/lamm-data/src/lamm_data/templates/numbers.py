"""How coordinates are written: 2D in fractions with two decimals, 3D in metres with three."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fractions(values: Iterable[float], decimals: int = 2) -> str:
    """Write fractions of image size as the LAMM-Dataset does: rounded, trailing zeros dropped.

    >>> fractions([0.1234, 0.5, 1.0])
    '[0.12, 0.5, 1.0]'
    """
    return "[" + ", ".join(repr(round(float(value), decimals) + 0.0) for value in values) + "]"


def metres(values: Iterable[float], decimals: int = 3) -> str:
    """Write metres with a fixed number of decimals.

    >>> metres([0.07, -3.6321])
    '[0.070, -3.632]'
    """
    return "[" + ", ".join(f"{round(float(value), decimals) + 0.0:.{decimals}f}" for value in values) + "]"


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the `{placeholders}` of a template; braces inside values are left alone.

    Raises:
        KeyError: A placeholder has no value.
    """
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def placeholders(template: str) -> frozenset[str]:
    """Name the placeholders of a template."""
    return frozenset(_PLACEHOLDER.findall(template))
