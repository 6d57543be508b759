"""Figures that show a lean of generated text: whom and where it names, how it answers, how long it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lamm_data.files.settings import packaged_toml
from lamm_data.generation.rows import Row
from lamm_data.quality.checks.record import PreparedRecord
from lamm_data.quality.checks.vocabulary import label_words, plural_forms
from lamm_data.stats.counting import Spread
from lamm_data.stats.geometry import number_groups
from lamm_data.writing.words import words_of

_GRID = ("top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right")
SHOWN = 20


@cache
def _terms() -> dict[str, frozenset[str]]:
    table = packaged_toml("quality/checks", "bias_terms.toml")
    return {
        f"{group}: {name}": frozenset(words.split()) for group, lists in table.items() for name, words in lists.items()
    }


@dataclass
class BiasFigures:
    """Counts over records; parts counted apart are merged by `merge`.

    Attributes:
        answers: Records whose answers use a group of terms; `captions`: those whose row's captions do.
        named: Records whose answers name a class of their row's objects; `annotated`: those whose row holds it.
        first_words: First two words of questions.
        closed: Answers that begin with yes or no.
        text_boxes: Places of box centres in texts, on a 3 x 3 grid of the image; `annotated_boxes`: of annotated ones.
        lengths: Words an answer.
    """

    records: int = 0
    with_captions: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    captions: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    annotated: Counter[str] = field(default_factory=Counter)
    first_words: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    text_boxes: Counter[str] = field(default_factory=Counter)
    annotated_boxes: Counter[str] = field(default_factory=Counter)
    lengths: Spread = field(default_factory=Spread)

    def add(self, prepared: PreparedRecord, row: Row | None) -> None:
        """Count one record, with its annotations where there are any."""
        self.records += 1
        answered: set[str] = set()
        for turn in prepared.record.dialogue():
            words = words_of(turn.text)
            if turn.role == "human":
                self.first_words[" ".join(words[:2])] += 1
                continue
            answered.update(words)
            self.lengths.add(len(words))
            if words and words[0] in ("yes", "no"):
                self.closed[words[0]] += 1
            boxes = (numbers for numbers in number_groups(turn.text) if len(numbers) == 4 and min(numbers) >= 0)
            self.text_boxes.update(_place(*box) for box in boxes)
        self.answers.update(name for name, terms in _terms().items() if not terms.isdisjoint(answered))
        if row is not None:
            self._compare(row, answered)

    def _compare(self, row: Row, answered: set[str]) -> None:
        if row.captions:
            self.with_captions += 1
            written = set(words_of(" ".join(row.captions)))
            self.captions.update(name for name, terms in _terms().items() if not terms.isdisjoint(written))
        labels = {item.label for item in row.objects}
        self.annotated.update(labels)
        self.named.update(label for label in labels if _names(label, answered))
        for item in row.objects:
            if len(item.box) == 4:
                self.annotated_boxes[_place(*item.box)] += 1

    def merge(self, other: BiasFigures) -> None:
        """Add another part's counts."""
        self.records += other.records
        self.with_captions += other.with_captions
        self.lengths.histogram.update(other.lengths.histogram)
        for name, counts in vars(self).items():
            if isinstance(counts, Counter):
                counts.update(getattr(other, name))

    def to_dict(self) -> dict[str, Any]:
        """Give shares: of terms in answers and in captions, of classes that are named where they are annotated."""
        named = {
            label: {"annotated": count, "named": round(self.named[label] / count, 4)}
            for label, count in self.annotated.most_common(SHOWN)
        }
        return {
            "records": self.records,
            "terms": {
                name: {
                    "answers": _share(self.answers[name], self.records),
                    "captions": _share(self.captions[name], self.with_captions),
                }
                for name in _terms()
            },
            "classes": named,
            "answers_beginning": dict(self.closed),
            "answer_words": self.lengths.summary(),
            "questions_beginning": dict(self.first_words.most_common(SHOWN)),
            "boxes": {
                cell: {
                    "text": _share(self.text_boxes[cell], self.text_boxes.total()),
                    "annotations": _share(self.annotated_boxes[cell], self.annotated_boxes.total()),
                }
                for cell in _GRID
            },
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _names(label: str, answered: set[str]) -> bool:
    return any(answered.issuperset(words_of(form)) for word in label_words(label) for form in plural_forms(word))


def _place(x1: float, y1: float, x2: float, y2: float) -> str:
    column, row = (min(int(1.5 * (low + high)), 2) for low, high in ((x1, x2), (y1, y2)))
    return _GRID[3 * row + column]


def describe_bias(figures: BiasFigures) -> list[str]:
    """Write the figures as lines of text."""
    values = figures.to_dict()
    lines = [f"{'records that use the words':36}{'answers':>10}{'captions':>10}"]
    lines += [
        f"{name:36}{_percent(entry['answers']):>10}{_percent(entry['captions']):>10}"
        for name, entry in values["terms"].items()
    ]
    if values["classes"]:
        lines.append(f"{'class':36}{'annotated':>10}{'named':>10}")
    lines += [
        f"{label:36}{entry['annotated']:>10}{_percent(entry['named']):>10}"
        for label, entry in values["classes"].items()
    ]
    lines.append(f"{'cell of box centres':36}{'text':>10}{'annotated':>10}")
    lines += [
        f"{cell:36}{_percent(entry['text']):>10}{_percent(entry['annotations']):>10}"
        for cell, entry in values["boxes"].items()
    ]
    begin = ", ".join(f"{word} {count}" for word, count in values["answers_beginning"].items()) or "none"
    lengths = ", ".join(f"{name} {value}" for name, value in values["answer_words"].items())
    return [*lines, f"answers that begin with yes or no: {begin}", f"words an answer: {lengths}"]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
