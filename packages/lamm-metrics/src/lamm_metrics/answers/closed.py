"""Read the answer to a closed question and compare it with the truth: classes, attributes, options, yes and no."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lamm_metrics.extraction import Status, extract_choice, extract_label, extract_yes_no
from lamm_metrics.extraction.choices import extract_labelled_choice
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import YES_NO, Reference, label_set, letter, truth_label

UNDECIDED = "the probabilities settle on none of the options"


class Answer(NamedTuple):
    """A read answer: how reading ended, what was read, whether it is right, the confidence that was stated, why."""

    status: str
    given: str
    correct: bool
    confidence: float | None = None
    detail: str = ""


def _most_probable(probabilities: Mapping[str, float] | Sequence[float], options: Sequence[str]) -> tuple[int, float]:
    """Return the index and probability of the likeliest option; -1 where two share the first place or none is known."""
    if isinstance(probabilities, Mapping):
        values = [float(probabilities.get(option, 0.0)) for option in options]
    else:
        values = [float(value) for value in probabilities]
    if not values or len(values) != len(options) or not max(values) > 0 or values.count(max(values)) > 1:
        return -1, max(values, default=0.0)
    return values.index(max(values)), max(values)


def _from_probabilities(prediction: Prediction, options: Sequence[str]) -> tuple[int, float] | None:
    return None if prediction.probabilities is None else _most_probable(prediction.probabilities, options)


def read_label(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read a class of a closed set; probabilities, where given, decide instead of the text."""
    options, truth = label_set(reference, labels), truth_label(reference)
    likeliest = _from_probabilities(prediction, options)
    if likeliest is not None:
        index, confidence = likeliest
        given = options[index] if index >= 0 else ""
        return Answer(Status.OK if given else Status.AMBIGUOUS, given, given == truth, confidence, UNDECIDED)
    found = extract_label(prediction.plain_text, options)
    return Answer(found.status, found.value or "", found.value == truth, detail=found.detail)


def read_attribute(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read a facial attribute: yes or no where the truth is "1" or "-1", a class otherwise."""
    truth = truth_label(reference).strip().lower()
    if truth not in YES_NO:
        return read_label(reference, prediction, labels)
    return read_yes_no(reference, prediction, labels)


def read_yes_no(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read a yes or a no."""
    truth = YES_NO[truth_label(reference).strip().lower()]
    likeliest = _from_probabilities(prediction, ["yes", "no"])
    if likeliest is not None:
        index, confidence = likeliest
        given = ("yes", "no")[index] if index >= 0 else ""
        return Answer(Status.OK if given else Status.AMBIGUOUS, given, given == truth, confidence, UNDECIDED)
    found = extract_yes_no(prediction.plain_text)
    given = "" if found.value is None else "yes" if found.value else "no"
    return Answer(found.status, given, given == truth, detail=found.detail)


def _stated_choice(choice: int | str, options: Sequence[str]) -> int:
    """Return the index of a structured choice, -1 where it names no option."""
    if isinstance(choice, str):
        text = choice.strip().upper()
        choice = ord(text) - ord("A") if len(text) == 1 and text.isascii() and text.isalpha() else -1
    return choice if 0 <= choice < len(options) else -1


def read_choice(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read the option of a multiple-choice question; a structured choice or probabilities decide before the text.

    The record's `option_labels` are what its question calls the options instead of A, B, C; `gt_accepted` lists further
    indices that are right.
    """
    options, truth = [str(option) for option in reference["gt_choices"]], int(reference["gt_choice"])
    right = {truth, *reference.get("gt_accepted", ())}
    confidence, why = None, ""
    if prediction.choice is not None:
        index = _stated_choice(prediction.choice, options)
        status, why = Status.OK if index >= 0 else Status.MALFORMED, "the choice is none of the options"
    elif (likeliest := _from_probabilities(prediction, options)) is not None:
        index, confidence = likeliest
        status, why = Status.OK if index >= 0 else Status.AMBIGUOUS, UNDECIDED
    else:
        own = reference.get("option_labels")
        found = (
            extract_labelled_choice(prediction.plain_text, options, own)
            if own
            else extract_choice(prediction.plain_text, options)
        )
        index, status, why = (-1 if found.value is None else found.value), found.status, found.detail
    return Answer(status, letter(index) if index >= 0 else "", index in right, confidence, why)
