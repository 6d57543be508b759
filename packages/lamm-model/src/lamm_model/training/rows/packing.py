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
    """One dialogue as tokens; the three columns are of one length."""

    id: str  # of the record, for messages
    media: tuple[Medium, ...]  # what the placeholders stand for; a prefix is shared only where this is equal
    input_ids: Sequence[int]  # media placeholders included
    labels: Sequence[int]  # the tokens that are learnt, `IGNORED` elsewhere
    modality_ids: Sequence[int]  # the adapter set of each token: 0 none, 1 image, 2 point cloud
    prefix: int  # leading tokens up to and including the last media placeholder; 0 for text alone

    def learns_within(self, end: int) -> bool:
        """Return whether any of the first ``end`` tokens is learnt."""
        return any(label != IGNORED for label in self.labels[:end])

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
    """Groups that are computed in one row of the batch, in order."""

    groups: list[Group] = field(default_factory=list)
    variant: int = 0  # which sampling of its clouds is shown

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
    """What a batch holds; it travels with the batch, also out of a worker process."""

    ids: tuple[str, ...]  # of the records, for messages
    tokens: int  # that are computed, padding not counted
    alone: int  # tokens if every dialogue were computed alone
    kinds: frozenset[int]  # modality ids of its tokens, none of a row that stands for none
    unreadable: tuple[tuple[str, str], ...] = ()  # ids of records whose media could not be read, and why

    @classmethod
    def of(cls, rows: Sequence[Row], unreadable: Sequence[tuple[str, str]] = ()) -> "BatchFacts":
        """Return the facts of a batch of these rows, of which some records were left out."""
        dialogues = [dialogue for row in rows for dialogue in row.dialogues]
        return cls(
            ids=tuple(dialogue.id for dialogue in dialogues),
            tokens=sum(row.tokens for row in rows),
            alone=sum(len(dialogue.input_ids) for dialogue in dialogues),
            kinds=frozenset(kind for dialogue in dialogues if dialogue.id for kind in dialogue.modality_ids),
            unreadable=tuple(unreadable),
        )


def blank_row(pad_id: int) -> Row:
    """Return a row of nothing to learn: two tokens, the fewest with a next one, for shapes like any other row's."""
    return Row([Group([Dialogue("", (), [pad_id] * 2, [IGNORED] * 2, [0] * 2, 0)])])


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
    latest: dict[Hashable, Group] = {}
    sizes: dict[Hashable, int] = defaultdict(int)
    groups: list[Group] = []
    for dialogue in dialogues:
        key = (dialogue.media, tuple(dialogue.input_ids[: dialogue.prefix]))
        added = len(dialogue.input_ids) - dialogue.prefix
        # Dialogues without media share nothing: grouping them would only tie them to one row. Nor do those with an
        # answer before their last medium: it is learnt as often as it occurs, and a shared one would be learnt once.
        if (
            not dialogue.prefix
            or dialogue.learns_within(dialogue.prefix + 1)
            or key not in latest
            or sizes[key] + added > most
        ):
            latest[key], sizes[key] = Group(), dialogue.prefix
            groups.append(latest[key])
        latest[key].dialogues.append(dialogue)
        sizes[key] += added
    return groups


def fill_rows(groups: Sequence[Group], row_tokens: int) -> list[Row]:
    """Fit groups into rows, the fullest row that still has room first (best fit decreasing, window by window)."""
    rows: list[Row] = []
    for start in range(0, len(groups), WINDOW):
        room: list[tuple[int, int]] = []  # free tokens and the row's number, ascending
        sized = sorted(((group.tokens, group) for group in groups[start : start + WINDOW]), key=lambda pair: -pair[0])
        for tokens, group in sized:
            fullest = bisect_left(room, (tokens, -1))
            free, number = room.pop(fullest) if fullest < len(room) else (row_tokens, len(rows))
            if number == len(rows):
                rows.append(Row())
            rows[number].groups.append(group)
            insort(room, (free - tokens, number))
    return rows
