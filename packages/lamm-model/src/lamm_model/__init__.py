"""A multimodal language model for images and point clouds: model, training, prediction, kernels.

Importing this package is cheap; the names below load torch and transformers when they are first used, and register
the model with transformers' Auto classes.
"""

from __future__ import annotations

import importlib
from typing import Any

_API = {
    "LammConfig": "configuration_lamm",
    "LammModel": "modeling_lamm",
    "LammForConditionalGeneration": "modeling_lamm",
    "LammProcessor": "processing_lamm",
    "LammImageProcessor": "image_processing_lamm",
    "LammPointCloudProcessor": "point_cloud_processing",
    "LammPointCloudConfig": "encoders.configuration_point_cloud",
    "LammPointCloudModel": "encoders.point_cloud",
    "EfficientNetLiteConfig": "encoders.configuration_efficientnet_lite",
    "EfficientNetLiteModel": "encoders.efficientnet_lite",
    "AdapterSettings": "adapters",
    "add_adapters": "adapters",
    "build_model": "building",
    "build_processor": "building",
    "embedded_parts": "embedded",
    "load_model": "checkpoints.delta",
    "save_model": "checkpoints.delta",
    "build_pair": "building",
}

__all__ = sorted(_API)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("lamm_model.auto").register()
    return getattr(importlib.import_module(f"lamm_model.{_API[name]}"), name)


def __dir__() -> list[str]:
    return __all__
