"""Make a step faster without changing its loss: compiled layers, no needless casts, no idle adapters, no idle cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from lamm_model.model.adapter_layers import lora_layers
from lamm_model.model.adapters import adapter_settings
from lamm_model.model.parameter_parts import decoder_layers
from lamm_model.model.routing import MODALITY_IDS
from lamm_model.training.step import attention

MODALITIES = {number: name for name, number in MODALITY_IDS.items()}
_DROPS = ("p", "dropout", "attention_dropout", "drop_path", "drop_prob")  # what layers call the share that they drop
T = TypeVar("T")
B = TypeVar("B")


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


class SideBySide(Generic[T, B]):
    """Computes the batches of one accumulated step at the same time, one in each thread, on a CPU.

    Threads that share every product wait for each other hundreds of times a pass, and for whatever else the machine
    does; threads with a batch of their own wait once. A pass leaves its state in the modules, so each thread has a copy
    of them around the same weights. Gradients are added in the order of the batches, as if these came one by one.

    Args:
        weights: What is trained.
        twins: What each thread computes with, one a thread.
        compute: Returns the loss of a batch with the twin that it is given.
    """

    def __init__(self, weights: Iterable[nn.Parameter], twins: Sequence[T], compute: Callable[[T, B], Tensor]) -> None:
        self.free = list(twins)
        self.trained = [weight for weight in weights if weight.requires_grad]
        self.compute = compute
        self.threads = torch.get_num_threads()
        share = max(1, self.threads // len(twins))
        self.pool = ThreadPoolExecutor(len(twins), initializer=torch.set_num_threads, initargs=(share,))
        self.begun: deque[Future[tuple[Tensor, tuple[Tensor | None, ...]]]] = deque()

    def begin(self, batches: Iterable[B]) -> None:
        """Begin the batches of a step."""
        self.begun.extend(self.pool.submit(self._pass, batch) for batch in batches)

    def _pass(self, batch: B) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        twin = self.free.pop()
        try:
            loss = self.compute(twin, batch)
            return loss.detach(), torch.autograd.grad(loss, self.trained, allow_unused=True)
        finally:
            self.free.append(twin)

    def finish(self) -> Tensor:
        """Add the gradients of the next batch to the weights', and return its loss."""
        loss, gradients = self.begun.popleft().result()
        for weight, gradient in zip(self.trained, gradients, strict=True):
            if gradient is not None:
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return loss

    def close(self) -> None:
        """Let the threads go, and give torch its own number of them back."""
        self.pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self.threads)


def any_order(model: nn.Module) -> bool:
    """Return whether passes of a model in training draw nothing at random and keep no running means."""
    return not any(
        (isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats)
        or any(isinstance(share := getattr(module, name, 0), float) and share > 0 for name in _DROPS)
        for module in model.modules()
        if module.training
    )
