"""Reports in the formats in which results are published: every-eval-ever's JSON and the Hub's `.eval_results` YAML."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from lamm_metrics.errors import UsageError
from lamm_metrics.records.files import write_beside
from lamm_metrics.results.report import Report
from lamm_metrics.results.score import Score, version

EVERY_EVAL_VERSION = "0.3.0"
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")


def every_eval_log(
    report: Report,
    model: str,
    organisation: str,
    relationship: str = "other",
    dataset: str = "",
    date: datetime | None = None,
) -> dict[str, Any]:
    """Return a report as a log of every-eval-ever (schema 0.3.0), a result for each score that is defined.

    Args:
        report: Scores of one model on one task.
        model: The model as `organisation/name`.
        organisation: Who evaluated it.
        relationship: What the evaluator is to the model: first_party, third_party, collaborative or other.
        dataset: The data set on the Hub as `organisation/name`; empty where it is not there.
        date: When it was evaluated; now if None.

    Raises:
        UsageError: A name or the relationship is none of these, or no score is defined.
    """
    _check_name("model", model)
    if all(score.value is None for score in report.scores):
        raise _undefined(report)
    if relationship not in RELATIONSHIPS:
        raise UsageError(f"Expected a relationship ({', '.join(RELATIONSHIPS)}), got {relationship!r}. Choose one.")
    named = report.dataset or report.task
    source: dict[str, Any] = {"dataset_name": named, "source_type": "other"}
    if dataset:
        source = {"dataset_name": named, "source_type": "hf_dataset", "hf_repo": _check_name("dataset", dataset)}
    second = str(int((date or datetime.now(UTC)).timestamp()))
    details = {"deployment_type": "unknown", "model_availability": "unknown"}
    return {
        "schema_version": EVERY_EVAL_VERSION,
        "evaluation_id": f"{named}.{report.task}.{report.protocol}/{model.replace('/', '_')}/{second}",
        "evaluation_timestamp": second,
        "retrieved_timestamp": second,
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_organization_name": organisation,
            "evaluator_relationship": relationship,
        },
        "eval_library": {"name": "lamm-metrics", "version": version()},
        "model_info": {"name": model.rpartition("/")[2], "id": model, "additional_details": details},
        "evaluation_results": [
            {
                "evaluation_result_id": f"{report.task}/{report.protocol}/{score.name}",
                "evaluation_name": f"{named} ({report.task}, {report.protocol})",
                "source_data": source,
                "metric_config": _metric(score),
                "score_details": _details(score, report),
            }
            for score in report.scores
            if score.value is not None
        ],
    }


def _choices(score: Score) -> dict[str, str]:
    """Return what the signature says, by name."""
    parts = (part.partition(":") for part in score.signature.split("|")[1:])
    return {name: value for name, _, value in parts}


def _metric(score: Score) -> dict[str, Any]:
    return {
        "metric_id": f"lamm_metrics.{score.name}",
        "metric_name": score.name,
        "metric_parameters": _choices(score),
        "lower_is_better": not score.higher_is_better,
    }


def _details(score: Score, report: Report) -> dict[str, Any]:
    uncertainty: dict[str, Any] = {"num_samples": score.n}
    if score.interval is not None:
        method = _choices(score).get("ci", "")
        uncertainty["confidence_interval"] = {
            "lower": score.interval[0],
            "upper": score.interval[1],
            "confidence_level": report.settings.get("confidence", 0.95),
            "method": method,
        }
        if "bootstrap" in method and "draws" in report.settings:
            uncertainty["num_bootstrap_samples"] = report.settings["draws"]
    details = {"signature": score.signature, "unread_answers": str(score.n_failed)}
    return {"score": score.value, "details": details, "uncertainty": uncertainty}


def hub_result(report: Report, dataset: str, date: datetime | None = None) -> dict[str, Any]:
    """Return the headline of a report as an entry of the Hub's `.eval_results/*.yaml`.

    Args:
        report: Scores of one model on one task.
        dataset: The benchmark's data set on the Hub as `organisation/name`.
        date: When it was evaluated; now if None.

    Raises:
        UsageError: The data set's name is none, or the headline is undefined.
    """
    score = report.headline
    if score.value is None:
        raise _undefined(report)
    interval = "" if score.interval is None else f" [{score.interval[0]:.4f}, {score.interval[1]:.4f}]"
    return {
        "dataset": {"id": _check_name("dataset", dataset), "task_id": report.task},
        "value": score.value,
        "date": (date or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "notes": f"{score.name}{interval}, {score.failure_rate:.1%} of {score.n} answers unread; {score.signature}",
    }


def _undefined(report: Report) -> UsageError:
    score = report.headline
    return UsageError(f"Expected a score with a value, got {score.name} of {score.n} records. Score answers first.")


def _for_path(name: str) -> str:
    """Return a name that a report states as one part of a path: reports come from anywhere."""
    return re.sub(r"[^\w.-]", "_", name).strip(".") or "unnamed"


def _check_name(kind: str, name: str) -> str:
    parts = name.split("/")
    if len(parts) != 2 or any(not re.fullmatch(r"\w[\w.-]*", part) for part in parts):
        raise UsageError(f"Expected the {kind} as ORGANISATION/NAME, got {name!r}. Name it as the Hub does.")
    return name


def write_every_eval(folder: str | Path, logs: Iterable[dict[str, Any]]) -> list[Path]:
    """Write logs of every-eval-ever where its datastore wants them, named after what they hold; return their paths."""
    written = []
    for log in logs:
        text = json.dumps(log, indent=2) + "\n"
        name = UUID(bytes=sha256(text.encode()).digest()[:16], version=4)
        collection = log["evaluation_results"][0]["source_data"]["dataset_name"]
        path = Path(folder) / "data" / _for_path(collection) / log["model_info"]["id"] / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(path, [text])
        written.append(path)
    return written


def write_hub(folder: str | Path, reports: Iterable[Report], dataset: str, date: datetime | None = None) -> list[Path]:
    """Write `.eval_results/TASK.yaml` for each report into the folder of a model's repository; return the paths."""
    written = []
    for report in reports:
        variant = "" if report.protocol == "standard" else f"_{report.protocol}"
        path = Path(folder) / ".eval_results" / f"{_for_path(report.task + variant)}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = hub_result(report, dataset, date)
        write_beside(path, [f"{mark}{line}\n" for mark, line in zip(_marks(), _yaml(entry), strict=False)])
        written.append(path)
    return written


def _marks() -> Iterator[str]:
    """Yield what makes a list of one entry of its lines."""
    yield "- "
    while True:
        yield "  "


def _yaml(entry: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a mapping; texts are written as JSON strings, which YAML reads."""
    for key, value in entry.items():
        if isinstance(value, dict):
            yield f"{key}:"
            yield from (f"  {line}" for line in _yaml(value))
        else:
            yield f"{key}: {json.dumps(value)}"
