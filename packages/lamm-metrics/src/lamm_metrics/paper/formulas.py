"""The published formulas, one function per kind of task: a record and its answer give (achieved, possible) per score.

Records are dictionaries with the published keys. Every function returns as many pairs as its scores have names; a
score is the sum of the first numbers over the sum of the second ones.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lamm_metrics.extraction.number_words import UNITS
from lamm_metrics.paper.overlap import iou_2d, iou_3d
from lamm_metrics.paper.parsing import boxes_2d, boxes_3d, quoted
from lamm_metrics.paper.words import mentions, tokens

Record = Mapping[str, Any]
Pairs = tuple[tuple[float, float], ...]

_COUNT_WORDS = (*UNITS, "twenty")


def classification(record: Record, text: str) -> Pairs:
    """Whether the label's words occur in the answer."""
    return ((float(mentions(str(record["label"]), text)), 1.0),)


def fine_grained(record: Record, text: str) -> Pairs:
    """Whether the label's letters occur in the answer, in the same case, even inside another word."""
    return ((float(str(record["label"]) in text), 1.0),)


def facial(record: Record, text: str) -> Pairs:
    """Hair as classification; smile: "no" or "not" means no, anything else means yes, even an empty answer."""
    truth = str(record["attr"])
    if truth not in {"1", "-1"}:
        return ((float(mentions(truth, text)), 1.0),)
    words = tokens(text)
    answer = "-1" if "no" in words or "not" in words else "1"
    return ((float(answer == truth), 1.0),)


def _recalled(record: Record, text: str, boxes: Sequence[Sequence[float]], solid: bool) -> Pairs:
    overlap = iou_3d if solid else iou_2d
    hits = sum(
        mentions(item["label"], text) and any(overlap(box, item["bbox"]) > 0.5 for box in boxes)
        for item in record["object"]
    )
    return ((float(hits), float(len(record["object"]))),)


def detection(record: Record, text: str) -> Pairs:
    """True objects whose label occurs anywhere and which any box overlaps by more than half: a recall."""
    return _recalled(record, text, boxes_2d(text), solid=False)


def detection3d(record: Record, text: str) -> Pairs:
    """The same in three dimensions."""
    return _recalled(record, text, boxes_3d(text), solid=True)


def grounding3d(record: Record, text: str) -> Pairs:
    """Whether the first box overlaps the true one by more than half."""
    truth = record["gt_bbox"] if "gt_bbox" in record else record["object"][0]["bbox"]
    boxes = boxes_3d(text)
    return ((float(bool(boxes) and iou_3d(boxes[0], truth) > 0.5), 1.0),)


def word_accuracy(record: Record, text: str) -> Pairs:
    """Share of the true words that are a word of the answer, punctuation still on it."""
    found = set(quoted(text).lower().split())
    truth = record["word_list"]
    return ((sum(word.lower() in found for word in truth) / len(truth), 1.0),)


def parse_count(text: str) -> int:
    """The first word that is all digits or a number word up to twenty; 0 without one."""
    for word in text.lower().split():
        if word.isdigit():
            # The published code fails on superscripts, which are digits that int() refuses; they are passed over here.
            if word.isdecimal() and len(word) <= 300:
                return int(word)
        elif word == "no":
            return 0
        elif word in _COUNT_WORDS:
            return _COUNT_WORDS.index(word)
    return 0


def counting(record: Record, text: str) -> Pairs:
    """Absolute error, over all images and over those with fewer than ten objects."""
    error = float(abs(parse_count(text) - int(record["num"])))
    few = float(record["num"] < 10)
    return ((error, 1.0), (error * few, few))


def caption(record: Record, text: str) -> Pairs:
    """The best unsmoothed sentence BLEU-4 of the answer's sentences, words split at white space, times 100."""
    from nltk.translate.bleu_score import sentence_bleu

    references = [sentence.replace(".", "").split() for sentence in record["sentences"]]
    sentences = {sentence for sentence in quoted(text).split(".") if sentence.strip()}
    best = max((_bleu(sentence_bleu, references, sentence.split()) for sentence in sentences), default=0.0)
    return ((100.0 * best, 1.0),)


def _bleu(sentence_bleu: Any, references: list[list[str]], words: list[str]) -> float:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # nltk warns about every n-gram order without a match, which is nearly every sentence
        return float(sentence_bleu(references, words, weights=(0.25, 0.25, 0.25, 0.25)))


def _choice(record: Record, text: str, letters: str) -> bool:
    """The first family of patterns that matches anything decides."""
    truth = chr(ord("A") + int(record["gt_choice"]))
    stated = [found.group() for found in re.finditer(rf"[Tt]he answer is \(?[{letters}]\)?\W", text)]
    if stated:
        return all(truth in found.removeprefix("The") for found in stated)
    cued = re.search(rf"ANSWER: [{letters}]", text)
    if cued:
        return cued.group()[-1] == truth
    bracketed = re.findall(rf"\([{letters}]\)", text)
    if bracketed:
        return all(truth in found for found in bracketed)
    lowered = text.lower()
    others = [choice for number, choice in enumerate(record["gt_choices"]) if number != int(record["gt_choice"])]
    own = record["gt_choices"][int(record["gt_choice"])]
    return own.lower() in lowered and not any(choice.lower() in lowered for choice in others)


def choice(record: Record, text: str) -> Pairs:
    """Multiple choice about images: letters A to E."""
    return ((float(_choice(record, text, "A-E")), 1.0),)


def choice3d(record: Record, text: str) -> Pairs:
    """Multiple choice about point clouds: letters A to F."""
    return ((float(_choice(record, text, "A-F")), 1.0),)
