"""The published protocol as a metric: `lamm metrics score --protocol paper`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_metrics.errors import UsageError
from lamm_metrics.extraction.result import Status
from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.paper import formulas
from lamm_metrics.paper.formulas import Pairs
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference
from lamm_metrics.results.score import ScoreSpec


@dataclass(frozen=True, slots=True)
class PaperFormula:
    """One published formula.

    Attributes:
        names: The scores it yields, the headline first.
        apply: From a record and its answer to (achieved, possible) per score.
        note: What the number really is, where its published name says something else.
        higher_is_better: Direction.
        per_joint: Whether it reads an answer a joint, where there is one, instead of the whole text.
    """

    names: tuple[str, ...]
    apply: Callable[[Mapping[str, Any], Any], Pairs]
    note: str = ""
    higher_is_better: bool = True
    per_joint: bool = False


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
    "detection": PaperFormula(("paper/recall@0.5",), formulas.detection, _RECALL),
    "keypoint_detection": PaperFormula(
        ("paper/pck", "paper/pck_repaired"), formulas.pck, formulas.PCK_IS_ZERO, per_joint=True
    ),
    "vqa": PaperFormula(("paper/acc",), formulas.choice, "letters A to E; the first family of patterns decides"),
    "caption": PaperFormula(("paper/bleu4",), formulas.caption, "mean of the best unsmoothed sentence BLEU, 0 to 100"),
    "counting": PaperFormula(
        ("paper/mae", "paper/mae<10"), formulas.counting, "an unreadable answer counts as 0", False
    ),
    "ocr": PaperFormula(("paper/word_acc",), formulas.word_accuracy, "mean recall of words, punctuation kept"),
    "detection3d": PaperFormula(("paper/recall@0.5",), formulas.detection3d, _RECALL),
    "visual_grounding3d": PaperFormula(("paper/acc@0.5",), formulas.grounding3d, "the first box only"),
    "vqa3d": PaperFormula(("paper/acc",), formulas.choice3d, "letters A to F; the first family of patterns decides"),
    "locating": PaperFormula(_LOCATING, formulas.locating, "any of the predicted points may hit", per_joint=True),
}


class PaperMetric(AdditiveMetric[Pairs]):
    """The formulas with which LAMM v1 (arXiv 2306.06687) was published, for comparing with its tables only.

    Everything is read from the answer's text; structured answers are not looked at. Answers are found by id, where the
    published code took them in file order; an answer that is missing counts as an empty text.

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
        self.keep(reference, Status.OK, self.formula.apply(reference, text))

    def row(self, state: Pairs) -> Sequence[float]:
        """Return achieved and possible, score by score."""
        return [number for pair in state for number in pair]

    def values(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return achieved over possible."""
        return sums[..., 0::2] / sums[..., 1::2]

    def specs(self) -> Sequence[ScoreSpec]:
        """Return the formula's scores."""
        return [ScoreSpec(name, self.formula.higher_is_better) for name in self.formula.names]

    def sample_value(self, state: Pairs) -> float | None:
        """Return the headline's value of one record."""
        achieved, possible = state[0]
        return achieved / possible if possible else None
