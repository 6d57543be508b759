"""Which verdicts a run needs: every comparison in both orders, and some records a second time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lamm_metrics.errors import UsageError
from lamm_metrics.gpt.items import Item
from lamm_metrics.gpt.settings import JudgeSettings


@dataclass(frozen=True, slots=True)
class Job:
    """One verdict to ask for.

    Attributes:
        item: The record.
        judge: Name of the judging model.
        mode: One of the modes.
        order: Indices of the answers in the order in which they are shown.
        repeat: 0, or 1 for the second asking that measures self-agreement.
    """

    item: Item
    judge: str
    mode: str
    order: tuple[int, ...]
    repeat: int


def _orders(mode: str, models: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """The orders in which the answers to one record are shown; every order comes with its reverse."""
    if mode == "absolute":
        return [(index,) for index in range(models)]
    if mode == "pairwise":
        return [order for one, two in combinations(range(models), 2) for order in ((one, two), (two, one))]
    shuffled = tuple(int(index) for index in generator.permutation(models))
    return [shuffled, shuffled[::-1]]


def plan_jobs(items: Sequence[Item], judges: Sequence[str], models: int, settings: JudgeSettings) -> list[Job]:
    """List the verdicts of a run.

    Raises:
        UsageError: A comparison needs two models.
    """
    if settings.mode != "absolute" and models < 2:
        raise UsageError(
            f"Expected at least two predictions files to compare, got {models}. Add one, or use --mode absolute."
        )
    generator = np.random.default_rng(settings.seed)
    share = settings.repeat_share
    again = set(generator.permutation(len(items))[: int(np.ceil(share * len(items)))].tolist())
    orders = [_orders(settings.mode, models, generator) for _ in items]
    return [
        Job(item, judge, settings.mode, order, repeat)
        for judge in judges
        for number, item in enumerate(items)
        for order in orders[number]
        for repeat in ((0, 1) if number in again else (0,))
    ]
