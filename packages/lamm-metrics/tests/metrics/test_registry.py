"""Metrics by name: built in, or brought by an installed package through the entry point group `lamm.metrics`."""

import sys

import pytest

from lamm_metrics import metric_names, score
from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.registry import BUILT_IN, make_metric, metric_class
from lamm_metrics.records.tasks import TASKS

MODULE = '''
from lamm_metrics.metrics.additive import AdditiveMetric

class Length(AdditiveMetric[int]):
    """Mean number of words of the answers."""

    name = "length"

    def __init__(self, least: int = 0) -> None:
        super().__init__()
        self.least = least

    def update(self, reference, prediction):
        self.keep(reference, "ok", max(self.least, len(prediction.plain_text.split())))

    def row(self, state):
        return float(state), 1.0

    def values(self, sums):
        return sums[..., :1] / sums[..., 1:]

    @property
    def score_names(self):
        return [self.name]

class NoMetric:
    pass
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package as pip would install it, with entry points."""
    (tmp_path / "lamm_metric_lengths.py").write_text(MODULE)
    info = tmp_path / "lamm_metric_lengths-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamm-metric-lengths\nVersion: 1.0\n")
    entries = "length = lamm_metric_lengths:Length\nno_metric = lamm_metric_lengths:NoMetric\n"
    (info / "entry_points.txt").write_text(f"[lamm.metrics]\n{entries}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("lamm_metric_lengths", None)


@pytest.mark.usefixtures("plugin")
def test_metric_of_another_package_scores_and_takes_options():
    assert "length" in metric_names()
    references = [{"id": 1, "label": "cat"}, {"id": 2, "label": "dog"}]
    answers = [{"id": 1, "text": "one"}, {"id": 2, "text": "one two three"}]
    assert score("classification", references, answers, metrics=["length"]).headline.value == 2
    assert score("classification", references, answers, metrics=["length"], least=2).headline.value == 2.5


@pytest.mark.usefixtures("plugin")
def test_what_is_no_metric_is_refused():
    with pytest.raises(UsageError, match="subclass"):
        metric_class("no_metric")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="cider_d"):
        make_metric("spice", "caption")


def test_every_metric_of_every_task_exists():
    for task in TASKS.values():
        for name in task.metrics:
            assert name in BUILT_IN
            assert make_metric(name, task.key).name
