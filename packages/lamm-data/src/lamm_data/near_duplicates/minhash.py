"""Near duplicates among millions of texts: MinHash finds pairs that may be alike, ROUGE-L decides.

A text is the set of its pairs of neighbouring words. Two texts agree in one of their minimum hashes with the
probability of their Jaccard similarity (Broder 1997); signatures are cut into bands, and texts that share a whole band
are compared. What is reported is exact; what MinHash may miss is a pair that shares no band.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamm_data.near_duplicates.exact import Duplicate, encode_texts, similarity_function
from lamm_data.progress import Advance, unwatched
from lamm_data.writing.words import words_of

BANDS, ROWS = 48, 3
"""A pair of Jaccard similarity 0.33 shares one of 48 bands of 3 hashes with probability 0.83, one of 0.5 with 0.998."""
COMPARED = 32
"""Kept texts of one band that a text is compared with, the latest ones."""
_BLOCK = 2048
Signatures = NDArray[np.uint32]


def find_near_minhash(
    texts: Sequence[str], threshold: float, seed: int = 0, advance: Advance = unwatched
) -> list[Duplicate]:
    """Find texts whose ROUGE-L with an earlier kept text reaches a threshold, among those that share a band.

    Args:
        texts: The texts, in order of preference: the first of a group is kept.
        threshold: F from which two texts count as the same.
        seed: Seed of the hashes.
        advance: Called with the number of newly compared texts.

    Returns:
        The later ones, in order of position. All of them reach the threshold; some that do may be missed.

    Raises:
        UsageError: For a threshold outside 0..1.
        LammDataError: When rapidfuzz is not installed.
    """
    similarity = similarity_function(threshold)
    groups = band_groups(texts, seed)
    coded = encode_texts(texts)
    standing: dict[tuple[int, int], list[int]] = {}
    duplicates = []
    for index in range(len(texts)):
        keys = [(band, int(group)) for band, group in enumerate(groups[index]) if group >= 0]
        others = {other for key in keys for other in standing.get(key, ())}
        best = max(((similarity(coded[index], coded[other]), -other) for other in others), default=(0.0, 0))
        if best[0] >= threshold - 1e-6:
            duplicates.append(Duplicate(index, -best[1], round(best[0], 4)))
        else:
            for key in keys:
                standing[key] = [*standing.get(key, ())[-COMPARED + 1 :], index]
        advance(1)
    return duplicates


def band_groups(texts: Sequence[str], seed: int = 0) -> NDArray[np.int32]:
    """Say for each text and band which group of equal bands it is in.

    Returns:
        `[N, BANDS]`; -1 where no other text has the same band, so that only likely pairs cost memory and time.
    """
    signatures = minhash(texts, seed)
    groups = np.full((len(texts), BANDS), -1, np.int32)
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        keys = part.view(np.dtype((np.void, part.dtype.itemsize * ROWS))).ravel()
        _, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        shared = sizes[inverse] > 1
        groups[shared, band] = inverse[shared]
    return groups


def minhash(texts: Sequence[str], seed: int = 0) -> Signatures:
    """Compute MinHash signatures; words count without case and punctuation.

    Returns:
        `[N, BANDS * ROWS]`: minima over each text's pairs of neighbouring words, by multiply-shift hashing
        (Dietzfelbinger et al. 1997).
    """
    count = BANDS * ROWS
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = rng.integers(0, 2**63, count, dtype=np.uint64)
    codes: dict[str, int] = {}
    signatures = np.empty((len(texts), count), np.uint32)
    for index, text in enumerate(texts):
        pairs = _pairs(text, codes)
        lowest = np.full(count, np.iinfo(np.uint32).max, np.uint32)
        for start in range(0, len(pairs), _BLOCK):
            values = (pairs[start : start + _BLOCK, None] * factors + shifts) >> np.uint64(32)
            np.minimum(lowest, values.min(0).astype(np.uint32), out=lowest)
        signatures[index] = lowest
    return signatures


def _pairs(text: str, codes: dict[str, int]) -> NDArray[np.uint64]:
    """Code the different pairs of neighbouring words of a text; a single word is one."""
    words = words_of(text)
    values = np.array(
        [codes.get(word) or codes.setdefault(word, zlib.crc32(word.encode()) | 1) for word in words], np.uint64
    )
    if len(values) < 2:
        return np.array([zlib.crc32(" ".join(words).encode())], np.uint64)
    mixed: Any = values[:-1] * np.uint64(0x9E3779B97F4A7C15) ^ values[1:] * np.uint64(0xC2B2AE3D27D4EB4F)
    return np.unique(mixed ^ mixed >> np.uint64(29))
