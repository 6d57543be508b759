"""Distances between sequences, bit-parallel: a Python integer holds one row of the table."""

from collections.abc import Hashable, Sequence


def _positions(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """For each symbol the places where it stands, as bits."""
    positions: dict[Hashable, int] = {}
    for i, symbol in enumerate(sequence):
        positions[symbol] = positions.get(symbol, 0) | 1 << i
    return positions


def levenshtein(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions that turn one sequence into the other.

    Args:
        first: Characters, words or anything hashable.
        second: The same.

    Myers 1999 in Hyyrö's form (2003): time O(len(second) * len(first) / word size).

    >>> levenshtein("kitten", "sitting")
    3
    """
    if len(first) > len(second):
        first, second = second, first
    if not first:
        return len(second)
    positions = _positions(first)
    mask, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rise, fall, distance = mask, 0, len(first)
    for symbol in second:
        match = positions.get(symbol, 0)
        diagonal = (((match & rise) + rise) ^ rise) | match | fall
        up = fall | ~(diagonal | rise) & mask
        down = rise & diagonal
        distance += bool(up & last) - bool(down & last)
        up = (up << 1 | 1) & mask
        rise = (down << 1 & mask) | ~(diagonal | up) & mask
        fall = up & diagonal
    return distance


def common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence (Hyyrö 2004).

    Args:
        first: Characters, words or anything hashable.
        second: The same.

    >>> common_subsequence("the cat sat".split(), "the sat cat sat".split())
    3
    """
    if len(first) > len(second):
        first, second = second, first
    positions = _positions(first)
    mask = row = (1 << len(first)) - 1
    for symbol in second:
        match = row & positions.get(symbol, 0)
        row = (row + match | row - match) & mask
    return len(first) - row.bit_count()
