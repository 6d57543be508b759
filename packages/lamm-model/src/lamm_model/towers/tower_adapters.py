"""LoRA in a point-cloud tower: its own weights stay as published, low-rank additions in its attention learn."""

from __future__ import annotations

import warnings
from typing import Any

from lamm_model.errors import UsageError

_TARGETS = r".*(attn|attention).*\.(qkv|proj|q_proj|k_proj|v_proj|out_proj)"  # of all towers' blocks


def add_tower_adapters(tower: Any, rank: int) -> None:
    """Put additions of a rank into a tower's attention, which change nothing before they learn.

    The rank is kept in the tower's configuration, so that a saved model is built with them.

    Raises:
        UsageError: The tower has no attention.
    """
    from peft import LoraConfig, inject_adapter_in_model

    tower.config.lora_rank = rank
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS), tower)
    except ValueError as fault:
        raise UsageError(
            f"Expected a point-cloud tower with attention for LoRA, got {type(tower).__name__}."
        ) from fault
