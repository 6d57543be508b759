"""What a call about batches did, and how it is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.generation.results import Counts
from lamm_llm import Batch


@dataclass
class BatchSummary:
    """What one call did, and where the batches stand.

    Attributes:
        action: `submit`, `status`, `collect` or `cancel`.
        batches: The batches that may still give answers, and those that ended in this call.
        requests: Requests handed over or taken back in this call.
        counts: How the rows stand (`submit` and `collect`).
        prompt_tokens: Prompt tokens paid, as far as collected in this call.
        answer_tokens: Answer tokens paid, as far as collected in this call.
        cost: US dollars: of what was collected, or at most of what was submitted; None when the price is unknown.
        stopped: Why not everything was submitted, or what a batch as a whole failed of; empty when all went well.
    """

    action: str
    batches: list[Batch] = field(default_factory=list)
    requests: int = 0
    counts: Counts = field(default_factory=Counts)
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float | None = None
    stopped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {**vars(self), "counts": self.counts.to_dict(), "batches": [asdict(batch) for batch in self.batches]}


def describe_batches(summary: BatchSummary, output: Path) -> str:
    """Say what a call did, one line a batch.

    Args:
        summary: What it did.
        output: The run's output file.

    Returns:
        Text of several lines.
    """
    cost = "unknown" if summary.cost is None else f"{summary.cost:.4f} USD"
    counts, lines = summary.counts, []
    if summary.action == "submit":
        lines.append(
            f"{summary.requests} requests handed over, cost at most {cost} ({summary.stopped or 'all of them'})"
        )
    if summary.action == "collect":
        reasons = "".join(f", {count} {reason}" for reason, count in sorted((counts.rejected + counts.failed).items()))
        lines.append(
            f"{counts.rows} rows: {counts.finished} finished, {counts.rejected.total()} rejected, "
            f"{counts.failed.total()} failed{reasons}, {counts.unsent} waiting; {counts.records} records in {output}, "
            f"cost {cost}"
        )
    lines += [
        f"{batch.id or batch.token[:12]}: {batch.status}, "
        f"{batch.answered} of {batch.requests} answered, {batch.failed} failed"
        for batch in summary.batches
    ]
    return "\n".join(lines) or "No batches are under way."
