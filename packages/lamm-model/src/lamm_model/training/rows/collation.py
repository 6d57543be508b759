"""From rows to a batch: tokens laid out, media loaded. Runs in the data loader's workers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamm_model.training.rows.layout import bound, lay_out
from lamm_model.training.rows.packing import Medium, Row

if TYPE_CHECKING:
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.rows.feature_cache import FeatureCache

LoadMedia = Callable[..., dict[str, Any]]  # of media, and of the sampling of each where that is not the first


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


class RowDataset:
    """Rows by number, as the trainer's data loader wants them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


class MediaLoader:
    """Read and prepare the media of a batch: ``pixel_values`` and ``point_clouds``, in the order given.

    Args:
        processor: Prepares them.
        features: Cached features of the towers, read instead: ``image_features`` and ``point_cloud_features``.
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
        drawn = list(zip(media, variants or [0] * len(media), strict=True))
        images = [(path, variant) for (kind, path), variant in drawn if kind == "image"]
        clouds = [(path, variant) for (kind, path), variant in drawn if kind == "point_cloud"]
        if self.features is not None:
            pairs = {"image": images, "point_cloud": clouds}
            return {
                f"{kind}_features": self.features.read(kind, *zip(*d, strict=True)) for kind, d in pairs.items() if d
            }
        loaded: dict[str, Any] = {}
        if images:
            loaded["pixel_values"] = self.processor.image_processor([path for path, _ in images])["pixel_values"]
        if clouds:
            import torch

            loaded["point_clouds"] = torch.cat([self._cloud(*draw) for draw in clouds])
        return loaded

    def _cloud(self, path: str, variant: int) -> Any:
        return self.processor.feature_extractor([path], variant=variant)["point_clouds"]


class Collator:
    """Lay rows out and load their media.

    Args:
        pad_id: Fills short rows.
        load_media: Returns the media inputs of a batch.
        form: ``mask`` or ``segments``, see `lamm_model.training.rows.layout`.
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
        """Return the model's inputs: tokens, layout, media, and the batch's ``facts``."""
        batch: dict[str, Any] = dict(lay_out(rows, self.pad_id, self.form, self.length))
        if self.longest and self.form == "segments":
            batch |= dict.fromkeys(("max_length_q", "max_length_k"), bound(self.longest))
        media = [medium for row in rows for medium in row.media]
        variants = [row.variant for row in rows for _ in row.media]
        batch |= self.load_media(media, variants) if any(variants) else self.load_media(media)
        dialogues = [dialogue for row in rows for dialogue in row.dialogues]
        batch["facts"] = BatchFacts(
            ids=tuple(dialogue.id for dialogue in dialogues),
            tokens=sum(row.tokens for row in rows),
            alone=sum(len(dialogue.input_ids) for dialogue in dialogues),
            kinds=frozenset(kind for dialogue in dialogues for kind in dialogue.modality_ids),
        )
        return batch
