"""What verdicts say: the share of good records of each stratum with its interval, and how far two reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations

from lamm_data.review.verdicts import REJECT, Verdict
from lamm_data.stats.intervals import wilson


def cohen_kappa(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Compute Cohen's kappa of two reviewers: agreement beyond what their own rates make by chance (J. Cohen 1960).

    Args:
        pairs: The two verdicts on each record that both have read.

    Returns:
        Kappa, at most 1; None without pairs, or when both give one and the same verdict throughout.

    >>> cohen_kappa([("accept", "accept"), ("reject", "reject"), ("accept", "reject"), ("accept", "accept")])
    0.5
    """
    pairs = list(pairs)
    if not pairs:
        return None
    count = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[name] * second[name] for name in first) / count**2
    if expected == 1:
        return None
    return (sum(a == b for a, b in pairs) / count - expected) / (1 - expected)


@dataclass
class Stratum:
    """One layer of the sample: its records, those somebody has read, those of them nobody rejects, and reasons."""

    sampled: int = 0
    read: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float | None:
        """Share of accepted records among those read; None while none is read."""
        return self.accepted / self.read if self.read else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share of accepted records."""
        return wilson(self.accepted, self.read)


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many of the records both have read two reviewers agree, and Cohen's kappa where it is defined."""

    reviewers: tuple[str, str]
    records: int
    same: int
    kappa: float | None


@dataclass(slots=True)
class ReviewReport:
    """What a review has found so far: layers by name, `all` last, and how far reviewers agree two by two.

    Stale verdicts are on records that are no longer in the file, or were written anew since.
    """

    strata: dict[str, Stratum]
    agreements: list[Agreement]
    stale: int

    def to_dict(self) -> dict[str, object]:
        """Give plain values for JSON."""
        strata = {
            name: {**vars(layer), "share": layer.share, "interval": layer.interval}
            for name, layer in self.strata.items()
        }
        return {"strata": strata, "agreement": list(map(asdict, self.agreements)), "stale": self.stale}


def summarise(sample: Mapping[str, str], verdicts: Iterable[Verdict]) -> ReviewReport:
    """Count verdicts: a record is accepted when everybody who has read it accepts it.

    Args:
        sample: Stratum of every sampled record, by content key.
        verdicts: The verdicts that count, as `read_verdicts` gives them.
    """
    readings: dict[str, dict[str, Verdict]] = {}
    stale = 0
    for verdict in verdicts:
        if verdict.record in sample:
            readings.setdefault(verdict.record, {})[verdict.reviewer] = verdict
        else:
            stale += 1
    strata: dict[str, Stratum] = {name: Stratum() for name in sorted(set(sample.values()))}
    strata["all"] = Stratum()
    for key, name in sample.items():
        for layer in (strata[name], strata["all"]):
            layer.sampled += 1
            if key in readings:
                rejecting = [item for item in readings[key].values() if item.verdict == REJECT]
                layer.read += 1
                layer.accepted += not rejecting
                layer.reasons.update({item.reason or "no reason given" for item in rejecting})
    return ReviewReport(strata, _agreements(readings), stale)


def _agreements(readings: Mapping[str, Mapping[str, Verdict]]) -> list[Agreement]:
    names = sorted({name for verdicts in readings.values() for name in verdicts})
    agreements = []
    for first, second in combinations(names, 2):
        both = [
            (verdicts[first].verdict, verdicts[second].verdict)
            for verdicts in readings.values()
            if first in verdicts and second in verdicts
        ]
        if both:
            same = sum(a == b for a, b in both)
            agreements.append(Agreement((first, second), len(both), same, cohen_kappa(both)))
    return agreements


def rejected_keys(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """Give the content keys of records that anybody rejects, with one rejecting verdict each."""
    return {item.record: item for item in verdicts if item.verdict == REJECT}
