"""`score`: references and predictions in, a report out."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from lamm_metrics.answers.located import size_of
from lamm_metrics.errors import UsageError
from lamm_metrics.extraction import Status
from lamm_metrics.geometry.boxes import misplaced_2d
from lamm_metrics.geometry.boxes3d import misplaced_3d
from lamm_metrics.geometry.conventions import NORMALISED_XYXY
from lamm_metrics.metrics.base import Metric
from lamm_metrics.metrics.captions.meteor_tables import has_tables
from lamm_metrics.metrics.registry import make_metric, metric_class, options_of, refuse_unknown
from lamm_metrics.protocols import OWN, Protocol, protocols_of, published
from lamm_metrics.records.files import bare_name, first_ten
from lamm_metrics.records.predictions import Prediction, PredictionSource, read_predictions
from lamm_metrics.records.tasks import (
    References,
    ReferenceSource,
    all_tasks,
    check_missing,
    pair,
    read_references,
    task_named,
    task_of_references,
)
from lamm_metrics.records.truth import Reference, labels_of, stated_group, truth_text
from lamm_metrics.results.report import Report, Sample
from lamm_metrics.results.score import BOX, BOX_3D, POINT, SampleResult, Score, check_sampling

# Kinds of marks that lie in an image, as they are called.
NAMES = {BOX: "boxes", POINT: "points"}
Progress = Callable[[int, int], None]


def metric_names_for(
    task: str, protocol: str = "standard", names: Sequence[str] = (), options: Iterable[str] = ()
) -> tuple[str, ...]:
    """Name the metrics that score a task, none for COCO's protocol, and refuse options that none of them has.

    Raises:
        UsageError: Unknown task, protocol or metric, or an option that none of the metrics knows.
    """
    row = task_named(task)
    rule = published(protocol, task)
    own = _fixed(rule, task, options) if rule else {"standard": row.metrics, "paper": ("paper",), "coco": ()}[protocol]
    if names and protocol != "standard" and tuple(names) != own:
        raise UsageError(
            f"Expected the {protocol} protocol without other metrics, since its numbers are its own; got "
            f"{', '.join(names)}. Leave --metric out, or score by the standard protocol."
        )
    if protocol == "coco":
        refuse_unknown(["COCO's protocol"], ["iou_type"], options)
        return ()
    if rule:
        return own
    chosen = tuple(names) or own
    refuse_unknown(chosen, {option for name in chosen for option in options_of(metric_class(name))}, options)
    return chosen


def _fixed(rule: Protocol, task: str, options: Iterable[str]) -> tuple[str, ...]:
    """Name the metrics of a published rule, whose options nobody may change."""
    if chosen := sorted(options):
        raise UsageError(
            f"Expected the {rule.name} protocol without other options, since its numbers are its own; got "
            f"{', '.join(chosen)}. Leave --set out, or score by the standard protocol."
        )
    return tuple(use.metric for use in rule.uses(task, has_tables()))


def left_out(task: str, protocol: str) -> str:
    """Say that METEOR is left out of a published rule, since its tables are not installed; empty where it is not."""
    rule = published(protocol, task)
    if rule is None or rule.uses(task, meteor=True) == rule.uses(task, meteor=False) or has_tables():
        return ""
    return "METEOR, which this rule has too, is left out: its tables come with `pip install pycocoevalcap`"


def metrics_for(
    task: str, references: References, protocol: str = "standard", names: Sequence[str] = (), **options: Any
) -> list[Metric[Any]]:
    """Make the empty metrics that score a task, each with those of the options that it knows.

    The labels that occur in the references are the closed set of records that name none.

    Raises:
        UsageError: Unknown task, protocol, metric, option or value, or a metric that reads another ground truth than
            these records have.
    """
    chosen = metric_names_for(task, protocol, names, options)
    if not chosen:
        able = ", ".join([*OWN[:2], *protocols_of(task)])
        raise UsageError(f"Expected a protocol ({able}), got {protocol!r}. Choose one of them.")
    for name in names:
        _check_truth(name, task, references)
    if protocol == "standard" and not names:
        chosen += _also(task, references)
    if "paper" in chosen:
        from lamm_metrics.paper.metric import refuse_unusable

        refuse_unusable(task, references)
    labels = labels_of(list(references.records.values()))
    if rule := published(protocol):
        made = [make_metric(use.metric, task, labels, **use.options) for use in rule.uses(task, has_tables())]
    else:
        own = [options.keys() & options_of(metric_class(name)).keys() for name in chosen]
        made = [
            make_metric(name, task, labels, **{key: options[key] for key in sorted(keys)})
            for name, keys in zip(chosen, own, strict=True)
        ]
    numbered = {str(record.get("proposal_source", "")) for record in references.records.values()}
    for metric in made:
        metric.protocol, metric.proposals = protocol if rule else "", "+".join(sorted(numbered - {""}))
    return made


def _also(task: str, references: References) -> tuple[str, ...]:
    """Name the further metrics of a task for which every record lists what they read."""
    return tuple(
        name
        for name in task_named(task).also
        if all(any(isinstance(one.get(key), list) for key in metric_class(name).needs)
               for one in references.records.values())
    )  # fmt: skip


def _check_truth(name: str, task: str, references: References) -> None:
    """Say so where records lack what a metric compares answers with."""
    keys = metric_class(name).needs
    lacking = next((key for key, record in references.records.items() if record.keys().isdisjoint(keys)), None)
    if keys and lacking is not None:
        wanted = " or ".join(f"`{key}`" for key in keys)
        raise UsageError(
            f"Expected {wanted} in every record for the metric {name}, got a record without it: {lacking!r}. "
            f"Choose a metric that fits the task {task}; `lamm metrics list` shows them."
        )


def score(
    task: str | None,
    references: ReferenceSource,
    predictions: PredictionSource,
    protocol: str = "standard",
    *,
    seed: int = 0,
    draws: int = 1000,
    confidence: float = 0.95,
    missing: str = "error",
    metrics: Sequence[str] = (),
    samples: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Score free-form answers on one task.

    Args:
        task: A task key, see `lamm_metrics.records.tasks.TASKS`; None where the records or their file's name tell it.
        references: Benchmark records, or the path of their file; see `read_references`.
        predictions: Answers, or the path of their file; see `read_predictions`.
        protocol: "standard", the name of a published rule (`lamm_metrics.PUBLISHED`), "paper" for the formulas with
            which LAMM (arXiv 2306.06687) was published, or "coco" for the numbers of COCO's evaluation; then references
            and predictions are a COCO annotation file and a COCO results file, and `iou_type` may be "bbox", "segm" or
            "keypoints".
        seed: Seed of the bootstrap.
        draws: Bootstrap draws.
        confidence: Coverage of the intervals.
        missing: "error" refuses records without an answer; "failed" counts them as answers that cannot be read.
        metrics: Names of metrics to use in place of the task's own.
        samples: Keep every record and its answer in the report.
        progress: Called with the records read so far and their number, now and then.
        options: Options of metrics, such as `convention="thousand-xyxy"` for boxes or `tokenizer="13a"` for BLEU.

    Returns:
        The scores, headline first.

    Raises:
        UsageError: Unknown task, protocol, metric or option value.
        FileFaultsError: Faulty files or ids that do not match; all faults are listed.

    >>> references = [{"id": 1, "label": "cat"}, {"id": 2, "label": "dog"}]
    >>> answers = [{"id": 1, "text": "A cat."}, {"id": 2, "text": "It is a cat."}]
    >>> score("classification", references, answers).headline.value
    0.5
    """
    check_sampling(draws, confidence)
    if protocol == "coco":
        check_missing(missing)
        if task is None:
            raise UsageError("Expected a task for COCO's protocol, got none: COCO's files name none. Name one.")
        metric_names_for(task, protocol, metrics, options)
        return _coco(task, references, predictions, seed=seed, draws=draws, confidence=confidence, **options)
    truth = read_references(references, task)
    task = task or task_of_references(truth)
    answers = read_predictions(predictions)
    chosen = metrics_for(task, truth, protocol, metrics, **options)
    paired = pair(truth, answers, missing)
    gather(chosen, truth, paired, progress)
    scores: list[Score] = []
    for metric in chosen:
        scores += metric.compute(seed=seed, draws=draws, confidence=confidence)
    besides = [other_version(references, answers.header), left_out(task, protocol)]
    results = [*chosen[0].per_sample()] if samples or type(chosen[0]).marks is not Metric.marks else []
    return Report(
        task=task,
        protocol=protocol,
        scores=tuple(scores),
        samples=tuple(_samples(results, truth, paired)) if samples else (),
        dataset=truth.dataset,
        model=answers.name,
        settings={"seed": seed, "draws": draws, "confidence": confidence, "missing": missing, **_file_of(references)},
        note="; ".join([*remarks_of(chosen[0], truth.records, paired, results), *filter(None, besides)]),
    )


