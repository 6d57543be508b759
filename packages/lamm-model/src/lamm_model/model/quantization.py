"""Load the language model in 4 or 8 bits with bitsandbytes (extra `quantize`); all else stays as it is."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import nn

from lamm_model.errors import LammModelError, UsageError

KINDS = ("none", "8bit", "4bit")
# Patterns of whole names. Read by the first layers or trained: never quantised.
SKIPPED = ["lm_head", r".*_(tower|projector)\..*", r".*\.lora_[AB]\..*"]


def quantization_config(kind: str, dtype: torch.dtype) -> Any:
    """Return transformers' configuration for a kind of quantisation.

    Args:
        kind: `none`, `8bit` (LLM.int8, arXiv 2208.07339) or `4bit` (NF4 with double quantisation, as QLoRA,
            arXiv 2305.14314).
        dtype: Of the matrix products in 4 bits, and of everything that stays whole.

    Returns:
        A `BitsAndBytesConfig`, or None for `none`.

    Raises:
        UsageError: There is no such kind.
        LammModelError: bitsandbytes is not installed.
    """
    if kind not in KINDS:
        raise UsageError(f"Expected quantize to be one of {', '.join(KINDS)}, got {kind!r}.")
    if kind == "none":
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise LammModelError(
            "Expected bitsandbytes for a quantised model, got nothing installed by that name. "
            "Run: pip install 'lamm-model[quantize]'."
        )
    from transformers import BitsAndBytesConfig

    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=SKIPPED)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=SKIPPED,
    )


def loading_arguments(kind: str, dtype: torch.dtype, device: str = "") -> dict[str, Any]:
    """Return what `from_pretrained` needs for a kind of quantisation; nothing for `none`."""
    config = quantization_config(kind, dtype)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return {} if config is None else {"quantization_config": config, "device_map": {"": chosen}}


def torch_dtype(value: torch.dtype | str) -> torch.dtype:
    """Read a dtype or its name (`bfloat16`)."""
    return value if isinstance(value, torch.dtype) else getattr(torch, value, torch.float32)


def is_quantised(model: nn.Module) -> bool:
    """Tell whether a model holds quantised layers."""
    return any(type(module).__module__.startswith("bitsandbytes") for module in model.modules())


def check_quantised(model: Any, kind: str) -> None:
    """Refuse a model that was to be quantised and is whole: its memory would not be what was planned.

    Raises:
        LammModelError: None of its layers is quantised.
    """
    if kind != "none" and not is_quantised(model):
        name = getattr(model.config, "text_config", model.config).model_type
        raise LammModelError(
            f"Expected linear layers that bitsandbytes turns into {kind} in {name}, got none: its layers are of a kind "
            "of their own. Set model.quantize = 'none'."
        )


def tell_adapters(whole: nn.Module, part: nn.Module) -> None:
    """Mark a part of a quantised model as such, for peft to choose its quantised LoRA layers."""
    for flag in ("is_loaded_in_8bit", "is_loaded_in_4bit"):
        if getattr(whole, flag, False):
            setattr(part, flag, True)
