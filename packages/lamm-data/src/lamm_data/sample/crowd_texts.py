"""What is said and asked about an image in which shapes repeat: captions, expressions, questions with ten answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamm_data.sample.vocabulary import COLOURS, SHAPES
from lamm_data.writing.english import plural, with_article

PEOPLE = 10
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True, slots=True)
class Shown:
    """A drawn shape: its kind, colour name and box `(x1, y1, x2, y2)` in pixels."""

    kind: str
    colour: str
    box: tuple[float, float, float, float]


def describe(shown: Sequence[Shown]) -> list[str]:
    """Write five captions of an image, its shapes put together by kind and colour."""
    groups = Counter(f"{one.colour} {one.kind}" for one in shown)
    phrases = [with_article(name) if count == 1 else f"{WORDS[count]} {plural(name)}" for name, count in groups.items()]
    joined = " and ".join(filter(None, (", ".join(phrases[:-1]), phrases[-1])))
    number = f"{WORDS[len(shown)]} shapes"
    return [
        joined,
        f"there are {number}: {joined}",
        f"a drawing of {joined}",
        f"{joined} on a light background",
        f"the picture shows {joined}",
    ]


def refer(shown: Sequence[Shown]) -> list[tuple[int, str]]:
    """Return, by place in the image's list, an expression for every shape that one can be singled out by."""
    found = []
    for place, one in enumerate(shown):
        alike = [other for other in shown if (other.kind, other.colour) == (one.kind, one.colour)]
        lefts = sorted(other.box[0] for other in alike)
        rank = {lefts[0]: "leftmost ", lefts[-1]: "rightmost "}.get(one.box[0], "")
        if len(alike) == 1 or (rank and lefts.count(one.box[0]) == 1):
            found.append((place, f"the {'' if len(alike) == 1 else rank}{one.colour} {one.kind}"))
    return found


def _people(answer: str, others: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return what ten people answer: seven or more agree, the others put it in their own way."""
    odd = [others[int(k)] for k in rng.integers(0, len(others), int(rng.integers(4)))] if others else []
    answers = [answer] * (PEOPLE - len(odd)) + odd
    return [answers[int(k)] for k in rng.permutation(PEOPLE)]


def pose_questions(
    shown: Sequence[Shown], counted: str, present: bool, rng: np.random.Generator
) -> list[tuple[str, str, list[str]]]:
    """Ask about numbers, presence, colours, kinds and sides.

    A question for a colour names kinds alone, and one for a kind colours alone: the words tell nothing.

    Args:
        shown: What is in the image.
        counted: The kind whose number was dealt out.
        present: Whether the question for presence is about a shape that is there.
        rng: Random stream.

    Returns:
        Question, answer, and what ten people answer.
    """
    kinds, colours = Counter(one.kind for one in shown), Counter(one.colour for one in shown)
    posed = [_count(kinds, counted), _presence(shown, present, rng)]
    only = [one for one in shown if kinds[one.kind] == 1]
    if only:
        one = only[int(rng.integers(len(only)))]
        posed.append(
            (f"What colour is the only {one.kind}?", one.colour, [f"bright {one.colour}", f"light {one.colour}"])
        )
    lone = [one for one in shown if colours[one.colour] == 1]
    if lone:
        one = lone[int(rng.integers(len(lone)))]
        posed.append((f"Which shape is the only {one.colour} one?", one.kind, [plural(one.kind), "shape"]))
    if len(only) > 1:
        first, second = (only[int(k)] for k in rng.permutation(len(only))[:2])
        answer = "yes" if sum(first.box[::2]) < sum(second.box[::2]) else "no"
        posed.append((f"Is the only {first.kind} to the left of the only {second.kind}?", answer, []))
    return [(text, answer, _people(answer, others, rng)) for text, answer, others in posed]


Posed = tuple[str, str, list[str]]


def _count(kinds: Counter[str], counted: str) -> Posed:
    number = kinds[counted]
    return f"How many {plural(counted)} are there?", str(number), [WORDS[number], str(number + 1)]


def _presence(shown: Sequence[Shown], present: bool, rng: np.random.Generator) -> Posed:
    """Ask for a kind and a colour that both occur, together or not; a colour that nothing has where all are there."""
    there = {(one.kind, one.colour) for one in shown}
    kinds, colours = sorted({one.kind for one in shown}), sorted({one.colour for one in shown})
    apart = [(kind, colour) for kind in kinds for colour in colours if (kind, colour) not in there]
    apart = apart or [(kind, colour) for kind in SHAPES for colour in COLOURS if (kind, colour) not in there]
    asked = sorted(there) if present else apart
    kind, colour = asked[int(rng.integers(len(asked)))]
    return f"Is there {with_article(f'{colour} {kind}')}?", "yes" if present else "no", []