def _coco(task: str, references: Any, predictions: Any, iou_type: str | None = None, **options: Any) -> Report:
    """Score a COCO results file."""
    from lamm_metrics.coco.scores import coco_report

    compared = task_named(task).coco
    if not compared:
        able = ", ".join(row.key for row in all_tasks().values() if row.coco)
        raise UsageError(f"Expected a task of COCO's protocol ({able}), got {task!r}. Choose one of them.")
    report = coco_report(references, predictions, iou_type=iou_type or compared, **options)
    return replace(
        report, task=task, model=bare_name(Path(predictions)) if isinstance(predictions, str | PathLike) else ""
    )


def _file_of(references: ReferenceSource) -> dict[str, str]:
    """Return the SHA-256 of the benchmark file as a setting; nothing for records that lie in no file."""
    path = references.source if isinstance(references, References) else references
    if not isinstance(path, str | PathLike) or not Path(path).is_file():
        return {}
    with Path(path).open("rb") as handle:
        return {"benchmark_sha256": hashlib.file_digest(handle, "sha256").hexdigest()}


def other_version(references: ReferenceSource, header: Mapping[str, Any]) -> str:
    """Say whether predictions were made for another version of a benchmark file; empty where nothing tells so.

    Args:
        references: The path of the benchmark file, or what was read from it; records themselves have no version.
        header: What the first line of the predictions says; `lamm model predict` keeps the file's SHA-256 there.
    """
    config = header.get("config")
    made_for = config.get("benchmark_sha256") if isinstance(config, Mapping) else None
    found = _file_of(references).get("benchmark_sha256", made_for) if isinstance(made_for, str) else made_for
    if not isinstance(made_for, str) or not isinstance(found, str) or made_for == found:
        return ""
    return (
        f"the answers are to another version of the benchmark file: benchmark_sha256 {made_for[:12]}… in the "
        f"predictions, {found[:12]}… here"
    )


