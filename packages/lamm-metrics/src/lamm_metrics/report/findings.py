"""What an expert would say first of a report, in sentences made from its numbers: who is ahead, what to doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lamm_metrics.report.doubts import Pairs, against_blind, against_chance, doubts_of, unread_of
from lamm_metrics.report.entrants import Row, entrants_of, rows_of
from lamm_metrics.report.leaderboard import Compared, Significance, best_of, p_text
from lamm_metrics.report.shown import Arranged, ahead, digits, known, listed, on, ranged, short, shown_name
from lamm_metrics.statistics import holm

LEVEL = 0.05
FIRST = "the first model"


@dataclass
class Findings:
    """Sentences of plain text, by what they are about.

    Attributes:
        ahead: Who wins where, and whether by more than noise.
        unread: Which answers could not be read.
        doubts: What looks wrong.
    """

    ahead: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def findings_of(arranged: Arranged, significance: Significance, against: str) -> Findings:
    """Return what the numbers of a report say.

    Args:
        arranged: Reports by model and set.
        significance: Paired comparisons by set and model, where there are any.
        against: What these compare each model with.
    """
    rows = rows_of(arranged)
    entrants = entrants_of(arranged)
    models = [name for name, one in entrants.items() if one.role == "model"]
    found = Findings()
    found.ahead += _scores(rows, models) if len(models) == 1 else _leaders(rows, models)
    first = against == FIRST
    others = [name for name in models if not first or name != models[0]]
    found.ahead += _paired(others, short(models[0]) if first else against, rows, significance)
    found.ahead += _clear("chance", models, {name: against_chance(name, rows) for name in models})
    found.ahead += _clear("the same model blind", models, {name: against_blind(name, rows) for name in models})
    found.unread += unread_of({name: arranged[name] for name in models})
    found.doubts += doubts_of(arranged, rows)
    return found


def _scores(rows: Sequence[Row], models: Sequence[str]) -> list[str]:
    """Say what the only model scores, where that is few enough to be said."""
    told = []
    for row in rows[:3] if len(rows) <= 3 else ():
        if score := row.scores.get(models[0]):
            way = "more is better" if score.higher_is_better else "less is better"
            told.append(
                f"{short(models[0])} has {score.name} {digits(score.value, score.n)} {ranged(score)} on "
                f"{short(shown_name(row.name))} ({score.n:,} record{'s' if score.n != 1 else ''}; {way})."
            )
    return [" ".join(sentence.split()) for sentence in told]


def _leaders(rows: Sequence[Row], models: Sequence[str]) -> list[str]:
    """Say who has the best score on how many sets, and where that is clear."""
    shared = [row for row in rows if len(row.scores) > 1]
    if not shared:
        return ["No two models were scored on the same set."]
    best = {row.name: best_of(row.scores) for row in shared}
    told = []
    for name in models:
        leads = [row.name for row in shared if name in best[row.name][0]]
        clear = [row.name for row in shared if name == best[row.name][1]]
        if leads:
            sure = f"clear of all others on {listed(clear)}" if clear else "nowhere clear of the next"
            told.append(f"{short(name)} has the best score {on(leads, list(best))}; {sure}.")
    ties = [row.name for row in shared if not best[row.name][0]]
    return told + ([f"All models score the same {on(ties, list(best))}."] if ties else [])


def _paired(models: Sequence[str], base: str, rows: Sequence[Row], significance: Significance) -> list[str]:
    """Say what paired tests found of each model, with Holm's correction over the sets."""
    higher = {row.name: row.first.higher_is_better for row in rows}
    told, same, several = [], [], False
    for name in models:
        tests = {row.name: one for row in rows if (one := significance.get(row.name, {}).get(name)) and _tested(one)}
        adjusted = dict(zip(tests, holm([one.p_value or 0.0 for one in tests.values()]), strict=True))
        sides: dict[str, list[str]] = {"better": [], "worse": []}
        for key, one in tests.items():
            if adjusted[key] < LEVEL and one.difference:
                sides["better" if (one.difference > 0) == higher[key] else "worse"].append(key)
        found = [
            f"{side} {on(keys, list(tests))}, most by {_most(keys, tests)}" for side, keys in sides.items() if keys
        ]
        told += [f"{short(name)} against {base}: {'; '.join(found)}"] if found else []
        same += [short(name)] if tests and not found else []
        several = several or len(tests) > 1
    told += [f"No difference from {base} beyond noise: {', '.join(same)}"] if same else []
    test = "paired tests, p < 0.05 after Holm's correction" if several else "paired test, p < 0.05"
    return [f"{one} ({test})." if not place else f"{one}." for place, one in enumerate(told)]


def _tested(one: Compared) -> bool:
    return known(one.difference) is not None and known(one.p_value) is not None


def _most(keys: Sequence[str], tests: Mapping[str, Compared]) -> str:
    """Return the surest difference of some sets, the largest of those equally sure."""
    key = min(keys, key=lambda key: (tests[key].p_value or 0.0, -abs(tests[key].difference or 0.0)))
    difference = digits(abs(tests[key].difference or 0.0), 0)
    return f"{difference} on {short(shown_name(key))}, {p_text(tests[key].p_value or 0.0)}"


def _clear(what: str, models: Sequence[str], pairs: Mapping[str, Pairs]) -> list[str]:
    """Say on how many sets each model is clear of chance, or of itself blind."""
    told = []
    for name in models:
        if own := pairs[name]:
            count = sum(ahead(mine, base) > 0 for _, mine, base in own)
            told.append(f"{short(name)} on {'all ' if count == len(own) > 1 else ''}{count} of {len(own)}")
    return [f"Clear of {what}, in sets: {'; '.join(told)}."] if told else []
