"""Rules out pairs of long texts before they are compared, without ever ruling out a pair that is alike.

Each text gets a bitmap in which every token flips one bit, a token's second occurrence another one, and so on. Where
two texts differ by d tokens, counted as multisets, their bitmaps differ in at most d bits. The longest common
subsequence is at most what the multisets share, so ROUGE-L's F of texts of m and n tokens is at most 1 - d / (m + n): a
pair whose bitmaps differ in more than (1 - F) (m + n) bits cannot reach F (the bitmap filter of Sandes et al. 2017, for
sets). How many bits differ is read off a matrix product of bitmaps written as plus and minus one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONG = 64
"""Tokens up to which comparing is as fast as ruling out: one machine word of the bit-parallel comparison."""
_LEAST_BITS, _MOST_BITS = 256, 4096
_FACTORS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class BitmapFilter:
    """Bitmaps of texts, one character a token, of which a pair must reach an F."""

    def __init__(self, coded: Sequence[str], threshold: float) -> None:
        self._lengths = np.array([len(text) for text in coded], np.float32)
        self._share = 1 - threshold + 1e-6
        typical = float(self._lengths.mean()) if len(coded) else 0.0
        # About three bits a token keep chance agreements rare.
        self._bits = int(np.clip(2 ** np.ceil(np.log2(max(3.4 * typical, 1))), _LEAST_BITS, _MOST_BITS))
        self._maps = np.zeros((len(coded), self._bits // 8), np.uint8)
        for index, text in enumerate(coded):
            self._maps[index] = np.packbits(np.bincount(_bit_indices(text, self._bits), minlength=self._bits) & 1)

    def possible(self, rows: Sequence[int], columns: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the pairs of texts that may reach the threshold: indices into `rows` and `columns`, in step."""
        apart = (self._bits - self._signs(rows) @ self._signs(columns).T) / 2
        allowed = (self._lengths[rows][:, None] + self._lengths[columns][None]) * self._share
        first, second = np.nonzero(apart <= allowed)
        return first, second

    def _signs(self, indices: Sequence[int]) -> NDArray[np.float32]:
        bits = np.unpackbits(self._maps[indices], axis=1)
        signs: NDArray[np.float32] = 1 - 2 * bits.astype(np.float32)
        return signs


def _bit_indices(text: str, bits: int) -> NDArray[np.int64]:
    """Give the bit that each token flips, by the token and how often it has occurred before."""
    codes = np.sort(np.frombuffer(text.encode("utf-32-le"), np.uint32))
    first = np.r_[True, codes[1:] != codes[:-1]] if len(codes) else np.zeros(0, bool)
    starts = np.flatnonzero(first)
    occurrence = np.arange(len(codes)) - starts[np.cumsum(first) - 1] if len(codes) else np.zeros(0, np.int64)
    mixed = codes.astype(np.uint64) * _FACTORS[0] + occurrence.astype(np.uint64) * _FACTORS[1]
    mixed = (mixed ^ mixed >> np.uint64(31)) * _FACTORS[0]
    indices: NDArray[np.int64] = (mixed >> np.uint64(40)).astype(np.int64) % bits
    return indices
