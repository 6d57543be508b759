"""New projectors, and what they know before they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, PretrainedConfig

from lamm_model.model.configuration_lamm import LammConfig
from lamm_model.model.projector import LammProjector
from lamm_model.model.saving import pretrained


def new_projector(
    config: LammConfig, in_features: int, width: int, norm: bool, rms: float, generator: torch.Generator
) -> LammProjector:
    """Make a projector whose outputs start at the scale of the token embeddings, for unit-variance features.

    Args:
        config: Projector type and widths.
        in_features: Channels of the tower.
        width: Of the token embeddings.
        norm: Standardise features first.
        rms: Root mean square of the token embeddings' entries.
        generator: Source of the weights.

    Returns:
        The projector, float32.
    """
    projector = LammProjector(in_features, width, config.projector_type, norm)
    for layer in (projector.linear, projector.second):
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=rms / layer.in_features**0.5, generator=generator)
            nn.init.zeros_(layer.bias)
    return projector


@torch.no_grad()
def say_channels(projector: LammProjector, config: PretrainedConfig, language_model: str | Path, embed: Any) -> None:
    """Let channels of a tower that have a word for what they mean start as the embeddings of these words.

    Args:
        projector: From the tower's channels. One of two layers, or of standardised features, stays as it is.
        config: The tower's; its `channel_words` are those of the last channels, with the space before them.
        language_model: Folder or hub name, for the tokenizer.
        embed: From token ids to embeddings.
    """
    words = getattr(config, "channel_words", ())
    if not words or projector.norm or projector.second is not None:
        return
    tokenizer = pretrained(AutoTokenizer, language_model)
    columns = projector.linear.weight[:, -len(words) :].T
    for column, word in zip(columns, words, strict=True):
        ids = torch.tensor(tokenizer(word, add_special_tokens=False).input_ids)
        column.copy_(embed(ids.to(embed.weight.device)).mean(dim=0))
