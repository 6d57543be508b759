"""Reading numbers, boxes and points as the published protocol does, its quirks included (LAMM v1)."""

import re
from collections.abc import Sequence

Numbers = tuple[float, ...]
_ANY_NUMBER = re.compile(r"[0-9]+\.?[0-9]*")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def numbers_in_brackets(text: str, opening: str, closing: str) -> list[float]:
    """Return all numbers inside one kind of bracket, over the whole text.

    Commas and spaces separate. What does not read as a number is never thrown away: it stays at the front of
    everything that follows, so one word inside a bracket hides every later number in that kind of bracket.

    Args:
        text: The answer.
        opening: The opening bracket.
        closing: The closing bracket.

    Example:
        >>> numbers_in_brackets("[0.1, 2] and [dog, 0.3]", "[", "]")
        [0.1, 2.0]
    """
    numbers: list[float] = []
    pending: list[str] = []
    inside = False
    poisoned = False
    for char in text:
        if char == opening:
            inside = True
        elif inside and char in {",", " ", closing}:
            # Float never accepts a longer text that starts with junk it has once refused, so it need not be asked
            # again.
            number = None if poisoned else _float("".join(pending))
            if number is not None:
                numbers.append(number)
                pending = []
            elif not poisoned:
                text_so_far = "".join(pending).strip()
                poisoned = not _may_grow(text_so_far)
                pending = [text_so_far]
            inside = char != closing
        elif inside and not poisoned:
            pending.append(char)
    return numbers


def _may_grow(text: str) -> bool:
    """Return whether a text that is no number can become one by appending characters ("-", "1e", "in")."""
    lowered = text.lower().lstrip("\t\n\r\f\v")
    tails = ("", "0", "f", "nf", "an", "n", "inity", "finity", "nity", "ity", "ty", "y", "nan", "inf", "+0", ".0", "_0")
    return any(_float(lowered + tail) is not None for tail in tails) or not lowered


def all_numbers(text: str) -> list[float]:
    """Return the numbers in square brackets, then those in round ones; without any, every number of the text."""
    numbers = numbers_in_brackets(text, "[", "]") + numbers_in_brackets(text, "(", ")")
    return numbers or [float(number) for number in _ANY_NUMBER.findall(text)]


def _grouped(numbers: Sequence[float], size: int) -> list[Numbers]:
    whole = len(numbers) - len(numbers) % size
    return [tuple(numbers[start : start + size]) for start in range(0, whole, size)]


def boxes_2d(text: str) -> list[Numbers]:
    """Return the boxes of an answer, its numbers in fours: both axes reversed are mended, one drops the box."""
    boxes: list[Numbers] = []
    for x1, y1, x2, y2 in _grouped(all_numbers(text), 4):
        if x1 > x2 and y1 > y2:
            boxes.append((x2, y2, x1, y1))
        elif not (x1 > x2 or y1 > y2):
            boxes.append((x1, y1, x2, y2))
    return boxes


def boxes_3d(text: str) -> list[Numbers]:
    """Return the boxes of an answer: the numbers in sixes (centre and size)."""
    return _grouped(all_numbers(text), 6)


def points(text: str) -> list[Numbers]:
    """Return the points of an answer: the numbers in twos; a box therefore yields its two corners."""
    return _grouped(all_numbers(text), 2)


def quoted(text: str) -> str:
    """Return the parts in double quotes joined by spaces, or the whole text where there is no double quote."""
    return " ".join(text.split('"')[1::2]) if '"' in text else text
