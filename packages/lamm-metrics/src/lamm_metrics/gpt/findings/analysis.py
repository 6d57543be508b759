"""What the verdicts say: win rates, strengths, grades, and how far the judge can be trusted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lamm_metrics.gpt.findings.comparisons import Comparison, compare_outcomes, decisions, graded_lengths, overall_grade
from lamm_metrics.gpt.findings.result import JudgeReport
from lamm_metrics.gpt.findings.statistics import Interval, Level, Resampler, alpha_of, bradley_terry, coincidences
from lamm_metrics.gpt.items import Outcome
from lamm_metrics.gpt.settings import JudgeSettings
from lamm_metrics.gpt.verdicts import CRITERIA, HIGHEST, LOWEST, prompt_texts
from lamm_metrics.results.score import Score, signature
from lamm_metrics.statistics import percentile_interval

ALL_JUDGES = "all judges"
# One tie added to every pair keeps strengths finite where a model wins always.
PRIOR = 1.0


@dataclass(frozen=True)
class Analysis:
    """One or several judges' outcomes and what is needed to turn them into scores."""

    judge: str
    outcomes: Sequence[Outcome]
    models: tuple[str, ...]
    settings: JudgeSettings
    resampler: Resampler

    def score(
        self,
        name: str,
        value: float | None,
        interval: Interval,
        n: int,
        scored: int,
        kind: str = "bootstrap",
        **extra: float,
    ) -> Score:
        """Return a score under this run's signature, which names the kind of its interval."""
        settings = self.settings
        ends = "all" if settings.sample is None else settings.sample
        stated = signature(
            "gpt_metric",
            mode=settings.mode,
            judge=self.judge,
            prompts=prompt_texts()["version"],
            **({} if settings.media_root is None else {"pictures": "shown"}),
            orders="one" if settings.mode == "absolute" else "both",
            inconsistent="tie",
            sample=ends,
            seed=settings.seed,
            temperature=f"{settings.temperature:g}",
            ci=f"{kind}{settings.confidence * 100:g}" if interval else "none",
        )
        return Score(name, value, interval, n, n - scored, True, stated, extra)

    def mean_score(
        self,
        name: str,
        groups: Sequence[str],
        values: Sequence[float],
        n: int,
        ends: tuple[float, float] = (0.0, 1.0),
        **extra: float,
    ) -> Score:
        """The mean of values as a score."""
        value, interval, kind = self.resampler.mean(groups, values, *ends)
        return self.score(name, value, interval, n, len(values), kind, **extra)

    def win_rates(self, comparisons: Sequence[Comparison]) -> Iterator[Score]:
        """Share of won comparisons of every model, and of every pair where there are several; ties are half a win."""
        for number, model in enumerate(self.models):
            own = [pair for pair in comparisons if number in (pair.first, pair.second)]
            yield self._win_rate(f"win_rate/{model}", own, number)
        if len(self.models) > 2:
            for one, two in combinations(range(len(self.models)), 2):
                own = [pair for pair in comparisons if (pair.first, pair.second) == (one, two)]
                yield self._win_rate(f"win_rate/{self.models[one]} over {self.models[two]}", own, one)

    def _win_rate(self, name: str, comparisons: Sequence[Comparison], model: int) -> Score:
        groups, values = [], []
        for pair in comparisons:
            if pair.outcome is not None:
                groups.append(pair.group)
                values.append(pair.outcome if pair.first == model else 1 - pair.outcome)
        counts = Counter(values)
        return self.mean_score(
            name, groups, values, len(comparisons), won=counts[1.0], tied=counts[0.5], lost=counts[0.0]
        )

    def strengths(self, comparisons: Sequence[Comparison]) -> Iterator[Score]:
        """Bradley-Terry strengths, for more than two models."""
        models = len(self.models)
        scored = [pair for pair in comparisons if pair.outcome is not None]
        if models < 3 or not scored:
            return
        wins = np.zeros((len(scored), models, models))
        for number, pair in enumerate(scored):
            outcome = 0.0 if pair.outcome is None else pair.outcome
            wins[number, pair.first, pair.second], wins[number, pair.second, pair.first] = outcome, 1 - outcome
        sums = self.resampler.sums([pair.group for pair in scored], wins)
        values = bradley_terry(wins.sum(axis=0), PRIOR)
        several = len({pair.group for pair in scored}) > 1
        drawn = bradley_terry(self.resampler.drawn(sums), PRIOR) if several else None
        for number, model in enumerate(self.models):
            interval = None if drawn is None else percentile_interval(drawn[:, number], self.settings.confidence)
            yield self.score(f"strength/{model}", float(values[number]), interval, len(comparisons), len(scored))

    def grades(self) -> Iterator[Score]:
        """Mean grade of every model overall and by each criterion."""
        ends = (float(LOWEST), float(HIGHEST))
        for number, model in enumerate(self.models):
            own = [outcome for outcome in self.outcomes if outcome.job.repeat == 0 and outcome.job.order == (number,)]
            scored = [outcome for outcome in own if outcome.values]
            groups = [outcome.job.item.group for outcome in scored]
            overall = [overall_grade(outcome) for outcome in scored]
            yield self.mean_score(f"grade/{model}", groups, overall, len(own), ends)
            for place, criterion in enumerate(CRITERIA):
                values = [float(outcome.values[place]) for outcome in scored]
                yield self.mean_score(f"grade/{model}/{criterion}", groups, values, len(own), ends)

    def biases(self, comparisons: Sequence[Comparison]) -> Iterator[Score]:
        """Position bias and inconsistency of comparisons, and length bias."""
        ends = (-1.0, 1.0)
        if self.settings.mode == "absolute":
            choices = graded_lengths(self.outcomes, comparisons)
        else:
            placed = [(pair.group, pair) for pair in comparisons if pair.position is not None]
            groups, positions = [group for group, _ in placed], [pair.position or 0.0 for _, pair in placed]
            yield self.mean_score("position_bias", groups, positions, len(comparisons), ends)
            consistent = [float(pair.consistent) for _, pair in placed]
            yield self.mean_score("order_consistency", groups, consistent, len(comparisons))
            choices = [choice for outcome in self.outcomes if outcome.job.repeat == 0 for choice in decisions(outcome)]
        decided = [choice for choice in choices if choice.preferred and choice.longer]
        if choices:
            values = [float(choice.preferred * choice.longer) for choice in decided]
            preferred = (sum(values) / len(values) + 1) / 2 if values else float("nan")
            extra = {"longer_preferred": preferred} if values else {}
            yield self.mean_score(
                "length_bias", [choice.group for choice in decided], values, len(values), ends, **extra
            )

    def self_agreement(self) -> Iterator[Score]:
        """Share of verdicts that the judge gave again when it was asked again with another seed."""
        first, second = (
            {(o.job.judge, o.job.item.id, o.job.order): o for o in self.outcomes if o.job.repeat == repeat}
            for repeat in (0, 1)
        )
        both = [(first[key], again) for key, again in second.items() if key in first]
        scored = [(one, two) for one, two in both if one.values and two.values]
        if both:
            groups = [one.job.item.group for one, _ in scored]
            yield self.mean_score(
                "self_agreement", groups, [float(one.values == two.values) for one, two in scored], len(both)
            )

    def report(self) -> JudgeReport:
        """All scores of these outcomes."""
        comparisons = compare_outcomes(self.outcomes, len(self.models)) if len(self.models) > 1 else []
        scores = [*self.grades()] if self.settings.mode == "absolute" else []
        if comparisons:
            scores += [*self.win_rates(comparisons), *self.strengths(comparisons), *self.biases(comparisons)]
        scores += self.self_agreement()
        reasons = Counter(outcome.reason for outcome in self.outcomes if outcome.reason)
        return JudgeReport(self.judge, tuple(scores), len(self.outcomes), dict(sorted(reasons.items())))


