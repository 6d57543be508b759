"""What the page's script reads: samples by model and task, their media, and parts where one file would be too large."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lamm_metrics.answers.kinds import answers_of
from lamm_metrics.records.tasks import find_task
from lamm_metrics.report.breakdown import tasks_of
from lamm_metrics.report.entrants import entrants_of, rows_of
from lamm_metrics.report.media import cloud_for_page, file_below, picture_for_page
from lamm_metrics.report.overlaps import best_overlaps
from lamm_metrics.report.shown import Arranged, known
from lamm_metrics.results.report import Report, Sample
from lamm_metrics.results.score import Mark, drawn
from lamm_metrics.viewer.packing import points_each, side_each

# Characters of one answer that the page shows.
LONGEST = 2000
# A page with more samples than this keeps them in parts beside itself.
INLINE = 10_000
PART = 2000
# Samples of each report that a page in parts embeds for its plots.
PLOTTED = 300
MOST_PICTURES, MOST_CLOUDS = 400, 48


@dataclass
class PageData:
    """Everything that a page embeds or lays beside itself.

    Attributes:
        target: The HTML file.
        roots: Folder of the media by name of the benchmark, "" for all others; none shows no media.
        thumbnails: Small pictures as `data:image/…` URIs by media path or record id.
        transcripts: What judges said, by benchmark and record id.
        max_samples: Most samples of a report that are listed, evenly spread.
    """

    target: Path
    roots: Mapping[str, Path] = field(default_factory=dict)
    thumbnails: Mapping[str, str] = field(default_factory=dict)
    transcripts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    max_samples: int = 100_000
    media: list[dict[str, Any]] = field(default_factory=list)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    # Few texts that many records share, by the number under which the page lists them.
    systems: dict[str, int] = field(default_factory=dict)

    def build(self, arranged: Arranged) -> dict[str, Any]:
        """Return the embedded data, writing parts beside the page where there are too many samples for one file."""
        shown = {
            (model, name): self._shown(report)
            for model, reports in arranged.items()
            for name, report in reports.items()
        }
        self._embed(shown)
        panels = []
        for (model, name), samples in shown.items():
            report = arranged[model][name]
            marks = [drawn(sample.marks) for sample in samples]
            rows = zip(samples, marks, best_overlaps(marks), strict=True)
            panels.append(
                {
                    "model": model,
                    "name": name,
                    "task": report.task,
                    "plot": "" if find_task(report.task) is None else answers_of(report.task).plot,
                    "metric": report.headline.name,
                    "signature": report.headline.signature,
                    "higher": report.headline.higher_is_better,
                    "total": len(report.samples),
                    "statuses": report.statuses,
                    "samples": [self._sample(name, *row) for row in rows],
                }
            )
        self._part(panels)
        return {
            "entrants": [asdict(one) for one in entrants_of(arranged).values()],
            "headlines": _headlines(arranged),
            "tasks": tasks_of(arranged),
            "panels": panels,
            "media": self.media,
            "systems": list(self.systems),
        }

    def _shown(self, report: Report) -> tuple[Sample, ...]:
        step = max(1, -(-len(report.samples) // max(1, self.max_samples)))
        return report.samples[::step]

    def _embed(self, shown: Mapping[tuple[str, str], tuple[Sample, ...]]) -> None:
        """Embed media, the first samples of every task before the second ones, until enough are embedded."""
        wanted: dict[tuple[str, str], tuple[Path | None, str]] = {}
        for name, sample in _in_turns(shown):
            key = (name, sample.media or sample.id)
            if key not in wanted:
                thumbnail = self.thumbnails.get(sample.media) or self.thumbnails.get(sample.id) or ""
                wanted[key] = (self._path(name, sample.media), thumbnail if thumbnail.startswith("data:image/") else "")
        kinds = [_kind(path, thumbnail) for path, thumbnail in wanted.values()]
        points = points_each(min(MOST_CLOUDS, kinds.count("cloud")))
        side = side_each(min(MOST_PICTURES, kinds.count("picture")))
        left = {"cloud": MOST_CLOUDS, "picture": MOST_PICTURES}
        for kind, (key, (path, thumbnail)) in zip(kinds, wanted.items(), strict=True):
            entry: dict[str, Any] = {"picture": thumbnail} if thumbnail else {}
            if kind and path is not None:
                embed = (
                    partial(cloud_for_page, points=points) if kind == "cloud" else partial(picture_for_page, side=side)
                )
                embedded = embed(path) if left[kind] else None
                left[kind] -= embedded is not None
                if embedded is None and kind == "picture":
                    embedded = Path(os.path.relpath(path, self.target.parent)).as_posix()
                entry = {} if embedded is None else {kind: embedded}
            if entry:
                self.places[key] = len(self.media)
                self.media.append(entry)

    def _path(self, name: str, media: str) -> Path | None:
        root = self.roots.get(name, self.roots.get(""))
        return None if root is None or not media else file_below(root, media)

    def _sample(
        self, name: str, sample: Sample, marks: Sequence[Mark], overlaps: Sequence[float | None]
    ) -> dict[str, Any]:
        listed = {
            "id": sample.id,
            "status": sample.status,
            "value": known(sample.value),
            "extracted": _cut(sample.extracted),
            "detail": _cut(sample.detail),
            "system": self.systems.setdefault(_cut(sample.system), len(self.systems)),
            "query": _cut(sample.query),
            "answer": _cut(sample.answer),
            "truth": _cut(sample.truth),
            "media": sample.media,
            "medium": self.places.get((name, sample.media or sample.id), -1),
            "marks": [
                [kind, [round(n, 4) for n in numbers], *rest, *([] if overlap is None else [overlap])]
                for (kind, numbers, *rest), overlap in zip(marks, overlaps, strict=True)
            ],
            "confidence": known(sample.confidence),
        }
        verdict = self.transcripts.get(name, {}).get(sample.id)
        return {**listed, "judge": verdict} if verdict else listed

    def _part(self, panels: list[dict[str, Any]]) -> None:
        """Move the samples of a large page into parts that are loaded when their task is chosen."""
        folder = self.target.with_name(self.target.stem + ".parts")
        if sum(len(panel["samples"]) for panel in panels) <= INLINE:
            shutil.rmtree(folder, ignore_errors=True)
            return
        beside = folder.with_name(folder.name + ".partial")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        number = 0
        for panel in panels:
            samples, panel["samples"], panel["parts"] = panel["samples"], [], []
            panel["plotted"] = _plotted(panel["plot"], samples)
            for start in range(0, len(samples), PART):
                part = f"{folder.name}/{number}.js"
                content = json.dumps(samples[start : start + PART], ensure_ascii=False)
                (beside / f"{number}.js").write_text(f"lammPart({json.dumps(part)}, {content});\n", "utf-8", "replace")
                panel["parts"].append(part)
                number += 1
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)


def _plotted(plot: str, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what plots of single samples need, evenly thinned: counts and truths, or confidence and correctness."""
    if plot != "count":
        samples = [sample for sample in samples if sample["confidence"] is not None]
    keys = ("status", "value", "extracted", "truth", "confidence")
    step = max(1, -(-len(samples) // PLOTTED))
    return [{key: sample[key] for key in keys} for sample in samples[::step]]


def _kind(path: Path | None, thumbnail: str) -> str:
    """Return how a medium is embedded: "cloud", "picture", or "" where it is a thumbnail or cannot be."""
    if thumbnail or path is None or path.suffix in (".ply", ".pcd"):
        return ""
    return "cloud" if path.suffix == ".npy" else "picture"


def _in_turns(shown: Mapping[tuple[str, str], tuple[Sample, ...]]) -> Iterator[tuple[str, Sample]]:
    names = [name for _, name in shown]
    for row in zip_longest(*shown.values()):
        yield from ((name, sample) for name, sample in zip(names, row, strict=True) if sample is not None)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _headlines(arranged: Arranged) -> list[dict[str, Any]]:
    """Return what the leaderboard is sorted by: records, the largest share of unread answers, scores by model."""
    return [
        {
            "name": row.name,
            "higher": row.first.higher_is_better,
            "n": max(score.n for score in row.everyone),
            "unread": max((score.failure_rate for score in row.scores.values()), default=0.0),
            "scores": {model: known(score.value) for model, score in row.scores.items()},
        }
        for row in rows_of(arranged)
    ]
