"""How well a judge tells records with a planted fault from the same records as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamm_data.errors import LammDataError
from lamm_data.generation.answers import BEST_SCORE
from lamm_data.generation.input_rows import rows_by_id
from lamm_data.progress import Advance, unwatched
from lamm_data.quality.judging.judge import FaithfulnessSettings, Verdicts, judge_records
from lamm_data.quality.judging.planting import KINDS, Planted, plant_faults
from lamm_data.records.instruction import InstructionRecord, scan_records
from lamm_data.stats.intervals import wilson
from lamm_data.writing.words import words_of

_LEAST = range(2, BEST_SCORE + 1)


@dataclass
class Calibration:
    """What a judge made of pairs of a record and its copy with a planted fault.

    Attributes:
        least: Score from which a record passes, as asked for.
        pairs: Pairs that were asked about.
        found: For each least score, planted faults that it finds.
        accused: For each least score, records as they are that it accuses.
        kinds: Planted faults of each kind that have a verdict.
        found_by_kind: Those of them that the asked-for least score finds.
        named: Found faults whose wrong words the judge quotes.
        judged: Planted and sound records with a verdict.
        unjudged: Records without one, by reason.
        area: Share of pairs of a faulty and a sound record that the scores put in the right order, equal scores half: 1
            for a judge that is always right, 0.5 for one that cannot tell.
        best: Least score with the largest difference between the shares found and accused.
        requests: Requests sent.
        cost: US dollars; None where the price is unknown.
    """

    least: int
    pairs: int
    found: dict[int, int] = field(default_factory=dict)
    accused: dict[int, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    found_by_kind: dict[str, int] = field(default_factory=dict)
    named: int = 0
    judged: tuple[int, int] = (0, 0)
    unjudged: dict[str, int] = field(default_factory=dict)
    area: float = 0.5
    best: int = 4
    requests: int = 0
    cost: float | None = None

    @property
    def tells_apart(self) -> bool:
        """Whether the share of faults found is above that of sound records accused, each at its 95 % limit."""
        planted, sound = self.judged
        return wilson(self.found[self.least], planted)[0] > wilson(self.accused[self.least], sound)[1]

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {**vars(self), "tells_apart": self.tells_apart}


def calibrate_judge(
    path: Path,
    annotations: Path,
    settings: FaithfulnessSettings,
    count: int = 100,
    seed: int = 0,
    advance: Advance = unwatched,
) -> Calibration:
    """Ask a judge about records as they are and with one planted fault each, two requests a record.

    Args:
        path: Records that are sound: what they say wrong by themselves counts as false alarms.
        annotations: Their annotation rows.
        settings: Who judges.
        count: Pairs wanted.
        seed: Of the draw.
        advance: Called with the number of records that have ended.

    Raises:
        LammDataError: No fault can be planted in these records.
        EndpointError: The endpoint cannot be used; replies so far are in the journal.
    """
    rows = rows_by_id(annotations)
    records = [item for item in scan_records(path) if isinstance(item, InstructionRecord) and str(item.id) in rows]
    pairs = plant_faults(records, rows, count, seed)
    if not pairs:
        raise LammDataError(
            f"Expected records whose answers name colours, numbers, annotated objects, places or boxes, got "
            f"{len(records)} with annotation rows in which no fault can be planted ({path})."
        )
    items = [(2 * at + faulty, made.record if faulty else sound) for at, (sound, made) in enumerate(pairs)
             for faulty in (0, 1)]  # fmt: skip
    verdicts = judge_records(items, rows, settings, advance)
    return measure([made for _, made in pairs], verdicts, settings.least)


def measure(planted: Sequence[Planted], verdicts: Verdicts, least: int) -> Calibration:
    """Compare verdicts about pairs: the record at an even key, its copy with the fault at the odd one after it."""
    sound = [score for at in range(len(planted)) if (score := verdicts.score(2 * at)) is not None]
    faulty = [(made, score, 2 * at + 1) for at, made in enumerate(planted)
              if (score := verdicts.score(2 * at + 1)) is not None]  # fmt: skip
    found = [(made, key) for made, score, key in faulty if score < least]
    by_kind, found_by_kind = Counter(made.kind for made, _, _ in faulty), Counter(made.kind for made, _ in found)
    result = Calibration(
        least=least,
        pairs=len(planted),
        found={limit: sum(score < limit for _, score, _ in faulty) for limit in _LEAST},
        accused={limit: sum(score < limit for score in sound) for limit in _LEAST},
        kinds={kind: by_kind[kind] for kind in KINDS if by_kind[kind]},
        found_by_kind={kind: found_by_kind[kind] for kind in KINDS if by_kind[kind]},
        named=sum(_names(verdicts, key, made) for made, key in found),
        judged=(len(faulty), len(sound)),
        unjudged=dict(verdicts.unjudged()),
        area=_area([score for _, score, _ in faulty], sound),
        requests=verdicts.sent,
        cost=verdicts.cost,
    )
    if faulty and sound:
        result.best = max(
            _LEAST, key=lambda limit: result.found[limit] / len(faulty) - result.accused[limit] / len(sound)
        )
    return result


def _names(verdicts: Verdicts, key: int, made: Planted) -> bool:
    """Tell whether a verdict quotes the words that were planted."""
    answer = verdicts.outcomes[key].answer
    quoted = {word for quote in (answer.items if answer else ()) for word in words_of(quote.lower())}
    return set(words_of(made.words.lower())) <= quoted


def _area(faulty: Sequence[int], sound: Sequence[int]) -> float:
    """Compute the area under the curve of found over accused (Mann and Whitney's U as a share); 0.5 without scores."""
    if not faulty or not sound:
        return 0.5
    low, high = Counter(faulty), Counter(sound)
    ordered = sum(
        many * other * (1.0 if score < above else 0.5 if score == above else 0.0)
        for score, many in low.items() for above, other in high.items()
    )  # fmt: skip
    return ordered / (len(faulty) * len(sound))


def describe_calibration(result: Calibration) -> Iterator[str]:
    """Say what was measured, a line each."""
    planted, sound = result.judged
    yield f"{result.pairs} records, each as it is and with one planted fault; {result.requests} requests sent"
    yield f"{'record passes from':22}{'faults found':>14}{'':16}{'sound accused':>14}"
    for least in _LEAST:
        marks = " <- asked for" if least == result.least else ""
        marks += " <- best" if least == result.best else ""
        found, accused = _share(result.found[least], planted), _share(result.accused[least], sound)
        between = _interval(result.found[least], planted), _interval(result.accused[least], sound)
        yield f"{f'score {least}':22}{found:>14}{between[0]:16}{accused:>14}{between[1]}{marks}"
    for kind, count in result.kinds.items():
        yield f"{kind.replace('_', ' '):22}{_share(result.found_by_kind[kind], count):>14} of {count} found"
    yield f"{'wrong words quoted':22}{_share(result.named, result.found[result.least]):>14} of the found"
    yield f"{'pairs in right order':22}{result.area:>14.3f} (0.5: cannot tell)"
    missing = sum(result.unjudged.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(result.unjudged.items()))
    yield f"{'without a verdict':22}{missing:>14}{f' ({reasons})' if reasons else ''}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _interval(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f" [{100 * low:.0f}, {100 * high:.0f}]"