def judged_units(outcomes: Sequence[Outcome], models: int) -> tuple[list[str], list[list[float]], Level]:
    """What several judges judged: the group of each unit, the judges' values, and the level of these values."""
    level: Level = "interval" if outcomes and outcomes[0].job.mode == "absolute" else "ordinal"
    if level == "interval":
        once = [one for one in outcomes if one.values and one.job.repeat == 0]
        rated = [((one.job.item.id, one.job.order[0], 0), one.job.item.group, overall_grade(one)) for one in once]
    else:
        pairs = compare_outcomes(outcomes, models)
        rated = [((one.id, one.first, one.second), one.group, one.outcome) for one in pairs if one.outcome is not None]
    units: dict[tuple[str, int, int], tuple[str, list[float]]] = {}
    for key, group, value in rated:
        units.setdefault(key, (group, []))[1].append(value)
    return [group for group, _ in units.values()], [values for _, values in units.values()], level


def agreement_score(analysis: Analysis) -> Score:
    """Krippendorff's alpha across the judges, with the interval of a bootstrap over groups."""
    groups, units, level = judged_units(analysis.outcomes, len(analysis.models))
    several = sum(len(unit) > 1 for unit in units)
    name = f"krippendorff_alpha/{level}"
    values = np.array(sorted({value for unit in units for value in unit}), np.float64)
    if not several:
        return analysis.score(name, None, None, len(units), several)
    sums = analysis.resampler.sums(groups, coincidences(units, values))
    value, interval = alpha_of(sums.sum(axis=0), values, level), None
    if len(set(groups)) > 1:
        drawn = [alpha_of(matrix, values, level) for matrix in analysis.resampler.drawn(sums)]
        defined = np.array([one for one in drawn if one is not None], np.float64)
        interval = percentile_interval(defined, analysis.settings.confidence)
    return analysis.score(name, value, interval, len(units), several)


def analyse(
    outcomes: Sequence[Outcome], models: tuple[str, ...], judges: Sequence[str], settings: JudgeSettings
) -> tuple[list[JudgeReport], Score | None]:
    """Turn outcomes into a report a judge, one of all judges together where there are several, and their agreement."""
    groups = tuple(outcome.job.item.group for outcome in outcomes)
    resampler = Resampler(groups, settings.seed, settings.draws, settings.confidence)
    reports = []
    for judge in judges:
        own = [outcome for outcome in outcomes if outcome.job.judge == judge]
        reports.append(Analysis(judge, own, models, settings, resampler).report())
    if len(judges) < 2:
        return reports, None
    together = Analysis(ALL_JUDGES, outcomes, models, settings, resampler)
    return [together.report(), *reports], agreement_score(together)
