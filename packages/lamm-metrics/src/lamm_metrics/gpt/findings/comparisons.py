"""From single verdicts to comparisons: both orders have to agree, otherwise the comparison is a tie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from lamm_metrics.gpt.items import Outcome


@dataclass(frozen=True, slots=True)
class Decision:
    """What one verdict says about two answers.

    Attributes:
        group: Group of the record.
        first: Model whose answer was shown first.
        second: Model whose answer was shown later.
        preferred: 1 for the first, -1 for the second, 0 for neither.
        longer: 1 where the first is longer, -1 where the second is, 0 where both have as many characters.
    """

    group: str
    first: int
    second: int
    preferred: int
    longer: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on one record, by one judge.

    Attributes:
        judge: The judge.
        id: Identifier of the record.
        group: Group of the record.
        first: Index of a model.
        second: Index of a model after it.
        outcome: 1 where the first won, 0 where the second did, 0.5 for a tie; None where the comparison is unscored.
        position: Mean over both orders of 1 for the answer shown first and -1 for the one shown later; None unscored.
        consistent: Whether both orders said the same.
        reason: Why it is unscored.
    """

    judge: str
    id: str
    group: str
    first: int
    second: int
    outcome: float | None
    position: float | None = None
    consistent: bool = True
    reason: str = ""


def sign(value: float) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)


def decisions(outcome: Outcome) -> list[Decision]:
    """What a ranking says about each pair of answers; nothing where it is unscored or grades one answer."""
    order, ranks, item = outcome.job.order, outcome.values, outcome.job.item
    if not ranks or outcome.job.mode == "absolute":
        return []
    lengths = [len(item.answers[model].strip()) for model in order]
    return [
        Decision(item.group, order[p], order[q], sign(ranks[q] - ranks[p]), sign(lengths[p] - lengths[q]))
        for p, q in combinations(range(len(order)), 2)
    ]


def overall_grade(outcome: Outcome) -> float:
    """The mean of the five grades."""
    return sum(outcome.values) / len(outcome.values)


def _both_orders(outcomes: Sequence[Outcome], one: int, two: int) -> Comparison:
    """Join the verdicts about two models on one record."""
    about = [outcome for outcome in outcomes if one in outcome.job.order and two in outcome.job.order]
    item, judge = about[0].job.item, about[0].job.judge
    reason = next((outcome.reason for outcome in about if outcome.reason), "")
    if reason:
        return Comparison(judge, item.id, item.group, one, two, None, reason=reason)
    found = [
        choice for outcome in about for choice in decisions(outcome) if {choice.first, choice.second} == {one, two}
    ]
    votes = [choice.preferred if choice.first == one else -choice.preferred for choice in found]
    consistent = len(set(votes)) == 1
    outcome = (votes[0] + 1) / 2 if consistent else 0.5
    position = sum(choice.preferred for choice in found) / len(found)
    return Comparison(judge, item.id, item.group, one, two, outcome, position, consistent)


def _by_grades(outcomes: Sequence[Outcome], one: int, two: int) -> Comparison:
    """Compare two models on one record by their mean grades."""
    graded = {outcome.job.order[0]: outcome for outcome in outcomes}
    item, judge = outcomes[0].job.item, outcomes[0].job.judge
    reason = graded[one].reason or graded[two].reason
    if reason:
        return Comparison(judge, item.id, item.group, one, two, None, reason=reason)
    better = sign(overall_grade(graded[one]) - overall_grade(graded[two]))
    return Comparison(judge, item.id, item.group, one, two, (better + 1) / 2)


def compare_outcomes(outcomes: Iterable[Outcome], models: int) -> list[Comparison]:
    """Join verdicts, without second askings, to one comparison a judge, record and pair of models."""
    by_record: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.job.repeat == 0:
            by_record.setdefault((outcome.job.judge, outcome.job.item.id), []).append(outcome)
    return [
        (_by_grades if found[0].job.mode == "absolute" else _both_orders)(found, one, two)
        for found in by_record.values()
        for one, two in combinations(range(models), 2)
    ]


def graded_lengths(outcomes: Sequence[Outcome], comparisons: Sequence[Comparison]) -> list[Decision]:
    """Comparisons by grades as decisions, to see whether longer answers win."""
    items = {outcome.job.item.id: outcome.job.item for outcome in outcomes}
    found = []
    for pair in comparisons:
        if pair.outcome is not None:
            lengths = [len(items[pair.id].answers[model].strip()) for model in (pair.first, pair.second)]
            longer = sign(lengths[0] - lengths[1])
            found.append(Decision(pair.group, pair.first, pair.second, sign(pair.outcome - 0.5), longer))
    return found
