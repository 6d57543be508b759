"""From rows to a batch: tokens laid out, media loaded. Runs in the data loader's workers.

Two forms carry the same isolation:

- ``mask``: rows side by side, ``group`` and ``part`` numbers per token, from which `visible` makes a boolean mask;
- ``segments``: all rows one after another in one long row, with the boundaries that variable-length attention wants.

Shapes: ``R`` rows, ``S`` tokens in the longest row, ``T`` tokens in all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.training.rows.packing import BatchFacts, Dialogue, Medium, Row, blank_row

if TYPE_CHECKING:
    import torch

    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.rows.feature_cache import FeatureCache

LoadMedia = Callable[..., dict[str, Any]]  # of media, and of the sampling of each where that is not the first
SHORTEST = 256  # bounds of segments are this times a power of two: a bound is all a kernel needs, and it seldom changes


@dataclass(slots=True)
class _Sheet:
    """One row of tokens under construction, and its segments.

    A segment is a dialogue, or what follows the prefix where an earlier dialogue of the group has brought that along:
    queries ``[start, end)`` see the keys ``[first, first + prefix)`` and themselves.
    """

    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    modality_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    segments: list[tuple[int, int, int, int]] = field(default_factory=list)  # start, end, the prefix's first and length

    def add(self, dialogue: Dialogue, group: int, number: int, first: int) -> None:
        start = len(self.input_ids)
        skip = dialogue.prefix if number else 0
        self.input_ids += dialogue.input_ids[skip:]
        # What precedes a segment in the row is its neighbour: its first token cannot be learnt from there.
        self.labels += [IGNORED, *dialogue.labels[skip + 1 :]]
        self.modality_ids += dialogue.modality_ids[skip:]
        self.position_ids += range(skip, len(dialogue.input_ids))
        own = len(self.input_ids) - start
        shared = 0 if number else dialogue.prefix
        self.group += [group] * own
        self.part += [0] * shared + [number + 1] * (own - shared)
        self.segments.append((start, start + own, first, skip))

    def pad(self, length: int, pad_id: int) -> None:
        missing = length - len(self.input_ids)
        if missing > 0:
            # In short segments, so that padding never is the longest of them.
            for start in range(len(self.input_ids), length, SHORTEST):
                self.segments.append((start, min(start + SHORTEST, length), 0, 0))
            self.input_ids += [pad_id] * missing
            self.labels += [IGNORED] * missing
            self.modality_ids += [0] * missing
            self.position_ids += range(missing)
            self.group += [-1] * missing
            self.part += [-1] * missing


_COLUMNS = ("input_ids", "labels", "modality_ids", "position_ids")


def lay_out(rows: Sequence[Row], pad_id: int, form: str = "mask", length: int = 0) -> "dict[str, torch.Tensor | int]":
    """Lay rows out as the model's inputs.

    Args:
        rows: What `lamm_model.training.rows.packing.pack_rows` returned.
        pad_id: Fills short rows.
        form: ``mask`` or ``segments``.
        length: Tokens every row is padded to, where shapes should repeat; 0 pads to the longest (``mask``) or not at
            all (``segments``).

    Returns:
        ``input_ids``, ``labels``, ``modality_ids``, ``position_ids``, int64 ``[R, S]`` or ``[1, T]``, and either
        ``group`` and ``part`` (int64 ``[R, S]``, for `visible`) or ``cu_seq_lens_q``, ``cu_seq_lens_k`` (int32
        ``[segments + 1]``), ``max_length_q``, ``max_length_k`` and, where prefixes are shared, ``key_index`` (int64:
        the keys of all segments in order).
    """
    import torch

    sheets = [_sheet(row) for row in rows]
    if form == "segments":
        return _joined(sheets, pad_id, length * len(rows))
    width = max(length, *(len(sheet.input_ids) for sheet in sheets))
    for sheet in sheets:
        sheet.pad(width, pad_id)
    return {name: torch.tensor([getattr(sheet, name) for sheet in sheets]) for name in (*_COLUMNS, "group", "part")}


def _sheet(row: Row) -> _Sheet:
    sheet = _Sheet()
    for group_number, group in enumerate(row.groups):
        first = len(sheet.input_ids)
        for number, dialogue in enumerate(group.dialogues):
            sheet.add(dialogue, group_number, number, first)
    return sheet


def _joined(sheets: Sequence[_Sheet], pad_id: int, length: int) -> "dict[str, torch.Tensor | int]":
    import torch

    # Padding follows the last row and is a segment of its own.
    sheets[-1].pad(len(sheets[-1].input_ids) + length - sum(len(sheet.input_ids) for sheet in sheets), pad_id)
    segments = list(_shifted(sheets))
    queries = [end - start for start, end, _, _ in segments]
    keys = [end - start + prefix for start, end, _, prefix in segments]
    joined: dict[str, torch.Tensor | int] = {
        name: torch.tensor([[value for sheet in sheets for value in getattr(sheet, name)]]) for name in _COLUMNS
    }
    joined["cu_seq_lens_q"] = torch.tensor([0, *queries]).cumsum(0, dtype=torch.int32)
    joined["cu_seq_lens_k"] = torch.tensor([0, *keys]).cumsum(0, dtype=torch.int32)
    joined["max_length_q"], joined["max_length_k"] = bound(max(queries)), bound(max(keys))
    if any(prefix for _, _, _, prefix in segments):
        spans = [(*range(first, first + prefix), *range(start, end)) for start, end, first, prefix in segments]
        joined["key_index"] = torch.tensor([index for span in spans for index in span])
    return joined


def bound(longest: int) -> int:
    """Return an upper bound of segments that stays the same for many batches."""
    return max(SHORTEST, 1 << (longest - 1).bit_length())


def _shifted(sheets: Sequence[_Sheet]) -> Iterator[tuple[int, int, int, int]]:
    offset = 0
    for sheet in sheets:
        for start, end, first, prefix in sheet.segments:
            yield start + offset, end + offset, first + offset, prefix
        offset += len(sheet.input_ids)


def visible(group: "torch.Tensor", part: "torch.Tensor") -> "torch.Tensor":
    """Return who sees whom: the prefix of one's group and one's own part, never later tokens; padding sees itself.

    Args:
        group: ``[R, S]``, -1 for padding.
        part: ``[R, S]``, 0 for the prefix of the group, else the number of the dialogue in it.

    Returns:
        Bool ``[R, 1, S, S]``, True where the query of the third axis may see the key of the fourth.
    """
    import torch

    length = part.shape[1]
    same = group[:, :, None] == group[:, None, :]
    own = (part[:, :, None] == part[:, None, :]) | (part[:, None, :] == 0)
    causal = torch.ones(length, length, dtype=torch.bool, device=part.device).tril()
    # A softmax over nothing is not a number: padding attends to the padding before it, and nobody else attends to it.
    return (causal & same & own)[:, None]


class MediaLoader:
    """Read and prepare the media of a batch: ``pixel_values`` and ``point_clouds``, in the order given.

    Args:
        processor: Prepares them.
        features: Cached features, read instead where there are some of a kind: ``image_features``,
            ``point_cloud_features``.
    """

    def __init__(self, processor: "LammProcessor", features: "FeatureCache | None" = None) -> None:
        self.processor = processor
        self.features = features

    def __call__(self, media: Sequence[Medium], variants: Sequence[int] = ()) -> dict[str, Any]:
        """Return the model's media inputs.

        Args:
            media: In order.
            variants: Which sampling of each, where it is a cloud; empty means the first of all.
        """
        draws: dict[str, list[tuple[str, int]]] = {}
        for (kind, path), variant in zip(media, variants or [0] * len(media), strict=True):
            draws.setdefault(kind, []).append((path, variant))
        loaded: dict[str, Any] = {}
        for kind, of_kind in draws.items():
            if self.features is not None and kind in self.features.signatures:
                loaded[f"{kind}_features"] = self.features.read(kind, *zip(*of_kind, strict=True))
            elif kind == "image":
                loaded |= self._images([path for path, _ in of_kind])
            else:
                import torch

                loaded["point_clouds"] = torch.cat([self._cloud(*draw) for draw in of_kind])
        return loaded

    def _images(self, paths: list[str]) -> dict[str, Any]:
        if self.processor.lays_out_images:
            loaded: dict[str, Any] = self.processor.load_images(paths)
            return loaded
        return {"pixel_values": self.processor.image_processor(paths)["pixel_values"]}

    def _cloud(self, path: str, variant: int) -> Any:
        return self.processor.feature_extractor([path], variant=variant)["point_clouds"]


class Collator:
    """Lay rows out and load their media.

    Args:
        pad_id: Fills short rows.
        load_media: Returns the media inputs of a batch.
        form: ``mask`` or ``segments``.
        length: Tokens every row is padded to, or 0.
        longest: Tokens of the longest dialogue of all, where even the bound of a batch should repeat; 0 for its own.
    """

    def __init__(
        self, pad_id: int, load_media: LoadMedia, form: str = "mask", length: int = 0, longest: int = 0
    ) -> None:
        self.pad_id = pad_id
        self.load_media = load_media
        self.form = form
        self.length = length
        self.longest = longest

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the model's inputs: tokens, layout, media, and the batch's ``facts``.

        Dialogues about a medium that cannot be read are left out, as if their rows had never had them.

        Raises:
            LammModelError: The media are not where cached features of them should be.
        """
        unreadable: list[tuple[str, str]] = []
        try:
            media = self._media_of(rows)
        except LammModelError:
            rows, unreadable = self._without_unreadable(rows)
            if not unreadable:
                raise
            media = self._media_of(rows)
        batch: dict[str, Any] = dict(lay_out(rows, self.pad_id, self.form, self.length))
        if self.longest and self.form == "segments":
            batch |= dict.fromkeys(("max_length_q", "max_length_k"), bound(self.longest))
        batch |= media
        batch["facts"] = BatchFacts.of(rows, unreadable)
        return batch

    def _media_of(self, rows: Sequence[Row]) -> dict[str, Any]:
        media = [medium for row in rows for medium in row.media]
        variants = [row.variant for row in rows for _ in row.media]
        return self.load_media(media, variants) if any(variants) else self.load_media(media)

    def _without_unreadable(self, rows: Sequence[Row]) -> tuple[list[Row], list[tuple[str, str]]]:
        """Return rows without the groups of media that cannot be read, and the ids and reasons of their dialogues."""
        reasons: dict[Medium, str] = {}
        if getattr(self.load_media, "features", None) is None:
            for medium, variant in dict.fromkeys((medium, row.variant) for row in rows for medium in row.media):
                try:
                    self.load_media([medium], [variant])
                except LammModelError as fault:
                    reasons[medium] = str(fault).rstrip(".")
        readable, left_out = [], []
        for row in rows:
            groups = []
            for group in row.groups:
                faults = [reasons[medium] for medium in group.media if medium in reasons]
                left_out += [(dialogue.id, faults[0]) for dialogue in group.dialogues if faults]
                groups += [] if faults else [group]
            readable.append(replace(row, groups=groups) if groups else blank_row(self.pad_id))
        return readable, left_out