def gather(
    metrics: Sequence[Metric[Any]],
    references: References,
    answers: Mapping[str, Prediction],
    progress: Progress | None = None,
) -> None:
    """Let each metric read every record and its answer, which `answers` holds by id."""
    total = len(references.records)
    for done, (key, record) in enumerate(references.records.items(), 1):
        for metric in metrics:
            metric.update(record, answers[key])
        if progress is not None and (done % 100 == 0 or done == total):
            progress(done, total)


def _why(status: str, detail: str, prediction: Prediction) -> str:
    """Return why an answer is unread; empty where it was read."""
    if status == Status.OK or prediction.error or detail:
        return prediction.error or detail
    if not prediction.plain_text.strip():
        return "the answer is empty or missing"
    return "it declines to answer" if status == Status.REFUSED else "it states nothing of the kind that is asked for"


def _samples(
    results: Iterable[SampleResult], references: References, answers: Mapping[str, Prediction]
) -> Iterable[Sample]:
    for result in results:
        record, prediction = references.records[result.id], answers[result.id]
        media = record.get("image") or record.get("pcl") or ""
        stated = prediction.probabilities
        probabilities = stated.values() if isinstance(stated, Mapping) else stated or ()
        yield Sample(
            id=result.id,
            group=result.group,
            status=result.status,
            value=result.value,
            extracted=result.extracted,
            detail=_why(result.status, result.detail, prediction),
            query=str(record.get("query", "")),
            answer=f"(no answer: {prediction.error})" if prediction.error else prediction.plain_text,
            truth=truth_text(record),
            media=str(media[0] if isinstance(media, list) else media),
            marks=result.marks,
            confidence=max(map(float, probabilities), default=None),
            system=str(record.get("system", "")),
        )


