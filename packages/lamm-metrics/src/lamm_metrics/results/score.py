"""What a metric says: scores, and how single records were scored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any, NamedTuple, Self

BOX, POINT, BOX_3D = "box", "point", "box3d"


@cache
def version() -> str:
    """Return version of the installed lamm-metrics, part of every signature."""
    from importlib.metadata import version as installed_version

    return installed_version("lamm-metrics")


def signature(name: str, **choices: object) -> str:
    """Name every choice that can move a number, as `name|choice:value|…|v:version`.

    >>> signature("accuracy", task="vqa", failed="wrong").rsplit("|", 1)[0]
    'accuracy|task:vqa|failed:wrong'
    """
    return "|".join([name, *(f"{key}:{value}" for key, value in choices.items()), f"v:{version()}"])


@dataclass(frozen=True, slots=True)
class Score:
    """One number and all that is needed to trust or reproduce it.

    Attributes:
        name: What it is, `paper/…` for the published formulas.
        value: The number (fractions are 0..1), or None where it is undefined, as with no records.
        interval: Confidence interval, None where there are too few groups for one.
        n: Records that were scored.
        n_failed: Records whose answer could not be read.
        higher_is_better: Direction.
        signature: Every choice that can move the number.
        extra: Further numbers about this one, such as the score if every failed answer were right.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    n: int
    n_failed: int
    higher_is_better: bool
    signature: str
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def failure_rate(self) -> float:
        """Return the share of the records whose answer could not be read."""
        return self.n_failed / self.n if self.n else 0.0

    def __str__(self) -> str:
        value = "undefined" if self.value is None else f"{self.value:.4f}"
        interval = "" if self.interval is None else f" [{self.interval[0]:.4f}, {self.interval[1]:.4f}]"
        return f"{self.name} {value}{interval}  n={self.n} failed={self.failure_rate:.1%}  {self.signature}"

    def _repr_html_(self) -> str:
        value = "undefined" if self.value is None else f"{self.value:.4f}"
        interval = "" if self.interval is None else f" [{self.interval[0]:.4f}, {self.interval[1]:.4f}]"
        return (
            f"<p><strong>{escape(self.name)}</strong> {value}{interval} "
            f"<small>n={self.n}, failed {self.failure_rate:.1%}, <code>{escape(self.signature)}</code></small></p>"
        )

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        return {
            "name": self.name,
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "n": self.n,
            "n_failed": self.n_failed,
            "failure_rate": self.failure_rate,
            "higher_is_better": self.higher_is_better,
            "signature": self.signature,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        interval = given["interval"]
        return cls(
            name=given["name"],
            value=given["value"],
            interval=None if interval is None else (float(interval[0]), float(interval[1])),
            n=given["n"],
            n_failed=given["n_failed"],
            higher_is_better=given["higher_is_better"],
            signature=given["signature"],
            extra=given["extra"],
        )


class Mark(NamedTuple):
    """One box or point.

    Attributes:
        kind: "box" `[x1, y1, x2, y2]` and "point" `[x, y]` in shares of the image; "box3d" centre, size and, where the
            box is rotated, angles, in metres and radians in the cloud's frame.
        numbers: The coordinates.
        label: Class or joint, empty where there is none.
        true: Whether it belongs to the truth, else to the answer.
    """

    kind: str
    numbers: tuple[float, ...]
    label: str
    true: bool


class SampleResult(NamedTuple):
    """How one record was scored.

    Attributes:
        id: Identifier of the record.
        group: What makes records dependent, such as the image.
        status: A value of `lamm_metrics.extraction.result.Status`.
        value: What the record contributes, None where it has no value of its own.
        extracted: What was read from the answer.
        detail: Why the answer could not be read; empty where it could, or where nothing more is known.
        marks: The boxes and points that were compared, the true ones first.
    """

    id: str
    group: str
    status: str
    value: float | None
    extracted: str
    detail: str = ""
    marks: tuple[Mark, ...] = ()
