"""What a check is given, and what it reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lamm_data.records.instruction import InstructionRecord
from lamm_data.writing.words import words_of

KINDS = (
    "format", "media", "markup", "repetition", "leakage", "coordinates", "refusal", "personal_data", "profanity",
    "toxicity", "ungrounded_object", "wrong_count", "wrong_relation", "unknown_box", "duplicate", "near_duplicate",
    "contamination", "unfaithful", "unjudged",
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


class PreparedRecord:
    """A record made ready for the checks: its words are found once.

    Attributes:
        text: Its turns in lower case, a line each.
        words: Words of all turns, in order; a mark that is no word ends each turn.
        vocabulary: Its different words.
    """

    __slots__ = ("record", "text", "vocabulary", "words")

    def __init__(self, record: InstructionRecord) -> None:
        self.record = record
        self.text = "\n".join([turn.text for turn in record.conversations]).lower()
        self.words = words_of(self.text)
        self.vocabulary = frozenset(self.words)

    def after(self, word: str) -> Iterator[list[str]]:
        """Give the two words after each occurrence of a word that occurs."""
        words, at = self.words, -1
        while True:
            try:
                at = words.index(word, at + 1)
            except ValueError:
                return
            yield words[at + 1 : at + 3]
