"""Conversion of the sample world's training split, in one call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamm_data.templates.run import ConvertSettings, convert_source


def convert_sample(
    root: str | Path, output: str | Path, *, progress: Callable[[int], None] | None = None, **settings: Any
) -> Counter[str]:
    """Write the instruction records of a sample world; keywords are those of `ConvertSettings`."""
    return convert_source("sample", root, output, ConvertSettings(**settings), progress=progress)
