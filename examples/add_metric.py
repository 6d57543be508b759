"""Add a metric: a class, checked by what every metric promises, and used beside the package's own.

Run: python examples/add_metric.py [FOLDER]
In a package of your own an entry point `lamm.metrics` names the class, and `lamm metrics score --metric` finds it.
"""

import json
import sys
import tempfile
from pathlib import Path

from lamm_metrics import AdditiveMetric, Prediction, check_metric

RECORDS = [{"id": "1", "query": "Describe it."}, {"id": "2", "query": "Describe it."}]
ANSWERS = [{"id": "1", "text": "A red cup."}, {"id": "2", "text": "A cup."}]


class SaysColour(AdditiveMetric[bool]):
    """Share of the answers that name a colour."""

    name = "says_colour"
    colours = frozenset(("red", "green", "blue", "yellow", "black", "white"))

    def update(self, reference: dict, prediction: Prediction) -> None:
        """Look for a colour in one answer."""
        words = prediction.plain_text.lower().strip(".").split()
        self.keep(reference, "ok", not self.colours.isdisjoint(words))

    def row(self, state: bool) -> tuple[float, float]:
        """Return what is summed over records; by default the last number counts them and divides the others."""
        return float(state), 1.0


def main(folder: Path) -> None:
    """Check the metric, score two answers and keep the scores."""
    check_metric(SaysColour, RECORDS, ANSWERS)
    metric = SaysColour()
    for record, answer in zip(RECORDS, ANSWERS, strict=True):
        metric.update(record, Prediction(**answer))
    scores = [score.to_json() for score in metric.compute()]
    print(scores[0]["name"], scores[0]["value"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
