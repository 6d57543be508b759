"""A benchmark file as another harness needs it: its questions go out, answers come in, scores go out."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from lamm_metrics.errors import UsageError
from lamm_metrics.metrics.base import Metric
from lamm_metrics.protocols import OWN
from lamm_metrics.records.files import parse_json, read_text
from lamm_metrics.records.predictions import Prediction, Predictions
from lamm_metrics.records.tasks import References, pair, read_references, task_of_references
from lamm_metrics.records.truth import Reference, group_of, truth_text
from lamm_metrics.report.media import file_below
from lamm_metrics.results.score import SampleResult, Score, ScoreSpec
from lamm_metrics.scoring import gather, metrics_for

LISTING = "views.jsonl"


@dataclass(frozen=True, slots=True)
class Question:
    """One record as it is asked.

    Attributes:
        id: Identifier of the record.
        text: The question.
        system: The record's system message; empty where it has none.
        pictures: Paths of the pictures that are shown.
        truth: The ground truth in words, for people who read the log.
        group: What makes records dependent, such as the image.
    """

    id: str
    text: str
    system: str
    pictures: tuple[str, ...]
    truth: str
    group: str


@dataclass(frozen=True)
class Posed:
    """A benchmark file with the rule by which its answers are scored.

    Attributes:
        references: The records.
        task: Task key.
        protocol: "standard", "paper" or the name of a published rule.
        media_root: Folder of the records' pictures.
        views: Pictures of each cloud, by its path.
        sampling: Seed, draws and coverage of the intervals.
    """

    references: References
    task: str
    protocol: str
    media_root: Path
    views: Mapping[str, Sequence[str]]
    sampling: Mapping[str, Any] = field(default_factory=dict)

    def questions(self) -> list[Question]:
        """Return every record as it is asked, in the order of the file.

        Raises:
            UsageError: A record asks for each of its parts, names a picture that is not below the media root, or has a
                cloud of which there are no pictures.
        """
        return [self._question(key, record) for key, record in self.references.records.items()]

    def _question(self, key: str, record: Reference) -> Question:
        asked = record.get("query")
        if not isinstance(asked, str):
            raise UsageError(
                f"Expected one question under `query` in record {key!r} ({self.references.source}), got {asked!r:.60}. "
                "Ask these records with `lamm model predict`."
            )
        media = (self._pictures(key, record), truth_text(record), group_of(record))
        return Question(key, asked, str(record.get("system") or ""), *media)

    def _pictures(self, key: str, record: Reference) -> tuple[str, ...]:
        image, cloud = record.get("image") or [], record.get("pcl")
        if cloud and not image:
            if str(cloud) not in self.views:
                raise UsageError(
                    f"Expected pictures of the cloud {cloud!r:.80} of record {key!r}, got none: this harness shows no "
                    "clouds. Draw them with `lamm data render`, and name the folder: views=FOLDER."
                )
            return tuple(self.views[str(cloud)])
        names, remedy = [image] if isinstance(image, str) else image, "Name their folder: media_root (--media-root)."
        return tuple(_picture(self.media_root, str(name), f"record {key!r:.80}", remedy) for name in names)

    @cached_property
    def empty(self) -> list[Metric[Any]]:
        """The metrics without any answer; their closed label set is that of the whole file."""
        return metrics_for(self.task, self.references, self.protocol)

    @cached_property
    def specs(self) -> list[ScoreSpec]:
        """What the scores are, those of parts of the records included; the headline first."""
        metrics = deepcopy(self.empty)
        gather(metrics, self.references, pair(self.references, Predictions({}), missing="failed"))
        return [spec for metric in metrics for spec in metric.specs()]

    def sample(self, key: str, text: str) -> SampleResult:
        """Return how one answer is scored by itself."""
        metric = deepcopy(self.empty[0])
        metric.update(self.references.records[key], Prediction(key, text))
        return next(iter(metric.per_sample()))

    def scores(self, answers: Mapping[str, str]) -> list[Score]:
        """Return the scores over the records that were answered, as `lamm_metrics.score` gives them.

        Args:
            answers: Texts by the ids of records.
        """
        asked = {key: record for key, record in self.references.records.items() if key in answers}
        truth = replace(self.references, records=asked)
        found = Predictions({key: Prediction(key, text) for key, text in answers.items()})
        metrics = deepcopy(self.empty)
        gather(metrics, truth, pair(truth, found))
        return [score for metric in metrics for score in metric.compute(**self.sampling)]


@lru_cache(maxsize=16)
def posed(
    references: str,
    task: str = "",
    protocol: str = "standard",
    media_root: str = "",
    views: str = "",
    **sampling: Any,
) -> Posed:
    """Read a benchmark file once for each way of scoring it.

    Args:
        references: Path of the benchmark file.
        task: Task key; empty where the records or the file's name tell it.
        protocol: "standard", "paper" or the name of a published rule.
        media_root: Folder of the pictures that records name; the file's own folder if empty.
        views: Folder that `lamm data render` wrote, of the clouds that records name.
        sampling: `seed`, `draws` and `confidence` of the intervals.

    Raises:
        UsageError: Unknown task or protocol, or COCO's, whose files hold no questions.
        LammMetricsError: It is no benchmark file.
    """
    if protocol == "coco":
        raise UsageError(f"Expected a protocol of questions ({', '.join(OWN[:2])} or a published rule), got 'coco'.")
    read = read_references(references, task or None)
    named = task or task_of_references(read)
    root = Path(media_root) if media_root else Path(references).resolve().parent
    made = Posed(read, named, protocol, root, _listed(Path(views)) if views else {}, sampling)
    made.empty  # noqa: B018 - says at once what is wrong with task or protocol
    return made


def _picture(root: Path, name: str, whose: str, remedy: str) -> str:
    """Return the path of a picture: nothing from elsewhere may be sent to a model."""
    found = file_below(root, name)
    if found is None or not found.is_file():
        raise UsageError(f"Expected the picture {name!r:.80} of {whose} below {root}, got none. {remedy}")
    return str(found)


def _listed(folder: Path) -> dict[str, list[str]]:
    """Return the pictures of each cloud in a folder of `lamm data render`."""
    pictures: dict[str, list[str]] = {}
    remedy = "Write the folder with `lamm data render`."
    for number, line in enumerate(read_text(folder / LISTING).splitlines(), start=1):
        where = f"{folder / LISTING}, line {number}"
        try:
            row = parse_json(line)
            cloud, name = str(row["cloud"]), str(row["picture"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f'Expected {{"cloud": PATH, "picture": PATH}}, got {line[:80]!r} ({where}). {remedy}'
            ) from error
        pictures.setdefault(cloud, []).append(_picture(folder, name, where, remedy))
    return pictures


def flat(scores: Sequence[Score]) -> dict[str, float]:
    """Return scores as one table of numbers: each by its name, its interval as `NAME/low` and `NAME/high`.

    Scores that are undefined, and intervals of too few groups, are left out; `unread` is the share of answers that
    could not be read.
    """
    table: dict[str, float] = {}
    for score in scores:
        if score.value is not None:
            table[score.name] = score.value
        if score.interval is not None:
            table[f"{score.name}/low"], table[f"{score.name}/high"] = score.interval
    return {**table, "unread": scores[0].failure_rate}
