"""Rows of chat messages to training batches, for trainers that are not ours (transformers' `Trainer`, TRL's)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lamm_model.model.answer_loss import IGNORED
from lamm_model.processing.processing_lamm import LammProcessor


class ChatCollator:
    """Tokenise, load media and mask the loss, batch by batch; only answers are learnt.

    Args:
        processor: The model's.
        max_length: Longest row; text is cut at its end, media never. None for no limit.
    """

    def __init__(self, processor: LammProcessor, max_length: int | None = None) -> None:
        self.processor = processor
        self.max_length = max_length

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return the model's inputs and labels.

        Args:
            rows: Each with `messages` (or `prompt` and `completion`) as `apply_chat_template` takes them; `images` and
                `point_clouds` for blocks that name none.
        """
        conversations = [row.get("messages") or [*row["prompt"], *row["completion"]] for row in rows]
        media: dict[str, Any] = {
            kind: [one for row in rows for one in (row.get(kind) or [])]
            for kind in ("images", "point_clouds")
            if any(row.get(kind) for row in rows)
        }
        batch = self.processor.apply_chat_template(
            conversations,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
            padding_side="right",
            truncation=self.max_length is not None,
            max_length=self.max_length,
            **media,
        )
        learnt = batch.pop("assistant_masks").bool()
        return {**batch, "labels": batch["input_ids"].masked_fill(~learnt, IGNORED)}
