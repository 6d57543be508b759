"""Which sources' annotations are exhaustive for which classes: where a question may be answered "no"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lamm_data.errors import UsageError
from lamm_data.files.settings import packaged_toml
from lamm_data.sources.registry import Source


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """A closed list of classes that were looked for in every image or scene of a source.

    Attributes:
        classes: Their names, as the annotations spell them.
        why: How it is known that they were looked for.
        per_item: Questions drawn from each item by default.
    """

    classes: tuple[str, ...]
    why: str
    per_item: int


@cache
def load_exhaustive() -> tuple[dict[tuple[str, str], Exhaustive], dict[str, str]]:
    """Load the table.

    Returns:
        Closed lists by source and task, and the reasons why other sources are refused.
    """
    table = packaged_toml("templates", "exhaustive.toml")
    refused = table.pop("refused")
    known = {
        (source, task): Exhaustive(tuple(entry["classes"]), entry["why"], entry["per_item"])
        for source, tasks in table.items()
        for task, entry in tasks.items()
    }
    return known, refused


def refuse_negatives(source: Source) -> UsageError:
    """Make the error for a source whose annotations do not say that anything is absent."""
    known, refused = load_exhaustive()
    able = ", ".join(f"{name} ({task})" for name, task in known)
    why = refused.get(source.name, "none of its chosen tasks has boxes of a closed list of classes")
    return UsageError(
        f"Expected exhaustive annotations for --negatives, got {source.name}, where a missing label does not mean "
        f"that nothing is there: {why}. Sources that allow it: {able}."
    )
