"""Normalised picture coordinates written in text, moved between the picture and the model's square input."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamm_model.errors import LammModelError
from lamm_model.processing.image_processing_lamm import picture_size

if TYPE_CHECKING:
    from lamm_model.processing.image_processing_lamm import LammImageProcessor

_NUMBER = r"\d*\.?\d+"
_LIST = re.compile(rf"([\[(])\s*({_NUMBER}(?:\s*,\s*{_NUMBER})+)\s*([\])])")
Mapping = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def map_coordinates(text: str, mapping: Mapping) -> str:
    """Map every point `[x, y]` and box `[x1, y1, x2, y2]` with numbers in 0..1; leave all else as it is.

    Args:
        text: Any text; brackets may be square or round.
        mapping: Takes and returns `[n, 2]` points.

    Returns:
        The text with as many decimals as it had, at least two.

    >>> map_coordinates("A dog at [0.50, 0.1] among (3, 4) others.", lambda points: points / 2)
    'A dog at [0.25, 0.05] among (3, 4) others.'
    """

    def replace(match: re.Match[str]) -> str:
        numbers = _numbers(match)
        if not numbers:
            return match.group(0)
        values = np.array([float(number) for number in numbers])
        decimals = max(2, *(len(number.partition(".")[2]) for number in numbers))
        mapped = mapping(values.reshape(-1, 2)).clip(0.0, 1.0).round(decimals).ravel()
        return f"{match.group(1)}{', '.join(str(float(value)) for value in mapped)}{match.group(3)}"

    return _LIST.sub(replace, text)


def dialogue_to_input(
    processor: LammImageProcessor, turns: list[dict[str, Any]], pictures: Sequence[Path], name: str
) -> list[dict[str, Any]]:
    """Move the points and boxes in a dialogue from its picture into the square that the model sees.

    Squashed pictures need nothing; letterboxed ones are padded, and what is written about them must follow. For
    dialogues to train on and questions to ask; `answer_to_picture` brings answers back.

    Args:
        processor: Says whether pictures are letterboxed.
        turns: As for `LammProcessor.encode_dialogue`.
        pictures: The dialogue's pictures.
        name: What messages call the record.

    Raises:
        LammModelError: Coordinates beside several pictures of different shape: whose they are is unknown.
    """
    size = _size(processor, pictures, [str(turn.get("value", "")) for turn in turns], name)
    if size is None:
        return turns

    def moved(text: str) -> str:
        return map_coordinates(text, lambda points: processor.to_input(points, size))

    return [{**turn, "value": moved(str(turn["value"]))} for turn in turns]


def answer_to_picture(processor: LammImageProcessor, answer: str, pictures: Sequence[Path], name: str) -> str:
    """Move the points and boxes in an answer from the model's square back into the picture; see `dialogue_to_input`."""
    size = _size(processor, pictures, [answer], name)
    return answer if size is None else map_coordinates(answer, lambda points: processor.to_picture(points, size))


def answer_mapping(processor: LammImageProcessor, pictures: Sequence[Path]) -> Callable[[str], str] | None:
    """Return `answer_to_picture` for a dialogue's pictures; None where answers need no mapping and may be streamed."""
    if not (getattr(processor, "moves_coordinates", False) and pictures):
        return None
    return lambda answer: answer_to_picture(processor, answer, pictures, "this chat")


def _size(
    processor: LammImageProcessor, pictures: Sequence[Path], texts: list[str], name: str
) -> tuple[int, int] | None:
    """Return the size of the picture that coordinates belong to; None where nothing is to be mapped."""
    if not (
        processor.moves_coordinates
        and pictures
        and any(_numbers(match) for text in texts for match in _LIST.finditer(text))
    ):
        return None
    sizes = {picture_size(picture) for picture in pictures}
    if len(sizes) > 1:
        raise LammModelError(
            f"Expected coordinates beside one letterboxed picture, got {len(pictures)} of different sizes ({name}). "
            "Squash the pictures, or show one at a time."
        )
    return sizes.pop()


def _numbers(match: re.Match[str]) -> list[str]:
    """Return the numbers of a point or box as they are written; none where the list is neither."""
    numbers = [number.strip() for number in match.group(2).split(",")]
    whole = not any("." in number for number in numbers)
    return [] if whole or len(numbers) not in (2, 4) or max(map(float, numbers)) > 1.0 else numbers
