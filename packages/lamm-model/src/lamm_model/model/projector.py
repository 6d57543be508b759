"""The projector: from a tower's feature space into the language model's embedding space, in the placeholders' place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PretrainedConfig

from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.configuration_lamm import LammConfig


class LammProjector(nn.Module):
    """Maps tower features `[n, T, C]` into the language model's embedding space `[n, T, D]`.

    One linear layer per modality as in LAMM (arXiv 2306.06687, section 5.1), or two with GELU between (`mlp`).
    """

    def __init__(self, in_features: int, out_features: int, kind: str, norm: bool) -> None:
        super().__init__()
        self.norm = norm
        self.linear = nn.Linear(in_features, out_features)
        self.second = nn.Linear(out_features, out_features) if kind == "mlp" else None

    def forward(self, features: Tensor) -> Tensor:
        """Project `[n, T, C]` to `[n, T, D]`."""
        x: Tensor = features.to(self.linear.weight.dtype)
        if self.norm:
            x = F.layer_norm(x, x.shape[-1:])
        x = self.linear(x)
        if self.second is not None:
            x = self.second(F.gelu(x))
        return x

    def pass_on(self) -> None:
        """Be the identity, for good: for features that are the language model's embeddings already.

        Raises:
            UsageError: They are those of another language model, or the projector cannot be one.
        """
        if self.linear.in_features != self.linear.out_features or self.norm or self.second is not None:
            raise UsageError(
                f"Expected an image reader made for this language model ({self.linear.out_features} channels), a "
                f"linear projector and no image_feature_norm, got {self.linear.in_features} channels. "
                "Run `lamm model pretrain-reader` for it."
            )
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.requires_grad_(False)


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
    from transformers import AutoTokenizer

    from lamm_model.model.saving import pretrained

    tokenizer = pretrained(AutoTokenizer, language_model)
    columns = projector.linear.weight[:, -len(words) :].T
    for column, word in zip(columns, words, strict=True):
        ids = torch.tensor(tokenizer(word, add_special_tokens=False).input_ids)
        column.copy_(embed(ids.to(embed.weight.device)).mean(dim=0))


def joined(features: Sequence[Tensor]) -> Tensor:
    """Join the features of media, `[T, C]` each: `[n, T, C]`, or `[1, T, C]` where some say less than others."""
    alike = len({len(tokens) for tokens in features}) == 1
    return torch.stack(list(features)) if alike else torch.cat(list(features))[None]


def fill_placeholders(
    embeds: Tensor, mask: Tensor, features: Tensor | None, projector: nn.Module | None, name: str
) -> Tensor:
    """Overwrite the placeholders' rows with projected features, in order.

    Args:
        embeds: `[B, S, D]`.
        mask: `[B, S]`, true at placeholders.
        features: `[n, T, C]`, or None where there are no media.
        projector: Maps `C` to `D`.
        name: What messages call the media.

    Returns:
        `[B, S, D]`.

    Raises:
        LammModelError: Placeholders and features differ in number.
    """
    expected = int(mask.sum())
    count = 0 if features is None else features.shape[0] * features.shape[1]
    if not count and not expected:
        return embeds
    if count != expected or projector is None or features is None:
        raise LammModelError(
            f"Expected {expected} {name} features for the {expected} {name} placeholders in input_ids, got {count}"
            f"{'' if projector is not None else ' and no projector for them'}. Pass one medium per placeholder span."
        )
    projected = projector(features).to(embeds.dtype)
    return embeds.masked_scatter(mask.unsqueeze(-1), projected)


def tower_features(tower: nn.Module, pixel_values: Tensor, layer: int | None) -> Tensor:
    """Run a vision tower.

    Args:
        tower: A vision model with `last_hidden_state`, which is also taken where a layer is chosen but the tower has no
            `hidden_states` (a convolutional one).
        pixel_values: `[n, 3, H, W]`, normalised as the tower expects.
        layer: As `LammConfig.image_feature_layer`.

    Returns:
        `[n, T, C]`, class and register tokens first.
    """
    config: Any = tower.config
    inputs = {"pixel_values": pixel_values}
    if config.model_type == "siglip2_vision_model":  # reads rows of flattened patches, and their grid
        inputs = _flat_patches(pixel_values, int(config.patch_size))
    outputs = tower(**inputs, **({} if layer is None else {"output_hidden_states": True}))
    states = None if layer is None else outputs.hidden_states
    features: Tensor = outputs.last_hidden_state if states is None else states[layer]
    # A convolutional tower gives [n, C, h, w].
    return features.flatten(2).transpose(1, 2) if features.ndim == 4 else features


def _flat_patches(pixel_values: Tensor, patch: int) -> dict[str, Tensor]:
    count, channels, height, width = pixel_values.shape
    rows, columns = height // patch, width // patch
    cut = pixel_values[:, :, : rows * patch, : columns * patch].reshape(count, channels, rows, patch, columns, patch)
    flat = cut.permute(0, 2, 4, 3, 5, 1).reshape(count, rows * columns, patch * patch * channels)
    return {
        "pixel_values": flat,
        "pixel_attention_mask": flat.new_ones(flat.shape[:2], dtype=torch.long),
        "spatial_shapes": torch.tensor([[rows, columns]] * count, device=flat.device),
    }


def encode_images(tower: nn.Module, pixel_values: Tensor, config: LammConfig) -> Tensor:
    """Run a vision tower and select the features that go to the projector.

    LAMM takes the output of CLIP ViT-L/14's last block before the final norm and drops the class token
    (arXiv 2306.06687, section 5.1): `image_feature_layer=-1`, `image_feature_select="patch"`.

    Args:
        tower: As for `tower_features`.
        pixel_values: `[n, 3, H, W]`, normalised as the tower expects.
        config: Which layer and tokens to take.

    Returns:
        Features `[n, T, C]` with `T = config.image_tokens`.

    Raises:
        LammModelError: The tower's number of tokens is not the configured one.
    """
    features = tower_features(tower, pixel_values, config.image_feature_layer)
    surplus = features.shape[1] - config.image_tokens
    if surplus < 0 or (surplus > 0 and config.image_feature_select == "full"):
        raise LammModelError(
            f"Expected {config.image_tokens} tokens per image from the {config.image_config.model_type} tower, "
            f"got {features.shape[1]}. Check image_size and image_feature_select in the configuration."
        )
    return features[:, surplus:]
