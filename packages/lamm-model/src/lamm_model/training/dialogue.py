"""One dialogue as tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

IGNORED = -100
Medium = tuple[str, str]  # kind ("image" or "point_cloud") and path


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One dialogue as tokens.

    Attributes:
        id: Record id, for messages.
        media: What the placeholders of the prefix stand for, in order; dialogues share a prefix only if this is equal.
        input_ids: Tokens, media placeholders included.
        labels: The tokens that are learnt, ``IGNORED`` elsewhere; same length.
        modality_ids: For each token the adapter set: 0 none, 1 image, 2 point cloud; same length.
        prefix: Number of leading tokens up to and including the last media placeholder; 0 for text alone.
    """

    id: str
    media: tuple[Medium, ...]
    input_ids: Sequence[int]
    labels: Sequence[int]
    modality_ids: Sequence[int]
    prefix: int

    @property
    def learnt(self) -> int:
        """Return the number of tokens that are learnt."""
        return sum(label != IGNORED for label in self.labels)
