"""What ROUGE-L and CIDEr share: the words of an answer and of what it is compared with."""

from collections.abc import Sequence

from lamm_metrics.metrics.additive import AdditiveMetric
from lamm_metrics.metrics.base import StateT
from lamm_metrics.metrics.captions.tokenizers import TOKENIZERS, Tokenizer
from lamm_metrics.metrics.registry import one_of
from lamm_metrics.metrics.texts import TEXTS, Text, text_setting
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import Reference, written_truth


class PreparedTexts(AdditiveMetric[StateT]):
    """A metric over the words of a written answer and of its references, captions or answers."""

    needs = ("sentences", "answers")

    def __init__(self, tokenizer: Tokenizer = "ptb", *, text: Text = "plain") -> None:
        """Choose a variant.

        Args:
            tokenizer: "ptb" (lower case), or "13a", "whitespace" and "blank", which keep the case.
            text: How answers and references are prepared, see `exact_match`.
        """
        super().__init__()
        one_of("tokeniser", tokenizer, Tokenizer)
        one_of("text", text, Text)
        self.tokenizer: Tokenizer = tokenizer
        self.text: Text = text

    def settings(self) -> dict[str, object]:
        """The choices of the signature."""
        case = "lower" if self.tokenizer == "ptb" else "mixed"
        return {"tok": self.tokenizer, "case": case, **self.own_settings(), "failed": "zero", **text_setting(self.text)}

    def own_settings(self) -> dict[str, object]:
        """Return what the formula chooses beside the words."""
        return {}

    def words(self, reference: Reference, prediction: Prediction) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Return the words of an answer, and those of each text that it is compared with."""
        split, prepare = TOKENIZERS[self.tokenizer], TEXTS[self.text]
        truth: list[Sequence[str]] = [split(prepare.reference(text)) for text in written_truth(reference)]
        return split(prepare.answer(prediction.plain_text)), truth
