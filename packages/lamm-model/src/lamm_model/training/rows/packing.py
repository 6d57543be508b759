"""Put dialogues into rows: those about one image or cloud share it, and unlike ones fill a row together.

A *group* is one prefix (system message, opening of the first turn, media tokens) and the rest of each dialogue that
begins with it; a *row* is one group after another, as many as ``row_tokens`` hold::

    group 0                     group 1
    prefix  a a a  b b b b      prefix  c c
    0 1     2 3 4  2 3 4 5      0 1 2   3 4         positions

Each rest sees its prefix and itself, never a neighbour, and its positions go on from the prefix: what it computes is
what it would compute alone. With ``k`` dialogues about one image of ``m`` tokens, ``(k - 1) * m`` tokens are saved, and
a full row needs no padding. The published training gave each dialogue its own copy of the image (one row each), padded
to the longest. `lamm_model.training.rows.collation` turns rows into tensors.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from lamm_model.model.answer_loss import IGNORED

WINDOW = 2048  # groups that are fitted into rows together, longest first: full rows, and still near the given order
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


@dataclass(slots=True)
class Group:
    """Dialogues that share one prefix."""

    dialogues: list[Dialogue] = field(default_factory=list)

    @property
    def prefix(self) -> int:
        """Return the number of tokens all dialogues of the group share."""
        return self.dialogues[0].prefix

    @property
    def tokens(self) -> int:
        """Return the number of tokens of the group, the prefix counted once."""
        return self.prefix + sum(len(dialogue.input_ids) - self.prefix for dialogue in self.dialogues)

    @property
    def media(self) -> tuple[Medium, ...]:
        """Return the media of the prefix, in order."""
        return self.dialogues[0].media


@dataclass(slots=True)
class Row:
    """Groups that are computed in one row of the batch.

    Attributes:
        groups: In order.
        variant: Which sampling of its clouds is shown.
    """

    groups: list[Group] = field(default_factory=list)
    variant: int = 0

    @property
    def tokens(self) -> int:
        """Return the number of tokens of the row, padding not counted."""
        return sum(group.tokens for group in self.groups)

    @property
    def dialogues(self) -> list[Dialogue]:
        """Return the dialogues of the row, in the order in which they are laid out."""
        return [dialogue for group in self.groups for dialogue in group.dialogues]

    @property
    def media(self) -> list[Medium]:
        """Return the media of the row in the order of their placeholders."""
        return [medium for group in self.groups for medium in group.media]


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What a batch holds; it travels with the batch, also out of a worker process.

    Attributes:
        ids: Record ids, for messages.
        tokens: Tokens that are computed, padding not counted.
        alone: Tokens if every dialogue were computed alone.
        kinds: Modality ids of its tokens.
    """

    ids: tuple[str, ...]
    tokens: int
    alone: int
    kinds: frozenset[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "BatchFacts":
        """Return the facts of a batch of these rows."""
        dialogues = [dialogue for row in rows for dialogue in row.dialogues]
        return cls(
            ids=tuple(dialogue.id for dialogue in dialogues),
            tokens=sum(row.tokens for row in rows),
            alone=sum(len(dialogue.input_ids) for dialogue in dialogues),
            kinds=frozenset(kind for dialogue in dialogues for kind in dialogue.modality_ids),
        )


def pack_rows(dialogues: Sequence[Dialogue], row_tokens: int, packing: str = "shared_prefix") -> list[Row]:
    """Group dialogues into rows of at most ``row_tokens`` tokens.

    Args:
        dialogues: In any order; the same input gives the same rows.
        row_tokens: Ceiling of a row. A single dialogue above it still gets a row: the caller rejects those before.
        packing: ``mixed`` (as many groups as fit), ``shared_prefix`` (one group) or ``none`` (one dialogue).
    """
    if packing == "none":
        return [Row([Group([dialogue])]) for dialogue in dialogues]
    groups = share_prefixes(dialogues, row_tokens)
    return fill_rows(groups, row_tokens) if packing == "mixed" else [Row([group]) for group in groups]


def share_prefixes(dialogues: Sequence[Dialogue], most: int) -> list[Group]:
    """Group dialogues by equal media and prefix tokens, at most ``most`` tokens a group, in order of appearance."""
    found: dict[Hashable, Group] = {}
    sizes: dict[Hashable, int] = defaultdict(int)
    groups: list[Group] = []
    for dialogue in dialogues:
        key = (dialogue.media, tuple(dialogue.input_ids[: dialogue.prefix]))
        added = len(dialogue.input_ids) - dialogue.prefix
        # Dialogues without media share nothing: grouping them would only tie them to one row.
        if not dialogue.prefix or key not in found or sizes[key] + added > most:
            found[key], sizes[key] = Group(), dialogue.prefix
            groups.append(found[key])
        found[key].dialogues.append(dialogue)
        sizes[key] += added
    return groups


def fill_rows(groups: Sequence[Group], row_tokens: int) -> list[Row]:
    """Fit groups into rows, the fullest row that still has room first (best fit decreasing, window by window)."""
    rows: list[Row] = []
    for start in range(0, len(groups), WINDOW):
        room: list[tuple[int, int]] = []  # free tokens and the row's number, ascending
        sized = sorted(((group.tokens, group) for group in groups[start : start + WINDOW]), key=lambda pair: -pair[0])
        for tokens, group in sized:
            place = bisect_left(room, (tokens, -1))
            free, number = room.pop(place) if place < len(room) else (row_tokens, len(rows))
            if number == len(rows):
                rows.append(Row())
            rows[number].groups.append(group)
            insort(room, (free - tokens, number))
    return rows
