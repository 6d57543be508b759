"""Score free-form answers with nothing but lamm-metrics installed.

Run: python examples/score_predictions.py [FOLDER]
It writes a benchmark file, two models' predictions and an HTML report into FOLDER (default: a temporary one).
"""

import json
import sys
import tempfile
from pathlib import Path

import lamm_metrics

REFERENCES = [
    {"id": "kitchen", "image": "kitchen.jpg", "object": [
        {"label": "cup", "bbox": [0.10, 0.40, 0.20, 0.55]},
        {"label": "chair", "bbox": [0.50, 0.30, 0.90, 0.95]},
    ]},
    {"id": "street", "image": "street.jpg", "object": [{"label": "dog", "bbox": [0.30, 0.50, 0.60, 0.90]}]},
    {"id": "beach", "image": "beach.jpg", "object": [{"label": "dog", "bbox": [0.05, 0.60, 0.25, 0.80]}]},
]  # fmt: skip
ANSWERS = {
    "careful": {
        "kitchen": "I see a cup at [0.11, 0.40, 0.20, 0.56] and a chair at [0.52, 0.31, 0.90, 0.93].",
        "street": '[{"label": "dog", "bbox_2d": [0.31, 0.52, 0.60, 0.88]}]',
        "beach": "There is a dog: [0.05, 0.61, 0.24, 0.80].",
    },
    "hasty": {
        "kitchen": "A cup: [0.5, 0.5, 0.9, 0.9].",
        "street": "The dog is at [0.28, 0.50, 0.60, 0.92].",
        "beach": "I am sorry, I cannot see any image.",
    },
}


def main(folder: Path) -> None:
    """Write the files, score both models and chance, compare, report."""
    folder.mkdir(parents=True, exist_ok=True)
    references = folder / "Detection_Example.json"
    references.write_text(json.dumps(REFERENCES))
    reports = {}
    for model, answers in ANSWERS.items():
        predictions = folder / f"{model}.jsonl"
        lines = [{"lamm": "predictions", "model": model}, *({"id": key, "text": text} for key, text in answers.items())]
        predictions.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
        reports[model] = {"detection": lamm_metrics.score("detection", references, predictions)}
        print(reports[model]["detection"], end="\n\n")
    guesses = lamm_metrics.chance_predictions("detection", references)
    reports["chance"] = {"detection": lamm_metrics.score("detection", references, guesses)}
    print(lamm_metrics.compare("detection", references, folder / "hasty.jsonl", folder / "careful.jsonl", draws=1000))
    print("\nreport:", lamm_metrics.write_report(folder / "report.html", reports, title="Two detectors and chance"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
