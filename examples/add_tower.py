"""Add a vision tower: a transformers model of an architecture of your own, registered with AutoModel.

Run: python examples/add_tower.py [FOLDER]
Whatever AutoModel reads needs none of this: name its folder or hub name as `image_tower`.
"""

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from lamm_model import LammConfig, LammImageProcessor, encode_images


class PatchConfig(PretrainedConfig):
    """Sizes of the tower."""

    model_type = "patch_tower"

    def __init__(self, hidden_size: int = 32, image_size: int = 32, patch_size: int = 8, **other: object) -> None:
        self.hidden_size, self.image_size, self.patch_size = hidden_size, image_size, patch_size
        super().__init__(**other)


class PatchTower(PreTrainedModel):
    """One linear layer a patch: [n, 3, height, width] to [n, patches, hidden_size]."""

    config_class = PatchConfig
    main_input_name = "pixel_values"

    def __init__(self, config: PatchConfig) -> None:
        super().__init__(config)
        self.patches = nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size)
        self.post_init()

    def forward(self, pixel_values: Tensor, output_hidden_states: bool = False, **_: object) -> BaseModelOutput:
        """Return the features of images, [n, patches, hidden_size]."""
        features = self.patches(pixel_values).flatten(2).transpose(1, 2)
        return BaseModelOutput(last_hidden_state=features, hidden_states=(features,) if output_hidden_states else None)


AutoConfig.register("patch_tower", PatchConfig)
AutoModel.register(PatchConfig, PatchTower)


def main(folder: Path) -> None:
    """Save a tower with its image processor, and encode an image as the model does."""
    tower = PatchTower(PatchConfig())
    tower.save_pretrained(folder)
    LammImageProcessor(size=32).save_pretrained(folder)
    config = LammConfig(image_config=tower.config, image_feature_select="full", image_feature_layer=-1)
    print(config.image_tokens, encode_images(tower, torch.zeros(1, 3, 32, 32), config).shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
