"""The published protocol as a metric: `lamm metrics score --protocol paper`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import UsageError
from lamm_metrics.extraction.result import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.paper import formulas, parsing
from lamm_metrics.paper.formulas import Pairs
from lamm_metrics.records.files import FileFaultsError, first_ten
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.tasks import References
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import BOX, BOX_3D, POINT, Mark, ScoreSpec, drawn


@dataclass(frozen=True, slots=True)
class PaperFormula:
    """One published formula.

    Attributes:
        names: The scores it yields, the headline first.
        apply: From a record and its answer to (achieved, possible) per score.
        note: What the number really is, where its published name says something else.
        higher_is_better: Direction.
        per_joint: Whether it reads an answer a joint, where there is one, instead of the whole text.
        mark: What its boxes or points are called where they are drawn; empty where it reads none.
        read: What reads them from an answer.
    """

    names: tuple[str, ...]
    apply: Callable[[Mapping[str, Any], Any], Pairs]
    note: str = ""
    higher_is_better: bool = True
    per_joint: bool = False
    mark: str = ""
    read: Callable[[str], Sequence[Sequence[float]]] = parsing.points


_LOCATING = tuple(f"paper/binary_loc{part}" for part in ("", "/voc2012", "/lsp", "/fsc147"))
_RECALL = "published as mAP@0.5; it is the recall of objects, blind to which box has which label"

PAPER_FORMULAS: Mapping[str, PaperFormula] = {
    "classification": PaperFormula(
        ("paper/acc",), formulas.classification, "a word of the label anywhere in the answer"
    ),
    "fine_grained_classification": PaperFormula(
        ("paper/acc",), formulas.fine_grained, "the label as a part of the text"
    ),
    "facial_classification": PaperFormula(("paper/acc",), formulas.facial, "an answer without no or not is a smile"),
    "detection": PaperFormula(("paper/recall@0.5",), formulas.detection, _RECALL, mark=BOX, read=parsing.boxes_2d),
    "keypoint_detection": PaperFormula(
        ("paper/pck", "paper/pck_repaired"), formulas.pck, formulas.PCK_IS_ZERO, per_joint=True, mark=POINT
    ),
    "vqa": PaperFormula(("paper/acc",), formulas.choice, "letters A to E; the first family of patterns decides"),
    "caption": PaperFormula(("paper/bleu4",), formulas.caption, "mean of the best unsmoothed sentence BLEU, 0 to 100"),
    "counting": PaperFormula(("paper/mae", "paper/mae<10"), formulas.counting, "an unread answer counts as 0", False),
    "ocr": PaperFormula(("paper/word_acc",), formulas.word_accuracy, "mean recall of words, punctuation kept"),
    "detection3d": PaperFormula(
        ("paper/recall@0.5",), partial(formulas.detection, solid=True), _RECALL, mark=BOX_3D, read=parsing.boxes_3d
    ),
    "visual_grounding3d": PaperFormula(
        ("paper/acc@0.5",),
        formulas.grounding3d,
        "the first box only",
        mark=BOX_3D,
        read=lambda text: parsing.boxes_3d(text)[:1],
    ),
    "vqa3d": PaperFormula(
        ("paper/acc",),
        partial(formulas.choice, letters="A-F"),
        "letters A to F; the first family of patterns decides",
    ),
    "locating": PaperFormula(
        _LOCATING, formulas.locating, "any of the predicted points may hit", per_joint=True, mark=POINT
    ),
}


class Judged(NamedTuple):
    """What one answer achieved and could have, score by score, and the boxes or points that were compared."""

    pairs: Pairs
    marks: tuple[Mark, ...]


class PaperMetric(AdditiveMetric[Judged]):
    """The formulas with which LAMM v1 (arXiv 2306.06687) was published, for comparing with its tables only.

    Everything is read from the answer's text; structured answers are not looked at. Answers are found by id, where the
    published code took them in file order; an answer that is missing or empty counts as failed and never as right.

    >>> metric = PaperMetric("counting")
    >>> metric.update({"id": 1, "num": 12}, Prediction("1", "There are 12. birds"))
    >>> [(score.name, score.value) for score in metric.compute()]
    [('paper/mae', 12.0), ('paper/mae<10', None)]
    """

    name = "paper"

    def __init__(self, task: str) -> None:
        """Choose the formula.

        Args:
            task: A task key.

        Raises:
            UsageError: The paper has no formula for the task.
        """
        super().__init__()
        if task not in PAPER_FORMULAS:
            known = ", ".join(PAPER_FORMULAS)
            raise UsageError(f"Expected a task of the LAMM paper ({known}), got {task!r}. Use the standard protocol.")
        self.task = task
        self.formula = PAPER_FORMULAS[task]

    def settings(self) -> dict[str, object]:
        """Return the choices of the signature."""
        return {"task": self.task, "protocol": "lamm-v1", "wordnet": "3.0"}

    def update(self, reference: Reference, prediction: Prediction) -> None:
        """Read one answer."""
        text = prediction.text if self.formula.per_joint else prediction.plain_text
        marks: tuple[Mark, ...] = ()
        if self.formula.mark:
            read = text if isinstance(text, Mapping) else {"": text}
            answered = (
                Mark(self.formula.mark, tuple(numbers), joint, False)
                for joint, words in read.items()
                for numbers in self.formula.read(words)
            )
            marks = drawn([*_true_marks(reference, self.formula.mark), *answered])
        pairs = self.formula.apply(reference, text)
        status = Status.OK if prediction.plain_text.strip() else Status.NONE
        if status is Status.NONE and self.formula.higher_is_better:
            # Some formula takes silence for an answer.
            pairs = tuple((0.0, possible) for _, possible in pairs)
        self.keep(reference, status, Judged(pairs, marks), "no answer")

    def row(self, state: Judged) -> Sequence[float]:
        """Return achieved and possible, score by score."""
        return [number for pair in state.pairs for number in pair]

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return achieved over possible."""
        return sums[..., 0::2] / sums[..., 1::2]

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the formula's scores."""
        return [ScoreSpec(name, self.formula.higher_is_better) for name in self.formula.names]

    def remarks(self) -> list[str]:
        """Return what the number really is."""
        return [self.formula.note] if self.formula.note else []

    def sample_value(self, state: Judged) -> float | None:
        """Return the headline's value of one record."""
        achieved, possible = state.pairs[0]
        return achieved / possible if possible else None

    def marks(self, state: Judged) -> Sequence[Mark]:
        """Return the true boxes and points, and those that the published code reads."""
        return state.marks


def refuse_unusable(task: str, references: References) -> None:
    """Name the records that the published formula of a task cannot score, though the standard metrics can.

    Raises:
        FileFaultsError: Records have no words to be found.
    """
    wordless = [key for key, record in references.records.items() if task == "ocr" and not record["word_list"]]
    if wordless:
        fault = f"expected a word in every `word_list` for the paper's formula, got none in {first_ten(wordless)}"
        raise FileFaultsError(references.source, [fault], "Leave these records out, or score by the standard protocol.")


def _true_marks(reference: Reference, mark: str) -> Iterator[Mark]:
    """The boxes of a record, which may be objects to put a point on, its joints or its marked objects."""
    boxes = BOX if mark == POINT else mark
    single = [{"label": "", "bbox": reference["gt_bbox"]}] if "gt_bbox" in reference else []
    for item in single or reference.get("object", ()):
        yield Mark(boxes, tuple(map(float, item["bbox"])), str(item["label"]), True)
    points = [
        point for key in ("gt_joints", "points") if key in reference for point in formulas.normalised(reference, key)
    ]
    for point, joint in zip(points, chain(reference.get("joints", ()), repeat("")), strict=False):
        yield Mark(POINT, point, str(joint), True)
