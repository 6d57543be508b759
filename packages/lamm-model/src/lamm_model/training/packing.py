"""Put dialogues about the same image or cloud into one row, computing the medium once, with exactly the same loss.

A row is one prefix (system message, opening of the first turn, media tokens) and the rest of each dialogue that begins
with it, one after another::

    prefix  a a a  b b b b        positions 0 1 | 2 3 4 | 2 3 4 5

Each rest sees the prefix and itself, never its neighbours, and its positions go on from the prefix: what it computes is
what it would compute alone. With ``k`` dialogues about one image of ``m`` tokens, ``(k - 1) * m`` tokens are saved. The
published training gave each dialogue its own copy of the image (one row each), padded to the longest.

Shapes: ``R`` rows, ``S`` tokens in the longest row.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

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


@dataclass(slots=True)
class Row:
    """Dialogues that share one prefix."""

    dialogues: list[Dialogue] = field(default_factory=list)

    @property
    def prefix(self) -> int:
        """Return the number of tokens all dialogues of the row share."""
        return self.dialogues[0].prefix

    @property
    def tokens(self) -> int:
        """Return the number of tokens of the row, the prefix counted once."""
        return self.prefix + sum(len(dialogue.input_ids) - self.prefix for dialogue in self.dialogues)

    @property
    def media(self) -> tuple[Medium, ...]:
        """Return the media of the prefix, in order."""
        return self.dialogues[0].media


def pack_rows(dialogues: Sequence[Dialogue], row_tokens: int, share: bool = True) -> list[Row]:
    """Group dialogues into rows of at most ``row_tokens`` tokens.

    Args:
        dialogues: In any order; the order of first appearance is kept, so the same input gives the same rows.
        row_tokens: Ceiling of a row. A single dialogue above it still gets a row: the caller rejects those before.
        share: False gives every dialogue its own row.
    """
    if not share:
        return [Row([dialogue]) for dialogue in dialogues]
    groups: dict[Hashable, list[Row]] = defaultdict(list)
    rows: list[Row] = []
    for dialogue in dialogues:
        key = (dialogue.media, tuple(dialogue.input_ids[: dialogue.prefix]))
        open_rows = groups[key]
        added = len(dialogue.input_ids) - dialogue.prefix
        if not open_rows or open_rows[-1].tokens + added > row_tokens:
            open_rows.append(Row())
            rows.append(open_rows[-1])
        open_rows[-1].dialogues.append(dialogue)
    return rows


def lay_out(rows: Sequence[Row], pad_id: int) -> "dict[str, torch.Tensor]":
    """Lay rows side by side as the model's inputs.

    Returns:
        ``input_ids``, ``labels``, ``modality_ids``, ``position_ids`` (int64 ``[R, S]``) and ``attention_mask``
        (bool ``[R, 1, S, S]``, True where the query of the third axis may see the key of the fourth).
    """
    import torch

    length = max(row.tokens for row in rows)
    filled = {
        "input_ids": torch.full((len(rows), length), pad_id),
        "labels": torch.full((len(rows), length), IGNORED),
        "modality_ids": torch.zeros((len(rows), length), dtype=torch.long),
        "position_ids": torch.zeros((len(rows), length), dtype=torch.long),
    }
    part = torch.full((len(rows), length), -1)
    for index, row in enumerate(rows):
        start = 0
        for number, dialogue in enumerate(row.dialogues):
            # The first dialogue brings the prefix along; the others only what follows it.
            skip = row.prefix if number else 0
            end = start + len(dialogue.input_ids) - skip
            filled["input_ids"][index, start:end] = torch.tensor(dialogue.input_ids[skip:])
            filled["labels"][index, start:end] = torch.tensor(dialogue.labels[skip:])
            filled["modality_ids"][index, start:end] = torch.tensor(dialogue.modality_ids[skip:])
            filled["position_ids"][index, start:end] = torch.arange(skip, len(dialogue.input_ids))
            part[index, start:end] = number + 1
            # What precedes a later part in the row is its neighbour: its first token cannot be learnt from there.
            filled["labels"][index, start] = IGNORED
            start = end
        part[index, : row.prefix] = 0
    filled["attention_mask"] = _visible(part)
    return filled


def _visible(part: "torch.Tensor") -> "torch.Tensor":
    """Return who sees whom: the prefix (part 0) and one's own part, never later tokens; padding (-1) sees itself."""
    import torch

    length = part.shape[1]
    query, key = part[:, :, None], part[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    visible = causal & ((key == query) | (key == 0)) & (key >= 0) & (query >= 0)
    # A softmax over nothing is not a number: padding attends to itself, and nobody attends to it.
    return (visible | torch.eye(length, dtype=torch.bool))[:, None]
