"""What every metric has to keep, as one call for the tests of packages that bring metrics.

from lamm_metrics.testing import check_metric
check_metric(MyMetric, references, predictions)
"""

import json
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.metrics.base import Metric
from lamm_metrics.records.predictions import Prediction, read_predictions
from lamm_metrics.records.truth import record_id
from lamm_metrics.results.score import Score

Pair = tuple[Mapping[str, Any], Prediction]
DRAWS = 20


class ConformanceError(AssertionError):
    """A metric breaks a promise of `Metric`."""


def _demand(holds: bool, broken: str) -> None:
    if not holds:
        raise ConformanceError(broken)


def _read(make: Callable[[], Metric[Any]], pairs: Iterable[Pair]) -> Metric[Any]:
    metric = make()
    for reference, prediction in pairs:
        metric.update(reference, prediction)
    return metric


def _bits(scores: Sequence[Score]) -> str:
    """Return scores as text in which any difference of a bit shows."""
    return json.dumps([score.to_json() for score in scores], sort_keys=True)


def _check_shards(make: Callable[[], Metric[Any]], pairs: Sequence[Pair], expected: str, seed: int) -> None:
    """Demand that any split into shards, merged in any order and carried between processes, gives the same bits."""
    generator = np.random.default_rng(seed)
    for count in (1, 2, 3, len(pairs) + 1):
        place = generator.integers(0, count, len(pairs))
        order = generator.permutation(len(pairs))
        shards = [_read(make, (pairs[i] for i in order if place[i] == shard)) for shard in range(count)]
        merged = make()
        for shard in generator.permutation(count):
            carried = shards[shard]
            carried.entries = pickle.loads(pickle.dumps(carried.entries))  # noqa: S301 - written in this line  # nosec B301
            merged.merge(carried)
        _demand(_bits(merged.compute(draws=DRAWS)) == expected, f"{count} shards merge to other bits than one pass")


def _check_resampling(metric: Metric[Any], scores: Sequence[Score]) -> None:
    """Demand that weights of one give the scores, and that a weight is a repetition."""
    values = metric.resampled(np.ones((2, len(metric.groups())), np.int64))
    _demand(values.shape == (2, len(scores)), f"resampled gives {values.shape}, expected (2, {len(scores)})")
    for value, score in zip(values[0], scores, strict=True):
        same = np.isnan(value) if score.value is None else bool(np.isclose(value, score.value, rtol=1e-9, atol=1e-12))
        _demand(bool(same), f"{score.name} is {score.value}, but {value} under weights of one")


def _check_scores(scores: Sequence[Score], pairs: Sequence[Pair]) -> None:
    _demand(len(scores) > 0, "compute gives no score")
    _demand(len({score.name for score in scores}) == len(scores), "two scores share a name")
    for score in scores:
        _demand("|v:" in score.signature, f"the signature of {score.name} names no version")
        _demand(0 <= score.n_failed <= len(pairs), f"n_failed of {score.name} is {score.n_failed}")
        if score.interval is not None:
            _demand(score.interval[0] <= score.interval[1], f"the interval of {score.name} is upside down")


def check_metric(
    make: Callable[[], Metric[Any]],
    references: Sequence[Mapping[str, Any]],
    predictions: Sequence[Mapping[str, Any] | Prediction],
    seed: int = 0,
) -> None:
    """Check that a metric keeps what `Metric` promises.

    Args:
        make: Makes an empty metric.
        references: At least two records.
        predictions: An answer to each of them.
        seed: Seed of the splits that are tried.

    Raises:
        ConformanceError: A promise is broken; the message says which.
    """
    answers = read_predictions(predictions).records
    pairs = [(reference, answers[record_id(reference)]) for reference in references]
    _demand(len(pairs) >= 2, "give at least two records")
    empty = make().compute(draws=DRAWS)
    _demand(all(score.value is None or score.n == 0 for score in empty), "no records give a score")
    metric = _read(make, pairs)
    scores = metric.compute(draws=DRAWS)
    _check_scores(scores, pairs)
    expected = _bits(scores)
    _demand(_bits(metric.compute(draws=DRAWS)) == expected, "computing twice gives other bits")
    _check_shards(make, pairs, expected, seed)
    _check_resampling(metric, scores)
    listed = [result.id for result in metric.per_sample()]
    _demand(listed == sorted(record_id(reference) for reference in references), "per_sample misses or repeats records")
    try:
        metric.update(*pairs[0])
    except LammMetricsError:
        return
    raise ConformanceError("a record can be read twice")
