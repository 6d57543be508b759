"""Make transformers' Auto classes know the LAMM model and its processors (its towers say so themselves)."""

from __future__ import annotations

import functools


@functools.cache
def register() -> None:
    """Register every class once; safe to call again."""
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoModel,
        AutoModelForImageTextToText,
        AutoModelForMultimodalLM,
        AutoProcessor,
    )

    # By its own path: older releases hide the name `transformers.AutoImageProcessor` where torchvision is missing.
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    from lamm_model.model.configuration_lamm import LammConfig
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration, LammModel
    from lamm_model.processing.image_processing_lamm import LammImageProcessor
    from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.towers.configuration_efficientnet_lite import EfficientNetLiteConfig
    from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig

    AutoConfig.register(LammConfig.model_type, LammConfig, exist_ok=True)
    AutoModel.register(LammConfig, LammModel, exist_ok=True)
    for auto in (AutoModelForImageTextToText, AutoModelForMultimodalLM):
        auto.register(LammConfig, LammForConditionalGeneration, exist_ok=True)
    for config in (LammConfig, EfficientNetLiteConfig):
        AutoImageProcessor.register(config, slow_image_processor_class=LammImageProcessor, exist_ok=True)
    for config in (LammConfig, LammPointCloudConfig):
        AutoFeatureExtractor.register(config, LammPointCloudProcessor, exist_ok=True)
    AutoProcessor.register(LammConfig, LammProcessor, exist_ok=True)
