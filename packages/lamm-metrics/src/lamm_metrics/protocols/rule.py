"""What a published rule is, and the uses of metrics that several of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Use:
    """One metric under a protocol, with the options that the rule fixes."""

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)


def use(metric: str, **options: Any) -> Use:
    """Return a metric with the options that a rule fixes."""
    return Use(metric, options)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One published rule.

    Attributes:
        name: What `--protocol` calls it.
        source: The project whose code gives these numbers, with the commit where values of that code are held in tests.
        rule: In words, what differs from the others.
        tasks: The metrics of each task that it scores, the headline first.
        judged: Whether it needs the marks of a language model beside the answers.
    """

    name: str
    source: str
    rule: str
    tasks: Mapping[str, tuple[Use, ...]]
    judged: bool = False

    def uses(self, task: str, meteor: bool) -> tuple[Use, ...]:
        """Return the metrics of a task.

        Args:
            task: One of `tasks`.
            meteor: Whether METEOR's tables are there; without them the rule is what it is but for METEOR.
        """
        if meteor:
            return self.tasks[task]
        without = [replace(one, options={**one.options, "meteor": False}) if "meteor" in one.options else one
                   for one in self.tasks[task] if one.metric != "meteor"]  # fmt: skip
        return tuple(without)


def ngrams(text: str, split: bool) -> tuple[Use, ...]:
    """Return BLEU, METEOR, ROUGE-L and CIDEr of the COCO code over texts that a project prepared its way.

    Args:
        text: How the texts are prepared, a key of `lamm_metrics.metrics.texts.TEXTS`.
        split: Whether words are what stands between blanks, else those of the Penn Treebank tokeniser.
    """
    bleu, rouge, cider = ("whitespace", "blank", "whitespace") if split else ("ptb", "ptb", "ptb")
    return (
        use("bleu", tokenizer=bleu, lowercase=not split, smoothing="coco", text=text),
        use("meteor", tokenizer="whitespace" if split else "ptb", text=text),
        use("rouge_l", tokenizer=rouge, text=text),
        use("cider_d", tokenizer=cider, text=text),
    )


def grounding(overlap: str, **options: Any) -> Use:
    """Return Acc@0.25 and Acc@0.5 of one box under a rule for overlaps."""
    return use("grounding_accuracy", thresholds=(0.25, 0.5), overlap=overlap, **options)


def f1(overlap: str, **options: Any) -> Use:
    """Return F1@0.25 and F1@0.5 of any number of boxes under a rule for overlaps."""
    return use("grounding_f1", thresholds=(0.25, 0.5), overlap=overlap, **options)


def dense(chosen: str, text: str, bound: str = "reach") -> Mapping[str, tuple[Use, ...]]:
    """Return the recall form of Scan2Cap: which box speaks for an object, and how captions are written."""
    options = {"overlap": "scanrefer", "chosen": chosen, "text": text, "bound": bound, "meteor": True}
    return {"dense_caption3d": (use("dense_captions", **options),)}
