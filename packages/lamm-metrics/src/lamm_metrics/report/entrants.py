"""Who takes part in a report: models, the same models blind, and chance, which are marks to compare with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lamm_metrics.report.shown import Arranged
from lamm_metrics.results.score import Score

CHANCE, BLIND = "chance", "blind"
# Colours of the style sheet; more models share them.
COLOURS = 8


@dataclass(frozen=True, slots=True)
class Entrant:
    """One column of the results.

    Attributes:
        name: What it is called.
        role: "model", "blind" or "chance".
        of: The model that it belongs to: itself, or the one that answers without looking; empty for chance.
        colour: Number of its colour, from 1; 0 for chance.
    """

    name: str
    role: str
    of: str
    colour: int


def entrants_of(names: Iterable[str]) -> dict[str, Entrant]:
    """Tell models from what they are compared with, by name.

    `X (blind)` is the model X without its medium, a bare `blind` the first model, and `chance` is nobody. Where nothing
    else takes part, they are models like any other.

    >>> [(one.role, one.of) for one in entrants_of(["a", "a (blind)", "chance"]).values()]
    [('model', 'a'), ('blind', 'a'), ('chance', '')]
    """
    names = list(names)
    bare = [name for name in names if name not in (CHANCE, BLIND) and _seeing(name) not in names]
    models = bare or names
    found = {name: Entrant(name, "model", name, 1 + i % COLOURS) for i, name in enumerate(models)}
    for name in names:
        if name not in found and name == CHANCE:
            found[name] = Entrant(name, CHANCE, "", 0)
        elif name not in found:
            model = found[models[0] if name == BLIND else _seeing(name)]
            found[name] = Entrant(name, BLIND, model.name, model.colour)
    return {name: found[name] for name in names}


def _seeing(name: str) -> str:
    """Return the model of which a name says that it is blind; empty where it says no such thing."""
    return name.removesuffix(f" ({BLIND})") if name.endswith(f" ({BLIND})") else ""


@dataclass(frozen=True, slots=True)
class Row:
    """The headline scores of one task or set.

    Attributes:
        name: What they are of.
        scores: Of each model, in the order of the report.
        blind: Of models without their medium, by the model's name.
        chance: Of chance, where it takes part.
    """

    name: str
    scores: Mapping[str, Score]
    blind: Mapping[str, Score]
    chance: Score | None

    @property
    def first(self) -> Score:
        """Return any score: name, direction and settings are the row's."""
        return next(iter([*self.scores.values(), *self.blind.values(), *filter(None, [self.chance])]))

    @property
    def everyone(self) -> list[Score]:
        """Return every score, the models' first."""
        return [*self.scores.values(), *self.blind.values(), *filter(None, [self.chance])]


def rows_of(arranged: Arranged) -> list[Row]:
    """Return the headline scores by task, in the order in which tasks first occur."""
    entrants = entrants_of(arranged)
    rows = []
    for name in dict.fromkeys(name for reports in arranged.values() for name in reports):
        here = {one: reports[name].headline for one, reports in arranged.items() if name in reports}
        by_role = {
            role: {entrants[one].of: score for one, score in here.items() if entrants[one].role == role}
            for role in ("model", BLIND, CHANCE)
        }
        rows.append(Row(name, by_role["model"], by_role[BLIND], by_role[CHANCE].get("")))
    return rows
