"""Configuration of the LAMM model: three sub-configurations and how they are joined."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

import lamm_model.towers  # noqa: F401  (registers their configurations)
from lamm_model.errors import UsageError

PROJECTOR_TYPES = ("linear", "mlp")
FEATURE_SELECTIONS = ("patch", "full")
HINT = Path("import_lamm_model.py")
_AUTO_MAP = {
    "AutoConfig": "LammConfig",
    "AutoModel": "LammModel",
    "AutoModelForImageTextToText": "LammForConditionalGeneration",
    "AutoModelForMultimodalLM": "LammForConditionalGeneration",
    "AutoProcessor": "LammProcessor",
}


HINT_TEXT = """# This model needs a package: pip install lamm-model, and `import lamm_model` before it is loaded.
from lamm_model import LammConfig, LammForConditionalGeneration, LammModel, LammProcessor
from lamm_model import LammVlmConfig, LammVlmForConditionalGeneration, LammVlmProcessor
"""


def write_hint(folder: str | os.PathLike[str]) -> None:
    """Write a file that imports what the `auto_map` of configurations and processors names.

    Whoever loads the folder without `import lamm_model` is asked by transformers to trust its code: that code is these
    imports, and transformers names the package to install where it is missing.
    """
    (Path(folder) / HINT).write_text(HINT_TEXT, encoding="utf-8")


def as_config(value: Any) -> PretrainedConfig | None:
    """Turn a mapping with `model_type` into its configuration class; leave configurations and None alone."""
    if value is None or isinstance(value, PretrainedConfig):
        return value
    settings = dict(value)
    return AutoConfig.for_model(settings.pop("model_type", ""), **settings)


class LammConfig(PretrainedConfig):  # type: ignore[misc]
    """Configuration of `LammForConditionalGeneration`.

    The model is the one of LAMM (arXiv 2306.06687, section 5): a frozen encoder per modality, one trainable projector
    per modality into the language model's embedding space, and a causal language model.

    Attributes:
        text_config: Configuration of any `AutoModelForCausalLM` (or its dictionary with `model_type`).
        image_config: Configuration of any `AutoModel` vision tower, or None for a model without images.
        point_cloud_config: Configuration of a point-cloud tower (`LammPointCloudConfig`, `PointBertConfig`, ...), or
            None for a model without point clouds.
        image_token_id: Id of the placeholder that stands for one image feature in `input_ids`. It may lie outside the
            language model's vocabulary: its embedding is always overwritten.
        point_cloud_token_id: The same for point clouds.
        image_feature_layer: Index into the tower's hidden states (`-1`: output of the last block, before the final
            norm, as LAMM takes from CLIP; `-2`: as LLaVA does), or None for `last_hidden_state`.
        image_feature_select: `patch` drops class and register tokens, `full` keeps every token.
        image_feature_norm: Standardise each image feature vector (mean 0, variance 1, no parameters) before projecting.
        point_cloud_feature_norm: The same for point-cloud features.
        projector_type: `linear` (LAMM) or `mlp` (two layers with GELU).
        image_token_count: Features per image, counted where the model was built; None counts them by the tower's
            configuration, as `image_patches` does.
        image_width: Channels of one image feature, likewise; None takes the tower's `hidden_size`.
        lm_head_bias: Whether the language model's head adds a bias.
        freeze_image_tower: Keep the image tower in evaluation mode and without gradients.
        freeze_point_cloud_tower: The same for the point-cloud tower.
        adapters: Fields of `AdapterSettings` of the adapter sets in the language model, or None for none.
        part_dtypes: Types of saved parts that are not the model's own, by patterns of names.
    """

    model_type = "lamm"
    sub_configs: ClassVar[dict[str, Any]] = {
        "image_config": AutoConfig,
        "point_cloud_config": AutoConfig,
        "text_config": AutoConfig,
    }

    text_config: Any = None
    image_config: Any = None
    point_cloud_config: Any = None
    image_token_id: int = 0
    point_cloud_token_id: int = 1
    image_feature_layer: int | None = -1
    image_feature_select: str = "patch"
    image_feature_norm: bool = False
    point_cloud_feature_norm: bool = False
    projector_type: str = "linear"
    image_token_count: int | None = None
    image_width: int | None = None
    lm_head_bias: bool = False
    freeze_image_tower: bool = True
    freeze_point_cloud_tower: bool = True
    adapters: dict[str, Any] | None = None
    part_dtypes: dict[str, str] | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the sub-configurations and check the choices."""
        self.text_config = as_config(self.text_config) or AutoConfig.for_model("llama")
        self.image_config = as_config(self.image_config)
        self.point_cloud_config = as_config(self.point_cloud_config)
        if getattr(self.text_config, "tie_word_embeddings", False):
            self.tie_word_embeddings = True
        super().__post_init__(**kwargs)
        self.auto_map = {auto: f"{HINT.stem}.{name}" for auto, name in _AUTO_MAP.items()}
        _check_choice("image_feature_select", self.image_feature_select, FEATURE_SELECTIONS)
        check_choices(self)

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save as any configuration, and beside it a file that imports this package."""
        super().save_pretrained(save_directory, *args, **kwargs)
        write_hint(save_directory)

    @property
    def context_length(self) -> int:
        """Most tokens of the language model; a million where its configuration names no limit."""
        return context_length(self.text_config)

    @property
    def image_feature_size(self) -> int:
        """Channels of one image feature, before the projector."""
        return int(self.image_width or self.image_config.hidden_size)

    @property
    def image_tokens(self) -> int:
        """Features (and so placeholders) per image; 0 without an image tower."""
        config = self.image_config
        if config is None:
            return 0
        if self.image_token_count is not None:
            return self.image_token_count
        patches = image_patches(config)
        return patches if self.image_feature_select == "patch" else patches + prefix_tokens(config)

    @property
    def point_cloud_tokens(self) -> int:
        """Features (and so placeholders) per point cloud; 0 without a point-cloud tower."""
        return self.point_cloud_config.num_tokens if self.point_cloud_config is not None else 0

    @property
    def silent_media(self) -> dict[str, tuple[int, int]]:
        """Kinds of media of which some tokens say nothing: the placeholder, and how many of them stand for one."""
        kinds = {
            "image": (self.image_config, self.image_token_id, self.image_tokens),
            "point_cloud": (self.point_cloud_config, self.point_cloud_token_id, self.point_cloud_tokens),
        }
        return {
            kind: (token, count)
            for kind, (tower, token, count) in kinds.items()
            if getattr(tower, "silent_tokens", False)
        }


def context_length(text_config: Any) -> int:
    """Return the most tokens of a language model; a million where its configuration names no limit."""
    return int(getattr(text_config, "max_position_embeddings", None) or 1 << 20)


def check_choices(config: Any) -> None:
    """Refuse a projector of an unknown type, and one placeholder for both kinds of media.

    Raises:
        UsageError: Either is so.
    """
    _check_choice("projector_type", config.projector_type, PROJECTOR_TYPES)
    if config.image_token_id == config.point_cloud_token_id:
        raise UsageError(
            f"Expected two different placeholder ids, got {config.image_token_id} for images and point clouds. "
            "Set image_token_id and point_cloud_token_id apart."
        )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(
            f"Expected {name} to be one of {', '.join(choices)}, got {value!r}. Correct the configuration."
        )


def image_patches(config: Any) -> int:
    """Count the patch tokens that a vision tower makes of one image, by `image_size` and `patch_size` in pixels.

    Raises:
        UsageError: The configuration does not state both.
    """
    size, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if size is None or patch is None:
        raise UsageError(
            f"Expected image_size and patch_size in the {config.model_type} configuration, got {size} and {patch}. "
            "Use a vision tower with a fixed patch grid."
        )
    height, width = (size, size) if isinstance(size, int) else size
    patch_height, patch_width = (patch, patch) if isinstance(patch, int) else patch
    return (height // patch_height) * (width // patch_width)


_TOWERS_WITH_CLASS_TOKEN = ("clip", "dinov2", "vit", "deit", "beit", "eva", "metaclip", "ijepa_cls")


def prefix_tokens(config: Any) -> int:
    """Count a tower's tokens before the patches: class token and registers (SigLIP has none, CLIP and ViT one)."""
    registers = getattr(config, "num_register_tokens", 0) or 0
    has_class = config.model_type.startswith(_TOWERS_WITH_CLASS_TOKEN) or registers > 0
    return registers + (1 if has_class else 0)
