"""One hall: solids of which some are alike, on a floor of a size of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from lamm_data.sample.solids import Solid
from lamm_data.sample.vocabulary import COLOURS, SOLIDS

T = TypeVar("T")
Row = dict[str, Any]
RANKS = ("tallest", "second tallest", "third tallest", "fourth tallest")
PALETTE = 3
"""Colours in one hall: few enough that two solids of a kind are often of one colour."""


@dataclass(frozen=True, slots=True)
class Hall:
    """One hall.

    Kinds and colours are dealt without regard to one another, so a question that names kinds says nothing of colours.

    Attributes:
        name: Scene id.
        floor: Sides of the floor in metres; the origin is its centre.
        solids: Its solids by id.
        counted: The kind of which there is a number that was dealt out.
    """

    name: str
    floor: tuple[float, float]
    solids: tuple[Solid, ...]
    counted: str

    def of(self, kind: str = "", colour: str = "") -> list[Solid]:
        """Return the solids of a kind, of a colour, or of both."""
        return [one for one in self.solids if kind in ("", one.kind) and colour in ("", one.colour)]

    @property
    def only(self) -> list[Solid]:
        """The solids that are the only ones of their kind."""
        numbers = Counter(one.kind for one in self.solids)
        return [one for one in self.solids if numbers[one.kind] == 1]

    def phrase(self, solid: Solid) -> str:
        """Single a solid out by colour, kind and, where others are like it, height."""
        alike = sorted(self.of(solid.kind, solid.colour), key=lambda one: -one.size[2])
        rank = f"{RANKS[alike.index(solid)]} " if len(alike) > 1 else ""
        return f"{rank}{solid.colour} {solid.kind}"


def distance(one: Solid, other: Solid) -> float:
    """Return the metres from centre to centre."""
    return math.dist(one.box[:3], other.box[:3])


def nearest(solid: Solid, others: Iterable[Solid]) -> Solid:
    """Return the one of the others whose centre is nearest."""
    return min((one for one in others if one is not solid), key=lambda one: distance(solid, one))


def pick(values: Sequence[T], rng: np.random.Generator) -> T:
    """Return one of the values, all equally likely."""
    return values[int(rng.integers(len(values)))]


def even(rows: Sequence[T], answer: Callable[[T], Hashable], rng: np.random.Generator) -> list[T]:
    """Return as many rows of every answer as there are of the rarest, in their order."""
    places: dict[Hashable, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(answer(row), []).append(place)
    least = min(map(len, places.values()), default=0)
    chosen = [found[int(k)] for found in places.values() for k in rng.permutation(len(found))[:least]]
    return [rows[place] for place in sorted(chosen)]


def _size(kind: str, longest: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return width, depth and height, of which the longest is the same whatever the kind."""
    if kind == "sphere":
        return longest, longest, longest
    other, third = longest * rng.uniform(0.5, 1.0, 2)
    sides = [longest, other] if kind in ("cylinder", "cone") else [longest, other, third]
    drawn = [float(sides[int(k)]) for k in rng.permutation(len(sides))]
    return drawn[0], drawn[0] if len(drawn) == 2 else drawn[2], drawn[1]


def _feet(sizes: Sequence[tuple[float, ...]], floor: tuple[float, float], rng: np.random.Generator) -> list[Any]:
    """Place solids one after another without overlap, beginning again where one finds no place."""
    while True:
        feet: list[Any] = []
        for size in sizes:
            for _ in range(50):
                foot = rng.uniform(-1, 1, 2) * (np.array(floor) - size[:2]) / 2
                gaps = (np.abs(foot - at) - (np.array(size[:2]) + sizes[k][:2]) / 2 for k, at in enumerate(feet))
                if all(np.any(gap > 0.15) for gap in gaps):
                    feet.append(foot)
                    break
            else:
                break
        if len(feet) == len(sizes):
            return feet


def draw_hall(name: str, counted: str, number: int, rng: np.random.Generator) -> Hall:
    """Draw a hall that holds so many solids of one kind, and three to six of three or four others."""
    area, shape = 16.0 * 6.0 ** rng.uniform(), rng.uniform(0.7, 1.0)
    sides = (math.sqrt(area * shape), math.sqrt(area / shape))
    floor = sides if rng.random() < 0.5 else sides[::-1]
    others = [kind for kind in SOLIDS if kind != counted]
    mixed = [others[int(k)] for k in rng.permutation(len(others))[: int(rng.integers(3, 5))]]
    kinds = [counted] * number + mixed + [pick(mixed, rng) for _ in range(int(rng.integers(3)))]
    palette = [tuple(COLOURS)[int(k)] for k in rng.permutation(len(COLOURS))[:PALETTE]]
    colours = [pick(palette, rng) for _ in kinds]
    sizes = [_size(kind, 0.2 * 5.5 ** rng.uniform(), rng) for kind in kinds]
    feet = _feet(sizes, floor, rng)
    order = [int(k) for k in rng.permutation(len(kinds))]
    solids = [
        Solid(kinds[k], colours[k], (float(feet[k][0]), float(feet[k][1])), sizes[k], number)
        for number, k in enumerate(order)
    ]
    return Hall(name, floor, tuple(solids), counted)
