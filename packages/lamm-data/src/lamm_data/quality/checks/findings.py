"""What a check reports."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "format", "markup", "repetition", "leakage", "coordinates", "refusal", "personal_data", "profanity", "toxicity",
    "ungrounded_object", "wrong_count", "wrong_relation", "unknown_box", "duplicate", "near_duplicate", "contamination",
)  # fmt: skip
"""Every kind of finding, in the order of the funnel."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of one record.

    Attributes:
        kind: A name of `KINDS`.
        detail: What was found, quoted.
        turn: Number of the turn, from 1; 0 when it concerns the whole record.
    """

    kind: str
    detail: str
    turn: int = 0
