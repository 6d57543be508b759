"""The published formulas, one function per kind of task: a record and its answer give (achieved, possible) per score.

Records are dictionaries with the published keys. Every function returns as many pairs as its scores have names; a
score is the sum of the first numbers over the sum of the second ones.
"""

import re
from collections.abc import Mapping, Sequence
from math import dist
from typing import Any

from lamm_metrics.extraction.number_words import UNITS
from lamm_metrics.paper.parsing import boxes_2d, boxes_3d, points, quoted
from lamm_metrics.paper.words import mentions, tokens

Record = Mapping[str, Any]
Pairs = tuple[tuple[float, float], ...]

_COUNT_WORDS = (*UNITS, "twenty")
# How near a point must lie, as a share of the image's sides.
_REACH = 0.1

PCK_IS_ZERO = (
    "The published PCK adds a hit with an expression whose result is thrown away, so its sum never leaves 0: every "
    "model scores 0.0 whatever it answers, and the paper lists every model as failed. paper/pck is "
    "therefore 0 by definition; paper/pck_repaired is the same formula with the sum kept."
)


def iou_2d(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the plain intersection over union of two corner boxes; 0 where the published code would divide by zero.

    Args:
        first: (x1, y1, x2, y2).
        second: (x1, y1, x2, y2), in the same units.

    Example:
        >>> iou_2d((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    shared = width * height
    union = (first[2] - first[0]) * (first[3] - first[1]) + (second[2] - second[0]) * (second[3] - second[1]) - shared
    return shared / union if union else 0.0


def _corners(box: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the lower and upper corner of a centre-and-size box in whole millimetres, sizes made positive."""
    low = [round(centre - abs(size) / 2, 3) for centre, size in zip(box[:3], box[3:6], strict=True)]
    high = [round(centre + abs(size) / 2, 3) for centre, size in zip(box[:3], box[3:6], strict=True)]
    return low, high


def iou_3d(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the intersection over union of two axis-aligned boxes, the published fault included.

    The differences of the three axes are multiplied without a lower bound of zero, so two boxes that miss each other
    along two axes get a positive "intersection". Only values below 0 or above 1 are set to 0.

    Args:
        first: (cx, cy, cz, dx, dy, dz) in metres; numbers beyond the sixth are ignored.
        second: The same.

    Example:
        >>> iou_3d((0, 0, 0, 1, 1, 1), (0, 0, 0, 1, 1, 1)), iou_3d((0, 0, 0, 1, 1, 1), (1.4, 1.4, 0, 1, 1, 1)) > 0
        (1.0, True)
    """
    (low_a, high_a), (low_b, high_b) = _corners(first), _corners(second)
    shared = volume_a = volume_b = 1.0
    for axis in range(3):
        shared *= min(high_a[axis], high_b[axis]) - max(low_a[axis], low_b[axis])
        volume_a *= high_a[axis] - low_a[axis]
        volume_b *= high_b[axis] - low_b[axis]
    union = volume_a + volume_b - shared
    value = shared / union if union else 0.0
    return value if 0 <= value <= 1 else 0.0


def classification(record: Record, text: str) -> Pairs:
    """Return whether the label's words occur in the answer."""
    return ((float(mentions(str(record["label"]), text)), 1.0),)


def fine_grained(record: Record, text: str) -> Pairs:
    """Return whether the label's letters occur in the answer, in the same case, even inside another word."""
    return ((float(str(record["label"]) in text), 1.0),)


def facial(record: Record, text: str) -> Pairs:
    """Judge hair as classification; of a smile "no" or "not" means no, anything else yes, even an empty answer."""
    truth = str(record["attr"])
    if truth not in {"1", "-1"}:
        return ((float(mentions(truth, text)), 1.0),)
    words = tokens(text)
    answer = "-1" if "no" in words or "not" in words else "1"
    return ((float(answer == truth), 1.0),)


def detection(record: Record, text: str, solid: bool = False) -> Pairs:
    """Return the true objects whose label occurs anywhere and which any box overlaps by more than half: a recall."""
    boxes, overlap = (boxes_3d(text), iou_3d) if solid else (boxes_2d(text), iou_2d)
    hits = sum(
        mentions(item["label"], text) and any(overlap(box, item["bbox"]) > 0.5 for box in boxes)
        for item in record["object"]
    )
    return ((float(hits), float(len(record["object"]))),)


def grounding3d(record: Record, text: str) -> Pairs:
    """Return whether the first box overlaps the true one by more than half."""
    truth = record["gt_bbox"] if "gt_bbox" in record else record["object"][0]["bbox"]
    boxes = boxes_3d(text)
    return ((float(bool(boxes) and iou_3d(boxes[0], truth) > 0.5), 1.0),)


def word_accuracy(record: Record, text: str) -> Pairs:
    """Return the share of the true words that are a word of the answer, punctuation still on it."""
    found = set(quoted(text).lower().split())
    truth = record["word_list"]
    return ((sum(word.lower() in found for word in truth) / len(truth), 1.0),)


def parse_count(text: str) -> int:
    """Return the first word that is all digits or a number word up to twenty; 0 without one."""
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
    """Return the absolute error, over all images and over those with fewer than ten objects."""
    error = float(abs(parse_count(text) - int(record["num"])))
    few = float(record["num"] < 10)
    return ((error, 1.0), (error * few, few))


def caption(record: Record, text: str) -> Pairs:
    """Return the best unsmoothed sentence BLEU-4 of the answer's sentences, words split at white space, times 100."""
    from nltk.translate.bleu_score import sentence_bleu

    references = [sentence.replace(".", "").split() for sentence in record["sentences"]]
    sentences = {sentence for sentence in quoted(text).split(".") if sentence.strip()}
    best = max((_bleu(sentence_bleu, references, sentence.split()) for sentence in sentences), default=0.0)
    return ((100.0 * best, 1.0),)


def _bleu(sentence_bleu: Any, references: list[list[str]], words: list[str]) -> float:
    import warnings

    with warnings.catch_warnings():
        # nltk warns about every n-gram order without a match, which is nearly every sentence.
        warnings.simplefilter("ignore")
        return float(sentence_bleu(references, words, weights=(0.25, 0.25, 0.25, 0.25)))


def choice(record: Record, text: str, letters: str = "A-E") -> Pairs:
    """Return whether the first family of patterns that matches anything states the truth alone."""
    return ((float(_states(record, text, letters)), 1.0),)


def _states(record: Record, text: str, letters: str) -> bool:
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


def normalised(record: Record, key: str) -> list[tuple[float, float]]:
    """Return points in pixels as shares of the image."""
    width, height = record["image_size"]
    return [(float(point[0]) / width, float(point[1]) / height) for point in record[key]]


def _answers(record: Record, text: str | Mapping[str, str]) -> Sequence[str]:
    """Return one answer per joint, in the order of the answers; one string serves all joints."""
    if isinstance(text, str):
        return [text] * len(record["gt_joints"])
    return list(text.values())


def pck(record: Record, text: str | Mapping[str, str]) -> Pairs:
    """Return the published value, which is always 0, and the repaired one.

    A joint is right if any point of its answer lies nearer than a tenth of the image (each axis as a fraction of the
    image's side). Answers and joints are paired by their order; visibility plays no part; every image is divided by 14.

    Args:
        record: With `gt_joints` in pixels and `image_size`.
        text: One answer per joint, or one string.
    """
    joints = normalised(record, "gt_joints")
    hits = sum(
        any(dist(point, joint) < _REACH for point in points(answer))
        for joint, answer in zip(joints, _answers(record, text), strict=False)
    )
    return ((0.0, 1.0), (hits / 14, 1.0))


def _strictly_inside(point: Sequence[float], box: Sequence[float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def locating(record: Record, text: str | Mapping[str, str]) -> Pairs:
    """Return hits and decisions of binary locating over VOC2012 objects, LSP persons, FSC147 points, pooled and apart.

    VOC2012: an object counts where its label occurs and any point lies strictly inside its box. LSP: one decision an
    image, any point inside the box around all joints. FSC147: images with fewer than ten points; each true point needs
    a predicted one nearer than a tenth of the image.

    Args:
        record: With `object`, or `gt_joints` or `points` and `image_size`.
        text: The answer.
    """
    answer = text if isinstance(text, str) else "\n".join(text.values())
    found = points(answer)
    nothing = (0.0, 0.0)
    if "object" in record:
        hits = sum(
            mentions(item["label"], answer) and any(_strictly_inside(point, item["bbox"]) for point in found)
            for item in record["object"]
        )
        part = (float(hits), float(len(record["object"])))
        return part, part, nothing, nothing
    if "gt_joints" in record:
        part = (float(_person_hit(record, found)), 1.0)
        return part, nothing, part, nothing
    truth = normalised(record, "points")
    if len(truth) >= 10:
        return nothing, nothing, nothing, nothing
    hits = sum(any(dist(point, centre) < _REACH for point in found) for centre in truth)
    part = (float(hits), float(len(truth)))
    return part, nothing, nothing, part


def _person_hit(record: Record, found: Sequence[Sequence[float]]) -> bool:
    """Return whether any point lies in the box around all joints, both in pixels."""
    width, height = record["image_size"]
    across = [float(joint[0]) for joint in record["gt_joints"]]
    down = [float(joint[1]) for joint in record["gt_joints"]]
    box = (min(across), min(down), max(across), max(down))
    return any(_strictly_inside((point[0] * width, point[1] * height), box) for point in found)
