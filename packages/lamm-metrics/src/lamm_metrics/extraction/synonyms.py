"""Built-in names for the benchmark's label sets, read from package data."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files


def read_table(name: str) -> dict[str, list[str]]:
    """A JSON table of word lists from the package's data.

    Args:
        name: File name.
    """
    text = (files("lamm_metrics.extraction") / "data" / name).read_text(encoding="utf-8")
    table: dict[str, list[str]] = json.loads(text)
    return table


@lru_cache(maxsize=1)
def _names() -> dict[str, list[str]]:
    return read_table("synonyms.json")


TRAPS: Sequence[str] = tuple(read_table("traps.json")["phrases"])


@lru_cache(maxsize=64)
def known_synonyms(labels: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """The built-in further names of these labels; a label without any is left out.

    Args:
        labels: Labels as a benchmark file spells them (`diningtable`, `dining table` and `dining_table` are one).
    """
    by_key = _names()
    found = {label: by_key.get("".join(filter(str.isalnum, label.lower())), []) for label in labels}
    return {label: names for label, names in found.items() if names}
