"""The LoRA layers of a language model: injected by peft, one set per modality, each on the tokens of its own."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from lamm_model.errors import UsageError
from lamm_model.model.routing import MODALITY_IDS, ModalityRouting

SHARED = "shared"


@dataclass(frozen=True)
class AdapterSettings:
    """How LoRA is applied to the language model.

    Attributes:
        rank: Inner dimension (32 in the paper).
        alpha: Scale numerator (32 in the paper).
        dropout: On the adapters' input (0.1 in the paper).
        target_modules: Names of the linear layers that get an adapter; empty for those of the attention, whatever the
            language model calls them (`q_proj`, `k_proj`, `v_proj` and `o_proj` of a Llama).
        modalities: The sets: `image`, `point_cloud`, `text` each for its own tokens, or `shared` alone for all.
    """

    rank: int = 32
    alpha: float = 32
    dropout: float = 0.1
    target_modules: list[str] = field(default_factory=list)
    modalities: list[str] = field(default_factory=lambda: ["image", "point_cloud"])

    def __post_init__(self) -> None:
        """Check the sets' names."""
        allowed = {*MODALITY_IDS, SHARED}
        shared_beside = SHARED in self.modalities and len(self.modalities) > 1
        if not self.modalities or set(self.modalities) - allowed or shared_beside:
            raise UsageError(f"Expected modalities from {sorted(allowed)}, `shared` only alone, got {self.modalities}.")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)


def inject_adapters(body: Any) -> None:
    """Put the adapter sets of a model's configuration into its language model, and route tokens to them.

    Args:
        body: A `LammModel`.

    Raises:
        UsageError: No layer has a targeted name.
    """
    chosen = AdapterSettings(**(body.config.adapters or {}))
    config = LoraConfig(
        r=chosen.rank, lora_alpha=chosen.alpha, lora_dropout=chosen.dropout, target_modules=chosen.target_modules
    )
    for name in chosen.modalities:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # several sets are meant
                warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")  # peft sees to it
                inject_adapter_in_model(config, body.language_model, adapter_name=name)
        except ValueError as fault:
            raise UsageError(f"Expected layers named {chosen.target_modules}, got none ({fault}).") from fault
    _activate(body.language_model, chosen.modalities)
    body.routing.enabled = chosen.modalities != [SHARED]
    if body.routing.enabled:
        for layer in lora_layers(body.language_model):
            for name, low_rank in layer.lora_A.items():
                low_rank.register_forward_hook(RoutingHook(body.routing, MODALITY_IDS[name]))


def reset_adapters(model: nn.Module) -> None:
    """Let new adapter sets change nothing: transformers draws every weight of a new model, these too."""
    for layer in lora_layers(model):
        for name in layer.lora_A:
            layer.reset_lora_parameters(name, init_lora_weights=True)


class RoutingHook:
    """Zeroes one set's low-rank activation `[B, S, r]` where a token belongs to another modality."""

    def __init__(self, routing: ModalityRouting, modality: int) -> None:
        self.routing = routing
        self.modality = modality

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> Tensor:
        """Return the activation of this set's tokens; all of it where routing is off."""
        ids, masks = self.routing.modality_ids, self.routing.masks
        if ids is None:
            return output
        key = (self.modality, output.dtype, output.device)
        if key not in masks:
            masks[key] = (ids == self.modality).unsqueeze(-1).to(output.device, output.dtype)
        return output * masks[key]


def lora_layers(model: nn.Module) -> list[LoraLayer]:
    """List the layers that carry adapters."""
    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def let_learn(part: nn.Module) -> None:
    """Let a part of a model learn: all of it, or of a tower with LoRA the additions alone, in float32 at least."""
    layers = lora_layers(part)
    part.requires_grad_(not layers)
    _learn_wide(layers)


def _activate(language_model: nn.Module, names: list[str]) -> None:
    layers = lora_layers(language_model)
    for layer in layers:
        layer._active_adapter = list(names)
    _learn_wide(layers)


def _learn_wide(layers: list[LoraLayer]) -> None:
    """Let additions learn in float32 at least, even on a 16-bit base: small updates would be rounded away."""
    for layer in layers:
        for addition in (*layer.lora_A.values(), *layer.lora_B.values()):
            addition.to(torch.promote_types(addition.weight.dtype, torch.float32)).requires_grad_(True)
