"""What an answerer that never looks would score: predictions drawn from the truth about other pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.answers.kinds import answers_of
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.tasks import ReferenceSource, read_references
from lamm_metrics.records.truth import group_of


def _donors(groups: Sequence[str], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return a record of another group for each, all equally likely; any other record where there is one group only."""
    names, codes = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        codes = np.arange(len(groups))
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    others = len(groups) - sizes[codes]
    picks = (generator.random(len(groups)) * others).astype(np.int64)
    # Skip over the block of the record's own group.
    picks += np.where(picks >= starts[codes], sizes[codes], 0)
    return order[np.minimum(picks, len(groups) - 1)]


def chance_predictions(task: str, references: ReferenceSource, seed: int = 0) -> list[Prediction]:
    """Return answers of somebody who knows the data set but not the picture: the truth about one of another group.

    Multiple-choice questions are answered with a random option instead. Score these answers like any others; their
    score is the level of chance, with an interval.

    Args:
        task: A task key.
        references: Benchmark records, or the path of their file.
        seed: Seed of the draw.

    Returns:
        One answer a record, in the order of the records.
    """
    records = read_references(references, task).records
    kind, generator = answers_of(task), np.random.default_rng(seed)
    asking = {key: record for key, record in records.items() if not kind.own or kind.own not in record}
    listed = list(asking.values())
    groups = [group_of(record) for record in listed]
    donors: Sequence[int] = _donors(groups, generator).tolist() if len(listed) > 1 else []
    shown = dict(records) | {key: listed[donor] for key, donor in zip(asking, donors, strict=False)}
    lone = asking.keys() if len(listed) == 1 else ()
    return [Prediction(key) if key in lone else kind.guess(key, shown[key], generator) for key in records]
