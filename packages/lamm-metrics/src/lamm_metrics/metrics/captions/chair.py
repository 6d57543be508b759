"""CHAIR: how many of the objects that captions name are not there (Rohrbach et al. 2018, arXiv 1809.02156)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamm_metrics.errors import LammMetricsError
from lamm_metrics.extraction import Status
from lamm_metrics.extraction.nouns import extract_noun_phrases
from lamm_metrics.extraction.text.names import name_index
from lamm_metrics.extraction.text.synonyms import TRAPS, known_synonyms
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import Floats, labels_setting
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, record_id
from lamm_metrics.results.score import ScoreSpec


class Named(NamedTuple):
    """What a caption names: classes that are not there, mentions in all; classes that are there, and those named."""

    absent: tuple[str, ...]
    mentions: int
    present: int
    found: int
    read: bool


def mentioned(text: str, labels: Sequence[str], synonyms: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield the classes that the noun phrases of a text name, each time they do, with the words that name them.

    Args:
        text: A caption.
        labels: The closed set.
        synonyms: Further names of the labels.

    >>> list(mentioned("Two kittens sit on a wooden bench near a hot dog.", ["cat", "dog"], {"cat": ["kitten"]}))
    [('cat', 'kittens')]
    """
    index = name_index(labels, synonyms, TRAPS)
    # Without the tagger, so that numbers do not depend on what is installed.
    for phrase in extract_noun_phrases(text, use_tagger=False).value or ():
        for hit in index.find(phrase):
            yield hit.label, phrase[hit.start : hit.end]


class Chair(AdditiveMetric[Named]):
    """CHAIR_i, the share of mentions of objects that are not there; CHAIR_s, that of captions with one; and recall.

    What is there are the `object`s of a record and what its `sentences` name. Mentions are names of the closed label
    set in the caption's noun phrases. A caption that says little names little wrong, so recall, the share of the
    classes there that it names, belongs beside the two. An unread answer counts as a caption with a wrong object.

    >>> metric = Chair(["cat", "dog", "sofa"])
    >>> record = {"id": 1, "object": [{"label": "cat"}, {"label": "sofa"}]}
    >>> metric.update(record, Prediction("1", "A kitten and a puppy lie on a couch."))
    >>> [(score.name, round(score.value, 3)) for score in metric.compute()]
    [('chair_i', 0.333), ('chair_s', 1.0), ('chair_recall', 1.0)]
    >>> next(metric.per_sample()).extracted
    'not there: dog'
    """

    name = "chair"
    higher_is_better = False
    needs = ("object",)

    def __init__(self, labels: Sequence[str], *, sentences: bool = True) -> None:
        """Choose a closed set.

        Args:
            labels: The classes that count; all other nouns are passed over.
            sentences: Whether what the references name is there too, as in the published rule.
        """
        super().__init__()
        self.labels, self.sentences = list(labels), sentences
        self._synonyms = known_synonyms(tuple(labels))

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        present = "objects+sentences" if self.sentences else "objects"
        return {**labels_setting(self.labels), "names": "builtin", "present": present, "failed": "wrong"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one caption.

        Raises:
            LammMetricsError: An object of the record has no label.
        """
        objects = reference["object"]
        if not isinstance(objects, list) or not all(isinstance(item, Mapping) and "label" in item for item in objects):
            raise LammMetricsError(
                f'Expected `object` to be a list of {{"label"}}, got {str(objects)[:80]!r} '
                f"(id {record_id(reference)}). Mend the record."
            )
        present = {str(item["label"]) for item in objects}
        if self.sentences:
            texts = reference.get("sentences", ())
            present |= {label for text in texts for label, _ in mentioned(text, self.labels, self._synonyms)}
        named = list(mentioned(prediction.plain_text, self.labels, self._synonyms))
        # A name may be that of several classes ("sofa", "couch"): it is there if one of them is.
        own = name_index(sorted(present), known_synonyms(tuple(sorted(present))), TRAPS)
        read = bool(prediction.plain_text.strip())
        there = {words: [hit.label for hit in own.find(words)] for _, words in named}
        absent = tuple(label for label, words in named if label not in present and not there[words])
        found = {label for label, _ in named} & present | {label for labels in there.values() for label in labels}
        state = Named(absent, len(named), len(present), len(found), read)
        self.keep(reference, Status.OK if read else Status.NONE, state)

    def specs(self) -> Sequence[ScoreSpec]:
        """Return shares of mentions, of captions, of classes."""
        return [
            ScoreSpec("chair_i", False, share=True),
            ScoreSpec("chair_s", False, proportion=True, bounded=True),
            ScoreSpec("chair_recall", share=True, bounded=True),
        ]

    def row(self, state: Named) -> Sequence[float]:
        """Return numerators and denominators of the three."""
        wrong = bool(state.absent) or not state.read
        return len(state.absent), state.mentions, wrong, 1.0, state.found, state.present

    def row_if_right(self, state: Named) -> Sequence[float]:
        """Return the row of a caption that names all that is there and nothing else."""
        return 0.0, state.present, 0.0, 1.0, state.present, state.present

    def values(self, sums: Floats) -> Floats:
        """Return the three shares; NaN where nothing is named, or nothing is there."""
        return np.asarray(sums[..., 0::2] / sums[..., 1::2])

    def sample_value(self, state: Named) -> float | None:
        """The share of the caption's mentions that are not there."""
        return len(state.absent) / state.mentions if state.mentions else None

    def shown(self, state: Named) -> str:
        """Return the classes that are named and not there."""
        return f"not there: {', '.join(state.absent)}" if state.absent else ""
