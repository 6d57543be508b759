"""Read the answer to a closed question and compare it with the truth: classes, attributes, options, yes and no."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import NamedTuple

from lamm_metrics import extraction
from lamm_metrics.extraction.result import Extraction, Status
from lamm_metrics.records.predictions import Prediction
from lamm_metrics.records.truth import YES_NO, Reference, label_set, letter, truth_label


class Answer(NamedTuple):
    """A read answer: how reading ended, what was read, whether it is right, the confidence that was stated, why."""

    status: str
    given: str
    correct: bool
    confidence: float | None = None
    detail: str = ""


def _option_named(key: str, options: Sequence[str], names: Sequence[str]) -> int:
    """Return the index of the option of this text, else of this letter or label; -1 where it is none."""
    if key in options:
        return options.index(key)
    bare = key.strip().strip("().").casefold()
    called = [name.casefold() for name in names]
    return called.index(bare) if bare in called else -1


def _most_probable(
    probabilities: Mapping[str, float] | Sequence[float], options: Sequence[str], names: Sequence[str]
) -> tuple[int, float]:
    """Return the index and probability of the likeliest option; -1 where two share the first place or none is known."""
    if isinstance(probabilities, Mapping):
        values = [0.0] * len(options)
        for key, value in probabilities.items():
            index = _option_named(str(key), options, names)
            if index >= 0:
                values[index] = float(value)
    else:
        values = [float(value) for value in probabilities]
    if not values or len(values) != len(options) or not max(values) > 0 or values.count(max(values)) > 1:
        return -1, max(values, default=0.0)
    return values.index(max(values)), max(values)


def _from_probabilities(
    prediction: Prediction, options: Sequence[str], read: Callable[[], Extraction[int]], names: Sequence[str] = ()
) -> tuple[Extraction[int], float] | None:
    """Return what probabilities say, ambiguous where the text beside them says another option; None without any.

    Args:
        prediction: The answer.
        options: The texts that keys may be.
        read: Reads the text: the index of an option.
        names: What the question calls the options, which keys may be as well.
    """
    if prediction.probabilities is None:
        return None
    index, confidence = _most_probable(prediction.probabilities, options, names)
    if index < 0:
        return Extraction(None, Status.AMBIGUOUS, "the probabilities settle on none of the options"), confidence
    stated = read().value if prediction.plain_text else None
    if stated is not None and stated != index:
        why = f"the text says {options[stated]!r:.60}, the probabilities say {options[index]!r:.60}"
        return Extraction(None, Status.AMBIGUOUS, why), confidence
    return Extraction(index, Status.OK), confidence


def _answer(
    likeliest: tuple[Extraction[int], float] | None,
    read: Callable[[], Extraction[int]],
    options: Sequence[str],
    right: Container[int],
) -> Answer:
    """Return the answer that probabilities give, else the text's."""
    found, confidence = likeliest or (read(), None)
    given = "" if found.value is None else options[found.value]
    return Answer(found.status, given, found.value in right, confidence, found.detail)


def read_label(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read a class of a closed set; probabilities, where given, decide before the text."""
    options, truth = label_set(reference, labels), truth_label(reference)

    def read() -> Extraction[int]:
        found = extraction.extract_label(prediction.plain_text, options)
        return Extraction(None if found.value is None else options.index(found.value), found.status, found.detail)

    return _answer(_from_probabilities(prediction, options, read), read, options, {options.index(truth)})


def read_attribute(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read a facial attribute: yes or no where the truth is "1" or "-1", a class otherwise."""
    truth = truth_label(reference).strip().lower()
    if truth not in YES_NO:
        return read_label(reference, prediction, labels)
    return read_yes_no(reference, prediction, labels)


def read_yes_no(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read a yes or a no; probabilities, where given, decide before the text."""
    options = ["yes", "no"]

    def read() -> Extraction[int]:
        found = extraction.extract_yes_no(prediction.plain_text)
        return Extraction(None if found.value is None else int(not found.value), found.status, found.detail)

    truth = options.index(YES_NO[truth_label(reference).strip().lower()])
    return _answer(_from_probabilities(prediction, options, read), read, options, {truth})


def _stated_choice(choice: int | str, options: Sequence[str], names: Sequence[str]) -> Extraction[int]:
    """Return the option that a structured choice names, malformed where it names none."""
    index = _option_named(choice, options, names) if isinstance(choice, str) else choice
    if 0 <= index < len(options):
        return Extraction(index, Status.OK)
    return Extraction(None, Status.MALFORMED, "the choice is none of the options")


def read_choice(reference: Reference, prediction: Prediction, labels: Sequence[str]) -> Answer:
    """Read the option of a multiple-choice question; a structured choice or probabilities decide before the text.

    The record's `option_labels` are what its question calls the options instead of A, B, C; `gt_accepted` lists further
    indices that are right.
    """
    options, own = [str(option) for option in reference["gt_choices"]], reference.get("option_labels")
    letters = [letter(index) for index in range(len(options))]
    names = [str(label) for label in own] if own else letters

    def read() -> Extraction[int]:
        if prediction.choice is not None:
            return _stated_choice(prediction.choice, options, names)
        text = prediction.plain_text
        if own:
            return extraction.extract_labelled_choice(text, options, names)
        return extraction.extract_choice(text, options)

    likeliest = None if prediction.choice is not None else _from_probabilities(prediction, options, read, names)
    return _answer(likeliest, read, letters, {int(reference["gt_choice"]), *reference.get("gt_accepted", ())})
