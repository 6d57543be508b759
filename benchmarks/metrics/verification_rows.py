"""One comparison of our numbers with a reference's, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import isnan

from lamm_metrics import Report

EQUAL = 1e-9


@dataclass(frozen=True)
class Row:
    """Numbers of ours beside those of a reference.

    Attributes:
        task: Task key.
        protocol: "standard" for the task's own metrics, or the name of a rule.
        what: Which numbers.
        reference: Who else computed them.
        ours: Our numbers; None where undefined.
        theirs: Those of the reference.
        bound: The largest difference that the reason explains.
        reason: Why they are not equal, where they need not be.
    """

    task: str
    protocol: str
    what: str
    reference: str
    ours: Sequence[float | None]
    theirs: Sequence[float | None]
    bound: float = EQUAL
    reason: str = ""

    @property
    def difference(self) -> float:
        """Return the largest difference; where only one side is defined it is without end."""
        pairs = [(_number(a), _number(b)) for a, b in zip(self.ours, self.theirs, strict=True)]
        return max((0.0 if isnan(a) and isnan(b) else abs(a - b)) if isnan(a) == isnan(b) else 9e99 for a, b in pairs)

    def to_json(self) -> dict[str, object]:
        """Return what the page shows."""
        difference = self.difference
        mark = "equal" if difference <= EQUAL else "within" if difference <= self.bound and self.reason else "different"
        return {
            "task": self.task,
            "protocol": self.protocol,
            "what": self.what,
            "reference": self.reference,
            "numbers": len(self.ours),
            "difference": difference,
            "mark": mark,
            "bound": self.bound,
            "reason": "" if mark == "equal" else self.reason,
        }


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def named(report: Report) -> dict[str, float | None]:
    """Return the values of a report by the names of the scores."""
    return {one.name: one.value for one in report.scores}


def program(package: str, part: str = "") -> str:
    """Return an installed program with its version."""
    return f"{package} {version(package)}{f' ({part})' if part else ''}"
