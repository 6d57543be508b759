"""The image encoder: any vision tower of transformers, with a chosen layer and token selection."""

from __future__ import annotations

from torch import Tensor, nn

from lamm_model.errors import LammModelError
from lamm_model.model.configuration_lamm import LammConfig


def encode_images(tower: nn.Module, pixel_values: Tensor, config: LammConfig) -> Tensor:
    """Run a vision tower and select the features that go to the projector.

    LAMM takes the output of CLIP ViT-L/14's last block before the final norm and drops the class token
    (arXiv 2306.06687, section 5.1): `image_feature_layer=-1`, `image_feature_select="patch"`.

    Args:
        tower: A vision model with `last_hidden_state`, which is also taken where a layer is chosen but the tower has no
            `hidden_states` (a convolutional one).
        pixel_values: `[n, 3, H, W]`, normalised as the tower expects.
        config: Which layer and tokens to take.

    Returns:
        Features `[n, T, C]` with `T = config.image_tokens`.

    Raises:
        LammModelError: The tower's number of tokens is not the configured one.
    """
    layer = config.image_feature_layer
    outputs = tower(pixel_values, **({} if layer is None else {"output_hidden_states": True}))
    states = None if layer is None else outputs.hidden_states
    features: Tensor = outputs.last_hidden_state if states is None else states[layer]
    if features.ndim == 4:  # a convolutional tower: [n, C, h, w]
        features = features.flatten(2).transpose(1, 2)
    surplus = features.shape[1] - config.image_tokens
    if surplus < 0 or (surplus > 0 and config.image_feature_select == "full"):
        raise LammModelError(
            f"Expected {config.image_tokens} tokens per image from the {config.image_config.model_type} tower, "
            f"got {features.shape[1]}. Check image_size and image_feature_select in the configuration."
        )
    return features[:, surplus:]
