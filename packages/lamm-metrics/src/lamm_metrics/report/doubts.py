"""What to doubt in a report: answers that nobody could read, and scores that look wrong, in sentences."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from lamm_metrics.report.entrants import Row, entrants_of
from lamm_metrics.report.shown import Arranged, ahead, digits, known, on, short, shown_name
from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score

# From this share of unread answers on a score tells more of the form of answers than of what they say.
MANY_UNREAD, NOTABLE = 0.2, 0.05
# So many records at least must agree before that looks wrong; with fewer than so many an interval is rough.
ENOUGH, FEW = 5, 20
SAME = 0.95
LONGEST = 40
# Models of which the unread answers are told one by one.
MOST = 3


def unread_of(models: Arranged) -> list[str]:
    """Return which answers of each model could not be read; nothing where all could."""
    counts = {name: [one.headline.n_failed for one in reports.values()] for name, reports in models.items()}
    totals = {name: max(1, sum(one.headline.n for one in reports.values())) for name, reports in models.items()}
    shares = {name: sum(counts[name]) / totals[name] for name in models if any(counts[name])}
    worst = sorted(shares, key=lambda name: -shares[name])
    told = [
        f"{short(name)}: {sum(counts[name]):,} of {totals[name]:,} answers ({shares[name]:.1%}){_most(models[name])}"
        for name in worst[: len(worst) if len(worst) <= MOST + 1 else MOST]
    ]
    rest = worst[len(told) :]
    return told + ([f"{', '.join(map(short, rest))}: {shares[rest[0]]:.1%} or less."] if rest else [])


def _most(reports: Mapping[str, Report]) -> str:
    """Say on which set most answers are unread, and what the score there would be, were they right."""
    worst = max(reports, key=lambda key: reports[key].headline.failure_rate)
    score = reports[worst].headline
    where = f", most on {short(shown_name(worst))} ({score.failure_rate:.0%})" if len(reports) > 1 else ""
    return f"{where}.{_if_right(score)}"


def _if_right(score: Score) -> str:
    """Say what a score would be, were every unread answer right, where that is much."""
    best = known(score.extra.get("failures_right"))
    if best is None or known(score.value) is None or score.failure_rate < NOTABLE:
        return ""
    return (
        f" Were these right, {score.name} there would be {digits(best, score.n)}, not {digits(score.value, score.n)}."
    )


# Set, a model's score, and what it is compared with.
Pairs: TypeAlias = list[tuple[str, Score, Score]]


def against_chance(name: str, rows: Sequence[Row]) -> Pairs:
    """Return the scores of a model beside those of chance."""
    return [(row.name, row.scores[name], row.chance) for row in rows if name in row.scores and row.chance]


def against_blind(name: str, rows: Sequence[Row]) -> Pairs:
    """Return the scores of a model beside those of the same model without its medium."""
    return [(row.name, row.scores[name], row.blind[name]) for row in rows if name in row.scores and name in row.blind]


def doubts_of(arranged: Arranged, rows: Sequence[Row]) -> list[str]:
    """Return a sentence for whatever looks wrong, the gravest first."""
    models = {name: arranged[name] for name, one in entrants_of(arranged).items() if one.role == "model"}
    sets = [row.name for row in rows]
    chance = {name: against_chance(name, rows) for name in models}
    blind = {name: against_blind(name, rows) for name in models}
    found = [
        *_where("No score, as it is undefined", models, lambda report: known(report.headline.value) is None),
        *[told for name, reports in models.items() for told in _same_answers(name, reports)],
        *_beside("Worse than chance", chance, lambda side: side < 0),
        *_beside("Not to be told from chance", chance, lambda side: side == 0),
        *_beside("No better with the picture or cloud than without", blind, lambda side: side <= 0),
        *_where(
            "A fifth or more of the answers unread, so that scores tell more of their form than of what they say",
            models,
            lambda report: report.headline.failure_rate >= MANY_UNREAD,
        ),
        *_listed("Not scored", {name: [key for key in sets if key not in models[name]] for name in models}, sets),
        *_other_records(rows),
        *_other_settings(rows),
        *_few(rows),
    ]
    notes = [(name, key, one.note) for name, reports in models.items() for key, one in reports.items() if one.note]
    return found + [f"{short(name)} on {short(shown_name(key))}: {note}." for name, key, note in notes]


def _where(what: str, models: Arranged, holds: Callable[[Report], bool]) -> list[str]:
    """Say of which model's reports something holds."""
    everything = list(dict.fromkeys(key for reports in models.values() for key in reports))
    found = {name: [key for key, one in models[name].items() if holds(one)] for name in models}
    return _listed(what, found, everything)


def _beside(what: str, pairs: Mapping[str, Pairs], holds: Callable[[int], bool]) -> list[str]:
    """Say where models compare in a way with chance, or with themselves blind."""
    found = {name: [key for key, mine, base in own if holds(ahead(mine, base))] for name, own in pairs.items()}
    return _listed(what, found, list(dict.fromkeys(key for own in pairs.values() for key, *_ in own)))


def _listed(what: str, found: Mapping[str, Sequence[str]], everything: Sequence[str]) -> list[str]:
    """Return one sentence on the sets of every model, none where there are no sets."""
    told = [f"{short(name)} {on(keys, everything)}" for name, keys in found.items() if keys]
    return [f"{what}: {'; '.join(told)}."] if told else []


def _same_answers(name: str, reports: Mapping[str, Report]) -> list[str]:
    """Say where (nearly) all answers are one and the same although the truths are not."""
    told = []
    for key, report in reports.items():
        read = [sample for sample in report.samples if sample.status == "ok" and sample.extracted]
        if len(read) < ENOUGH:
            continue
        ((answer, count),) = Counter(sample.extracted for sample in read).most_common(1)
        truths = Counter(sample.truth for sample in read).most_common(1)[0][1]
        if count >= SAME * len(read) > truths:
            share = f"all {count:,}" if count == len(read) else f"{count:,} of {len(read):,}"
            shown = answer if len(answer) <= LONGEST else f"{answer[: LONGEST - 1]}…"
            told.append(f"{short(name)} answers “{shown}” to {share} readable questions of {short(shown_name(key))}.")
    return told


def _odd(rows: Sequence[Row], fact: Callable[[Score], object]) -> list[str]:
    """Return the sets on which scores that should agree in a fact do not."""
    return [row.name for row in rows if len({fact(score) for score in row.everyone}) > 1]


def _other_records(rows: Sequence[Row]) -> list[str]:
    keys = _odd(rows, lambda score: score.n)
    told = f"Not all were scored on the same number of records {on(keys, [row.name for row in rows])}" if keys else ""
    return [f"{told}: these scores do not compare."] if keys else []


def _other_settings(rows: Sequence[Row]) -> list[str]:
    """Say where models were scored with other choices, as their signatures tell."""
    told = []
    for row in rows:
        choices = [dict(part.partition(":")[::2] for part in one.signature.split("|")[1:]) for one in row.everyone]
        # How an interval is made depends on the answers, and whether boxes had scores does.
        odd = {key for one in choices for key in one if any(other.get(key) != one[key] for other in choices)}
        if odd := odd - {"ci", "scores"}:
            told.append(f"On {short(shown_name(row.name))} not all were scored alike: {', '.join(sorted(odd))} differ.")
    return told


def _few(rows: Sequence[Row]) -> list[str]:
    keys = [row.name for row in rows if max(score.n for score in row.everyone) < FEW]
    return (
        [f"Fewer than {FEW} records {on(keys, [row.name for row in rows])}: read the intervals, not the scores."]
        if keys
        else []
    )
