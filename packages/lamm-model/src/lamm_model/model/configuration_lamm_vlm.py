"""Configuration of a model that sees already and gets point clouds on top."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from lamm_model.model.configuration_lamm import HINT, as_config, check_choices, context_length, write_hint
from lamm_model.towers.configuration_point_cloud import cloud_preset

_AUTO_MAP = {
    "AutoConfig": "LammVlmConfig",
    "AutoModelForImageTextToText": "LammVlmForConditionalGeneration",
    "AutoModelForMultimodalLM": "LammVlmForConditionalGeneration",
    "AutoProcessor": "LammVlmProcessor",
}


class LammVlmConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `LammVlmForConditionalGeneration`.

    Attributes:
        base_config: Configuration of any `AutoModelForImageTextToText`.
        point_cloud_config: Of the point-cloud tower.
        point_cloud_token_id: Id of the placeholder that stands for one cloud feature in `input_ids`. The base model's
            embedding table has no row for it, or one that is never read.
        point_cloud_feature_norm: Standardise each cloud feature vector before projecting.
        projector_type: `linear` or `mlp` (two layers with GELU).
        freeze_point_cloud_tower: Keep the tower in evaluation mode and without gradients.
        adapters: As `LammConfig.adapters`: `point_cloud`, and `image` where images are trained too.
        part_dtypes: Types of saved parts that are not the model's own, by patterns of names.
    """

    model_type = "lamm_vlm"
    sub_configs: ClassVar[dict[str, Any]] = {"base_config": AutoConfig, "point_cloud_config": AutoConfig}

    base_config: Any = None
    point_cloud_config: Any = None
    point_cloud_token_id: int = 0
    point_cloud_feature_norm: bool = False
    projector_type: str = "linear"
    freeze_point_cloud_tower: bool = True
    adapters: dict[str, Any] | None = None
    part_dtypes: dict[str, str] | None = None
    tie_word_embeddings: bool = False
    freeze_image_tower: ClassVar[bool] = True  # it is the base model's, and stays as it is

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the sub-configurations and check the choices."""
        self.base_config = as_config(self.base_config) or AutoConfig.for_model("llava")
        self.point_cloud_config = as_config(self.point_cloud_config) or cloud_preset("tiny")
        super().__post_init__(**kwargs)
        self.auto_map = {auto: f"{HINT.stem}.{name}" for auto, name in _AUTO_MAP.items()}
        check_choices(self)

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save as any configuration, and beside it a file that imports this package, as `LammConfig` does."""
        super().save_pretrained(save_directory, *args, **kwargs)
        write_hint(save_directory)

    @property
    def text_config(self) -> Any:
        """Configuration of the base model's language model."""
        return self.base_config.get_text_config()

    @property
    def image_config(self) -> Any:
        """Configuration of the base model's vision tower."""
        return getattr(self.base_config, "vision_config", None)

    @property
    def image_token_id(self) -> int:
        """Id of the base model's image placeholder; -1 where it has none."""
        found = getattr(self.base_config, "image_token_id", None)
        return -1 if found is None else int(found)

    @property
    def routed_image_token_id(self) -> int:
        """Id of the placeholder whose tokens an adapter set of images serves; -1 without such a set."""
        return self.image_token_id if "image" in (self.adapters or {}).get("modalities", ()) else -1

    @property
    def context_length(self) -> int:
        """Most tokens of the language model."""
        return context_length(self.text_config)

    @property
    def point_cloud_tokens(self) -> int:
        """Features (and so placeholders) per point cloud."""
        return int(self.point_cloud_config.num_tokens)

    @property
    def silent_media(self) -> dict[str, tuple[int, int]]:
        """None: the base model lays prompts out, and all tokens take their place."""
        return {}