def remarks_of(
    metric: Metric[Any],
    records: Mapping[str, Reference],
    answers: Mapping[str, Prediction],
    results: Iterable[SampleResult] | None = None,
) -> list[str]:
    """Return every remark on the score of a metric, a sentence each.

    Args:
        metric: What read the answers; it declares their convention, if it has any.
        records: The records by id.
        answers: The answer to each of them.
        results: How each record was scored, with the boxes and points that were compared; None to ask the metric.
    """
    if results is None:
        results = metric.per_sample() if type(metric).marks is not Metric.marks else ()
    silence = _silence(metric, answers)
    return [*silence, *_misplaced(metric, results, records), *metric.remarks(), *_alone(records)]


def _alone(records: Mapping[str, Reference]) -> list[str]:
    """Say which records name no scene, where others do: intervals take them for independent of all others."""
    alone = [key for key, record in records.items() if not stated_group(record)]
    if not alone or len(alone) == len(records):
        return []
    return [
        f"records without `group`, `image`, `pcl` or `scene_id`, which count as scenes of their own: {first_ten(alone)}"
    ]


def _silence(metric: Metric[Any], answers: Mapping[str, Prediction]) -> list[str]:
    """Say that no answer could be read, so that the score tells nothing of how good they are; empty where one could."""
    if not answers or metric.n_failed < len(answers):
        return []
    texts = [one.plain_text.strip() for one in answers.values()]
    first = next(filter(None, texts), "")
    if not first:
        return [f"all {len(answers)} answers are empty"]
    labels = ", ".join(map(repr, list(getattr(metric, "labels", ()))[:5]))
    expected = f"; expected names such as {labels}" if labels else ""
    return [f"none of {len(answers)} answers could be read, the first of which begins {first[:60]!r}{expected}"]


def _misplaced(metric: Metric[Any], results: Iterable[SampleResult], records: Mapping[str, Reference]) -> list[str]:
    """Say that most answered boxes or points lie outside their images or scenes; empty otherwise."""
    answered: dict[str, list[tuple[tuple[float, ...], str]]] = {}
    reach: dict[str, float] = {}
    for result in results:
        for mark in result.marks:
            if mark.true:
                reach[result.id] = max(reach.get(result.id, 0.0), *map(abs, mark.numbers[:6]))
            else:
                answered.setdefault(mark.kind, []).append((mark.numbers, result.id))
    remarks = []
    for kind, placed in answered.items():
        numbers, keys = [where for where, _ in placed], [key for _, key in placed]
        if kind == BOX_3D:
            remarks.append(misplaced_3d(numbers, [reach.get(key, 0.0) for key in keys]))
        elif kind in NAMES:
            remarks.append(_in_images(metric, numbers, [size_of(records[key]) for key in keys], NAMES[kind]))
    return [remark for remark in remarks if remark]


def _in_images(
    metric: Metric[Any], numbers: list[tuple[float, ...]], sizes: list[tuple[float, float] | None], what: str
) -> str:
    declared = getattr(metric, "convention", None)
    said, better = misplaced_2d(numbers, sizes, declared or NORMALISED_XYXY, what)
    if not said:
        return ""
    if declared is None:
        return f"{said}, the only convention of these formulas"
    if better is None:
        return f"{said}, and no known frame brings them inside"
    return f"{said}; nearly all lie inside in {better}: if the model writes so, set convention={better}"
