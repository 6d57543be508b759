"""The way of one detection answer from its text to its score, without intervals by resampling.

python benchmarks/ways/scoring.py [--files]
"""

from tracing import report

from lamm_metrics import score

RECORDS = [{"id": "1", "image": "1.jpg", "object": [{"label": "dog", "bbox": [0.1, 0.2, 0.5, 0.6]}]}]
ANSWERS = [{"id": "1", "text": "There is a dog at [0.1, 0.2, 0.5, 0.58]."}]

if __name__ == "__main__":
    report({"one detection answer scored": lambda: score("detection", RECORDS, ANSWERS, draws=0)}, "lamm_metrics")
