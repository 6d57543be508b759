"""Make a step faster without changing its loss: compiled layers, no needless casts, only the adapters in use."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.adapters import adapter_settings
from lamm_model.model.parameter_parts import decoder_layers
from lamm_model.model.routing import MODALITY_IDS
from lamm_model.training.step import attention

MODALITIES = {number: name for name, number in MODALITY_IDS.items()}


def compile_layers(language_model: nn.Module) -> None:
    """Compile every decoder layer on its own: they are alike, so one graph serves all of them."""
    attention.keep_out_of_graphs()
    layers: Any = decoder_layers(language_model)
    for layer in layers:
        layer.compile()


def mark_changing(batch: dict[str, Any]) -> None:
    """Tell the compiler which lengths change from batch to batch: the number of segments and of their keys."""
    for name in ("cu_seq_lens_q", "cu_seq_lens_k", "key_index"):
        if name in batch:
            torch._dynamo.maybe_mark_dynamic(batch[name], 0)


def keep_input_types(model: nn.Module, keep: bool) -> None:
    """Let adapters take their input as it is: autocast casts it once to 16 bits, peft would go by way of float32.

    Passes outside autocast need peft's way: ``keep`` False gives it back.
    """
    for layer in lora_layers(model):
        layer.cast_input_dtype_enabled = not keep


class AdapterChoice:
    """Computes only the adapter sets that a batch needs, and routes by token only where it holds several kinds.

    The choice stays until the next one: activation checkpointing runs the layers again in the backward pass, and must
    find what the forward pass used.

    Args:
        model: With its adapters.
        always_all: Compute every set in every batch, as processes that share weights must.
    """

    def __init__(self, model: Any, always_all: bool = False) -> None:
        settings = adapter_settings(model)
        self.names = list(settings.modalities) if settings else []
        self.layers = lora_layers(model.model.language_model)
        self.routing = model.model.routing
        self.routed = bool(self.routing.enabled)
        self.active = self.names
        self.always_all = always_all

    def choose(self, kinds: frozenset[int]) -> bool:
        """Activate what tokens of these modality ids need.

        Args:
            kinds: Modality ids of the batch's tokens, padding not counted.

        Returns:
            Whether tokens must still be routed one by one; otherwise every token uses the one active set.
        """
        if not self.routed or self.always_all:
            return self.routed
        needed = [MODALITIES[kind] for kind in sorted(kinds) if MODALITIES.get(kind) in self.names]
        self._activate(needed or self.names)
        alone = len(kinds) == 1 and len(needed) == 1
        self.routing.enabled = not alone
        return not alone

    def _activate(self, names: list[str]) -> None:
        if names != self.active:
            self.active = names
            for layer in self.layers:
                layer._active_adapter = list(names)

    def restore(self) -> None:
        """Put all sets back."""
        if self.routed:
            self._activate(self.names)
            self.routing.enabled = True
