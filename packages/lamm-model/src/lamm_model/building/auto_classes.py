"""Make transformers' Auto classes know the LAMM model and its processors (its towers say so themselves).

Importing this package is cheap, and yet `AutoModel...from_pretrained` works after it: `watch` gives transformers
stand-ins, which load and register the classes when a LAMM folder is opened.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_openers: list[Callable[..., Any]] = []


def _configuration(kind: str, module: str, name: str) -> type:
    """Make what stands in for a configuration class in transformers' table until such a folder is opened."""

    def from_dict(*args: Any, **kwargs: Any) -> Any:
        register()
        return getattr(importlib.import_module(module), name).from_dict(*args, **kwargs)

    return type("_Configuration", (), {"model_type": kind, "from_dict": staticmethod(from_dict)})


def _processor(module: str, name: str) -> type:
    """Make what stands in for a processor, which transformers looks for by its name."""

    def from_pretrained(*args: Any, **kwargs: Any) -> Any:
        register()
        return getattr(importlib.import_module(module), name).from_pretrained(*args, **kwargs)

    return type(name, (), {"from_pretrained": staticmethod(from_pretrained)})


_MODEL, _PROCESSING = "lamm_model.model", "lamm_model.processing"
_STAND_INS = [
    (
        _configuration("lamm", f"{_MODEL}.configuration_lamm", "LammConfig"),
        _processor(f"{_PROCESSING}.processing_lamm", "LammProcessor"),
    ),
    (
        _configuration("lamm_vlm", f"{_MODEL}.configuration_lamm_vlm", "LammVlmConfig"),
        _processor(f"{_PROCESSING}.processing_lamm_vlm", "LammVlmProcessor"),
    ),
]


def _add_configurations(module: Any) -> None:
    for configuration, _ in _STAND_INS:
        module.AutoConfig.register(configuration.model_type, configuration, exist_ok=True)  # type: ignore[attr-defined]


def _add_processors(module: Any) -> None:
    for configuration, processor in _STAND_INS:
        module.AutoProcessor.register(configuration, processor, exist_ok=True)


_TABLES: dict[str, Callable[[Any], None]] = {
    "transformers.models.auto.configuration_auto": _add_configurations,
    "transformers.models.auto.processing_auto": _add_processors,
}


class _Watcher(importlib.abc.MetaPathFinder):
    """Finds transformers' tables as anybody would, and adds the stand-ins when one has been loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name in _TABLES else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _TABLES[name](module)
                if _TABLES.keys() <= sys.modules.keys():  # nothing is left to watch for
                    sys.meta_path.remove(self)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def watch(open_checkpoint: Callable[..., Any]) -> None:
    """Let transformers know of this package, whether it is loaded already or will be.

    Args:
        open_checkpoint: Loads a checkpoint folder with the options of `from_pretrained`.
    """
    _openers.append(open_checkpoint)
    if not _TABLES.keys() <= sys.modules.keys():
        sys.meta_path.insert(0, _Watcher())
    for name, add in _TABLES.items():
        if (module := sys.modules.get(name)) is not None:
            add(module)


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
    from lamm_model.model.configuration_lamm_vlm import LammVlmConfig
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration, LammModel
    from lamm_model.model.modeling_lamm_vlm import LammVlmForConditionalGeneration
    from lamm_model.model.saving import LammSaving
    from lamm_model.processing.image_processing_lamm import LammImageProcessor
    from lamm_model.processing.point_cloud_processing import LammPointCloudProcessor
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.processing.processing_lamm_vlm import LammVlmProcessor
    from lamm_model.towers.configuration_efficientnet_lite import EfficientNetLiteConfig
    from lamm_model.towers.configuration_image_reader import ImageReaderConfig
    from lamm_model.towers.configuration_objects import ObjectTowerConfig
    from lamm_model.towers.configuration_point_bert import PointBertConfig
    from lamm_model.towers.configuration_point_cloud import LammPointCloudConfig
    from lamm_model.towers.configuration_point_transformer import PointTransformerV3Config

    LammSaving.open_checkpoint = staticmethod(_openers[-1]) if _openers else None
    for config in (LammConfig, LammVlmConfig):
        AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModel.register(LammConfig, LammModel, exist_ok=True)
    for auto in (AutoModelForImageTextToText, AutoModelForMultimodalLM):
        auto.register(LammConfig, LammForConditionalGeneration, exist_ok=True)
        auto.register(LammVlmConfig, LammVlmForConditionalGeneration, exist_ok=True)
    for config in (LammConfig, EfficientNetLiteConfig, ImageReaderConfig):
        AutoImageProcessor.register(config, slow_image_processor_class=LammImageProcessor, exist_ok=True)
    for config in (LammConfig, LammPointCloudConfig, ObjectTowerConfig, PointBertConfig, PointTransformerV3Config):
        AutoFeatureExtractor.register(config, LammPointCloudProcessor, exist_ok=True)
    AutoProcessor.register(LammConfig, LammProcessor, exist_ok=True)
    AutoProcessor.register(LammVlmConfig, LammVlmProcessor, exist_ok=True)
