"""Read back reports that were written as JSON."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.records.files import parse_json, read_text
from lamm_metrics.results.report import Report, Sample
from lamm_metrics.results.score import Mark, Score


def _sample(given: Mapping[str, Any]) -> Sample:
    marks = tuple(
        Mark(kind, tuple(map(float, numbers)), label, true) for kind, numbers, label, true in given.get("marks", ())
    )
    return Sample(**{**given, "marks": marks})


def _report(given: Mapping[str, Any]) -> Report:
    return Report(
        task=given["task"],
        protocol=given["protocol"],
        scores=tuple(Score.from_json(score) for score in given["scores"]),
        samples=tuple(_sample(sample) for sample in given.get("samples", [])),
        dataset=given["dataset"],
        model=given["model"],
        settings=given["settings"],
        note=given["note"],
    )


def read_reports(path: str | PathLike[str]) -> list[Report]:
    """Read a file of one report or a list of reports.

    Raises:
        LammMetricsError: The file holds something else.
    """
    try:
        parsed = parse_json(read_text(Path(path)))
        return [_report(given) for given in (parsed if isinstance(parsed, list) else [parsed])]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise LammMetricsError(
            f"Expected a report that `lamm metrics score --json` wrote, got something else ({path}: {error}). "
            "Score again with --output NAME.json."
        ) from error
