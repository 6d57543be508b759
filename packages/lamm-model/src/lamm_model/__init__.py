"""A multimodal language model for images and point clouds: model, training, prediction, kernels.

Importing this package is cheap: the names below load torch and transformers when they are first used. The Auto classes
of transformers know the model from the import on.
"""

from __future__ import annotations

import importlib
from typing import Any

from lamm_model.building.auto_classes import register, watch

_HOMES = {
    "building.building": "build_model build_pair build_processor",
    "building.building_vlm": "build_on_vlm",
    "building.embedded_models": "embedded_parts",
    "checkpoints.checkpoint": "load_model save_model",
    "checkpoints.push": "push_model",
    "model.adapter_layers": "AdapterSettings",
    "model.adapters": "add_adapters",
    "model.configuration_lamm": "LammConfig",
    "model.configuration_lamm_vlm": "LammVlmConfig",
    "model.hub": "CardFacts",
    "model.modeling_lamm": "LammForConditionalGeneration LammModel",
    "model.modeling_lamm_vlm": "LammVlmForConditionalGeneration",
    "model.projector": "encode_images",
    "processing.chat_collator": "ChatCollator",
    "processing.image_processing_lamm": "LammImageProcessor",
    "processing.point_cloud_processing": "LammPointCloudProcessor",
    "processing.processing_lamm": "LammProcessor",
    "processing.processing_lamm_vlm": "LammVlmProcessor",
    "towers.configuration_efficientnet_lite": "EfficientNetLiteConfig",
    "towers.configuration_image_reader": "ImageReaderConfig",
    "towers.configuration_objects": "ObjectTowerConfig",
    "towers.configuration_point_bert": "PointBertConfig",
    "towers.configuration_point_transformer": "PointTransformerV3Config",
    "towers.configuration_point_cloud": "LammPointCloudConfig",
    "towers.efficientnet_lite": "EfficientNetLiteModel",
    "towers.image_reader": "ImageReaderModel",
    "towers.objects": "ObjectTower",
    "towers.point_bert": "PointBertModel",
    "towers.point_cloud": "LammPointCloudModel",
    "towers.point_transformer": "PointTransformerV3Model",
    "training.run.finetune": "finetune",
    "training.settings.settings": "load_settings",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    register()
    return getattr(importlib.import_module(f"lamm_model.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__


def _open_checkpoint(*args: Any, **kwargs: Any) -> Any:
    return importlib.import_module("lamm_model.checkpoints.checkpoint").open_checkpoint(*args, **kwargs)


watch(_open_checkpoint)
