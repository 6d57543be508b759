"""Yes-or-no questions about solids that are there and solids that are not, built as those of 3D-POPE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from lamm_data.sample.halls.hall import Hall, Row, even
from lamm_data.sample.vocabulary import COLOURS, SOLIDS
from lamm_data.writing.english import with_article

Setting = Literal["random", "popular", "adversarial"]
SETTINGS: tuple[Setting, ...] = ("random", "popular", "adversarial")
CLASSES = tuple(f"{colour} {kind}" for colour in COLOURS for kind in SOLIDS)
TEMPLATES = ("Is there {one} in this hall?", "Can you see {one} in the hall?")


def _absent(
    present: Sequence[str],
    setting: Setting,
    seen: Counter[str],
    together: dict[str, Counter[str]],
    rng: np.random.Generator,
) -> list[str]:
    """Return as many absent classes as there are present: any, the commonest, or those that go with what is there."""
    absent = [CLASSES[int(k)] for k in rng.permutation(len(CLASSES)) if CLASSES[int(k)] not in present]
    if setting == "popular":
        absent.sort(key=lambda name: -seen[name])
    if setting != "adversarial":
        return absent[: len(present)]
    chosen: list[str] = []
    for name in present:
        chosen.append(max((one for one in absent if one not in chosen), key=lambda one: together[name][one]))
    return chosen


def presence_questions(halls: Sequence[Hall], setting: Setting, rng: np.random.Generator) -> list[list[Row]]:
    """Ask for every class that a hall holds and for as many that it does not.

    What is commoner is more often there, which whoever knows the set could answer by. So of every class only as many
    questions stay as have either answer.

    Returns:
        The questions of each template.
    """
    holds = [list(dict.fromkeys(f"{one.colour} {one.kind}" for one in hall.solids)) for hall in halls]
    seen = Counter(name for names in holds for name in names)
    together = {name: Counter[str]() for name in CLASSES}
    for names in holds:
        for name in names:
            together[name].update(other for other in names if other != name)
    asked: list[tuple[str, str, str]] = []
    for hall, names in zip(halls, holds, strict=True):
        asked += [(hall.name, name, "yes") for name in names]
        asked += [(hall.name, name, "no") for name in _absent(names, setting, seen, together, rng)]
    of_class = {name: [row for row in asked if row[1] == name] for name in CLASSES}
    both = [rows for rows in of_class.values() if len({truth for _, _, truth in rows}) == 2]
    chosen = sorted(row for rows in both for row in even(rows, lambda row: row[2], rng))
    written: list[list[Row]] = [[] for _ in TEMPLATES]
    for number, (scene, name, truth) in enumerate(chosen):
        template = int(rng.integers(len(TEMPLATES)))
        text = TEMPLATES[template].format(one=with_article(name))
        written[template].append(
            {
                "id": f"{setting}_{number}",
                "scene_id": scene,
                "conversations": [{"from": "human", "value": f"{text}\n<image>"}],
                "ground_truth_answer": truth,
                "question_type": setting,
                "template": template + 1,
            }
        )
    return written
