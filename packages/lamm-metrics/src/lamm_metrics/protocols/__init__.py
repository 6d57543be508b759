"""The published rules by name: which metrics, with which options, give the numbers that a project prints.

A protocol is one row. Its options are those of the metrics' constructors, so that the same numbers can be had by
`--metric` and `--set`; the name stands in every signature, since numbers of two protocols must not share a column.
"""

from collections.abc import Mapping

from lamm_metrics.errors import UsageError, did_you_mean
from lamm_metrics.protocols import images, judged, open_answers, scenes
from lamm_metrics.protocols.rule import Protocol, Use

__all__ = ["OWN", "PROTOCOLS", "PUBLISHED", "Protocol", "Use", "protocols_of", "published"]

_ROWS = (*open_answers.ROWS, *scenes.ROWS, *images.ROWS, *judged.ROWS)
PUBLISHED: Mapping[str, Protocol] = {row.name: row for row in _ROWS}
"""The published rules by name."""
OWN = ("standard", "paper", "coco")
"""Protocols that are no rows: a task's own metrics, the formulas of LAMM's paper, the numbers of COCO's files."""
PROTOCOLS = (*OWN, *PUBLISHED)


def published(name: str, task: str = "") -> Protocol | None:
    """Return the row of a protocol, None for those that are none.

    Args:
        name: The protocol.
        task: A task that it must score; empty for any.

    Raises:
        UsageError: There is no such protocol, or it does not score the task.

    >>> published("leo").tasks["open_vqa3d"][0].metric, published("standard")
    ('exact_match', None)
    """
    if name not in PROTOCOLS:
        raise UsageError(f"Expected a protocol, got {name!r}. {did_you_mean(name, PROTOCOLS)}")
    row = PUBLISHED.get(name)
    if row is not None and task and task not in row.tasks:
        able = ", ".join(protocols_of(task, judged=True)) or ", ".join(OWN)
        raise UsageError(
            f"Expected a protocol that scores {task} ({able}), got {name!r}, which scores {', '.join(row.tasks)}. "
            "Choose one that does."
        )
    return row


def protocols_of(task: str, judged: bool = False) -> list[str]:
    """Return the names of the published rules that score a task.

    Args:
        task: A task key.
        judged: Also those that need marks of a language model.

    >>> protocols_of("open_vqa3d")[:2]
    ['scanqa-official', 'leo']
    """
    return [row.name for row in _ROWS if task in row.tasks and (judged or not row.judged)]
