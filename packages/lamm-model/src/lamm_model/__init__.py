"""A multimodal language model for images and point clouds: model, training, prediction, kernels.

Importing this package is cheap; the names below load torch and transformers when they are first used, and register
the model with transformers' Auto classes.
"""

from __future__ import annotations

import importlib
from typing import Any

_API = {
    "LammConfig": "model.configuration_lamm",
    "LammModel": "model.modeling_lamm",
    "LammForConditionalGeneration": "model.modeling_lamm",
    "LammProcessor": "processing.processing_lamm",
    "LammImageProcessor": "processing.image_processing_lamm",
    "LammPointCloudProcessor": "processing.point_cloud_processing",
    "LammPointCloudConfig": "towers.configuration_point_cloud",
    "LammPointCloudModel": "towers.point_cloud",
    "EfficientNetLiteConfig": "towers.configuration_efficientnet_lite",
    "EfficientNetLiteModel": "towers.efficientnet_lite",
    "AdapterSettings": "model.adapters",
    "add_adapters": "model.adapters",
    "build_model": "building.building",
    "build_processor": "building.building",
    "embedded_parts": "building.embedded_models",
    "load_model": "checkpoints.checkpoint",
    "save_model": "checkpoints.checkpoint",
    "build_pair": "building.building",
    "finetune": "training.run.finetune",
    "load_settings": "training.settings.settings",
    "encode_images": "model.projector",
}

__all__ = sorted(_API)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("lamm_model.building.auto_classes").register()
    return getattr(importlib.import_module(f"lamm_model.{_API[name]}"), name)


def __dir__() -> list[str]:
    return __all__
