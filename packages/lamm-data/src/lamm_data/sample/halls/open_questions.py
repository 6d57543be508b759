"""Open questions about what is in a hall, as ScanQA asks them: with every answer that is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamm_data.sample.halls.hall import Hall, Row, nearest, pick
from lamm_data.sample.solids import Solid
from lamm_data.sample.vocabulary import COLOURS, SOLIDS
from lamm_data.writing.english import plural, with_article

NUMBERS = ("zero", "one", "two", "three", "four")


def pose_questions(hall: Hall, present: bool, rng: np.random.Generator) -> list[Row]:
    """Ask about colours, kinds, numbers, presence and nearness.

    A question for a colour names kinds alone, and one for a kind colours alone: the words tell nothing.

    Args:
        hall: The hall.
        present: Whether the question for presence is about a solid that is there.
        rng: Random stream.
    """
    posed = [_count(hall), _presence(hall, present, rng), *_attributes(hall, rng), *_comparison(hall, rng)]
    return [
        {
            "question_id": f"sample-{hall.name}-{number}",
            "scene_id": hall.name,
            "question": text,
            "answers": answers,
            "object_ids": [solid.id for solid in about],
            "object_names": [solid.kind for solid in about],
        }
        for number, (text, answers, about) in enumerate(posed)
    ]


Posed = tuple[str, list[str], Sequence[Solid]]


def _count(hall: Hall) -> Posed:
    about = hall.of(hall.counted)
    answers = [str(len(about)), NUMBERS[len(about)]]
    return f"How many {plural(hall.counted)} are in the hall?", answers, about


def _presence(hall: Hall, present: bool, rng: np.random.Generator) -> Posed:
    """Ask for a colour and a kind that both occur, together or not."""
    there = {(one.kind, one.colour) for one in hall.solids}
    pairs = [(kind, colour) for kind in SOLIDS for colour in COLOURS if hall.of(kind) and hall.of(colour=colour)]
    asked = sorted(there) if present else [pair for pair in pairs if pair not in there]
    if not asked:  # every kind in every colour: a colour that no solid has is asked for
        asked = [(kind, colour) for kind in SOLIDS for colour in COLOURS if (kind, colour) not in there]
    kind, colour = pick(asked, rng)
    text = f"Is there {with_article(f'{colour} {kind}')} in the hall?"
    return text, ["yes" if present else "no"], hall.of(kind, colour)


def _attributes(hall: Hall, rng: np.random.Generator) -> list[Posed]:
    """Ask for the colour of the only solid of a kind, the kind of the only one of a colour, the colour of the next."""
    posed: list[Posed] = []
    if hall.only:
        solid = pick(hall.only, rng)
        next_to = nearest(solid, hall.solids)
        near = [next_to.colour, f"{next_to.colour} colour"]
        posed.append((f"What colour is the only {solid.kind}?", [solid.colour, f"{solid.colour} colour"], [solid]))
        posed.append((f"What colour is the solid nearest to the only {solid.kind}?", near, [next_to, solid]))
    lone = [one for one in hall.solids if len(hall.of(colour=one.colour)) == 1]
    if lone:
        solid = pick(lone, rng)
        posed.append((f"Which solid is the only {solid.colour} one?", [solid.kind, f"a {solid.kind}"], [solid]))
    return posed


def _comparison(hall: Hall, rng: np.random.Generator) -> list[Posed]:
    """Ask of which of two kinds there are more; either is as likely."""
    first, second = (SOLIDS[int(k)] for k in rng.permutation(len(SOLIDS))[:2])
    about = [*hall.of(first), *hall.of(second)]
    more = len(hall.of(first)) - len(hall.of(second))
    text = f"Are there more {plural(first)} than {plural(second)}?"
    return [(text, ["yes" if more > 0 else "no"], about)] if more else []
