"""What a metric says: scores, and how single records were scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from html import escape
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from lamm_metrics.errors import UsageError
from lamm_metrics.statistics import wrong_confidence
from lamm_metrics.tables import with_interval

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Made = TypeVar("Made", bound="DataclassInstance")
BOX, POINT, BOX_3D = "box", "point", "box3d"
# Marks of one side that are drawn: nobody could tell more of them apart.
MOST = 200


def check_sampling(draws: int, confidence: float) -> None:
    """Refuse a number of draws or a coverage that there cannot be.

    Raises:
        UsageError: Draws are negative, or the coverage is not between 0 and 1.
    """
    if draws < 0:
        raise UsageError(f"Expected draws of at least 0, got {draws}. Give a number such as 1000.")
    if not 0 < confidence < 1:
        raise wrong_confidence(confidence)


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


def checked(made: Made) -> Made:
    """Return what was made of a file once its texts are texts and its counts are numbers.

    Raises:
        TypeError: Some field is of another type than its class says.
        OverflowError: A number has more digits than any can have.
    """
    kinds: dict[Any, Any] = {str: str, bool: bool, int: int, float | None: float | int | None}
    kinds |= {Mapping[str, float]: dict, Mapping[str, Any]: dict}
    for one in fields(made):
        kind, value = kinds.get(one.type), getattr(made, one.name)
        if kind is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise TypeError(f"`{one.name}` is {value!r:.60}")
        for number in value.values() if one.type == Mapping[str, float] else (value,) if isinstance(value, int) else ():
            isnan(number)  # of numbers alone, and of those that a float holds
    return made


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
        value = with_interval(self.value, self.interval)
        return f"{self.name} {value}  n={self.n} unread={self.failure_rate:.1%}  {self.signature}"

    def _repr_html_(self) -> str:
        return (
            f"<p><strong>{escape(self.name)}</strong> {with_interval(self.value, self.interval)} "
            f"<small>n={self.n}, unread {self.failure_rate:.1%}, <code>{escape(self.signature)}</code></small></p>"
        )

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary that `json.dumps` accepts."""
        interval = None if self.interval is None else list(self.interval)
        return {**asdict(self), "interval": interval, "failure_rate": self.failure_rate}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        interval = written["interval"]
        values = {one.name: written[one.name] for one in fields(cls)}
        sides = None if interval is None else (float(interval[0]), float(interval[1]))
        return checked(cls(**{**values, "interval": sides}))


Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class ScoreSpec:
    """What is fixed about one score of a metric, whatever is read.

    Attributes:
        name: Its name.
        higher_is_better: Direction.
        proportion: Whether it is a share of the records, so that Wilson's interval applies where they are independent.
        share: Whether it runs from 0 to 1 and is 0 or 1 only where it is so in every group. Draws of such groups have
            no width, so the score then has Wilson's interval with the groups as trials, which is cautious.
        bounded: Whether `extra` also gives it with every unread answer wrong, and with every one right.
        settings: Choices of this score alone, in place of its metric's or behind them in the signature.
        most: The most that it can be; without end unless it is a share.
    """

    name: str
    higher_is_better: bool = True
    proportion: bool = False
    share: bool = False
    bounded: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    most: float = inf

    @property
    def limit(self) -> float:
        """Return the most that the score can be: 1 for shares."""
        return 1.0 if self.proportion or self.share else self.most


def put_together(
    specs: Sequence[ScoreSpec],
    values: Sequence[float],
    intervals: Sequence[tuple[Interval, str]],
    extras: Sequence[Mapping[str, float]],
    settings: Mapping[str, object],
    counts: tuple[int, int],
) -> list[Score]:
    """Make scores of numbers: the one place in which any protocol does so.

    Args:
        specs: What each score is.
        values: Its value, NaN where undefined.
        intervals: Its interval, and what the signature calls intervals of that kind.
        extras: Further numbers about it.
        settings: The choices that all of them share, for the signature.
        counts: Records scored, and those whose answer could not be read.
    """
    scores = []
    for spec, value, (interval, kind), extra in zip(specs, values, intervals, extras, strict=True):
        defined = not isnan(value)
        choices = {**settings, **spec.settings, "ci": kind if interval else "none"}
        scores.append(
            Score(
                name=spec.name,
                value=float(value) if defined else None,
                interval=interval if defined else None,
                n=counts[0],
                n_failed=counts[1],
                higher_is_better=spec.higher_is_better,
                signature=signature(spec.name, **choices),
                extra=extra,
            )
        )
    return scores


class Mark(NamedTuple):
    """One box or point.

    Attributes:
        kind: "box" `[x1, y1, x2, y2]` and "point" `[x, y]` in shares of the image; "box3d" centre, size and, where the
            box is rotated, angles, in metres and radians in the cloud's frame.
        numbers: The coordinates.
        label: Class or joint, empty where there is none.
        true: Whether it belongs to the truth, else to the answer.
        matched: Whether it found its counterpart on the other side.
    """

    kind: str
    numbers: tuple[float, ...]
    label: str
    true: bool
    matched: bool = False


def drawn(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks that a page draws: finite ones, the true ones first, of each side no more than `MOST`."""
    finite = [mark for mark in marks if all(map(isfinite, mark.numbers))]
    return (*[mark for mark in finite if mark.true][:MOST], *[mark for mark in finite if not mark.true][:MOST])


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
