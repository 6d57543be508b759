"""FSDP2: every process holds a share of each weight and gathers a layer's only while it computes it.

`torch.distributed.fsdp.fully_shard` does it, applied here and not by accelerate, which does not shard on CPUs, where
the tests run, and writes the frozen model into every checkpoint. Decoder layers are units of their own; towers,
projectors, embedding and head form the last one, which stays gathered during a step.

All processes must produce gradients of the same parameters, whatever media their rows show: every adapter set is
computed, and `take_part` adds nothing, times every trained weight outside the layers. A step in which no process saw a
modality then drops its gradients, so that the optimiser leaves these weights alone, as it does in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import recursively_apply
from torch import Tensor, nn

from lamm_model.errors import UsageError
from lamm_model.model.parameter_parts import decoder_layers
from lamm_model.training.processes import processes as distributed

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration


def shard(model: LammForConditionalGeneration) -> None:
    """Shard a model, its trained part chosen, over all processes, in place.

    Raises:
        UsageError: It is quantised: its weights cannot be cut into shares.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from lamm_model.checkpoints.checkpoint import keep_fingerprints
    from lamm_model.model.quantization import is_quantised

    if is_quantised(model):
        raise UsageError("Expected ordinary weights for compute.sharding = 'fsdp2', got quantised ones. Choose one.")
    keep_fingerprints(model)
    mesh = init_device_mesh(distributed.device().type, (distributed.world_size(),))
    layers: Any = decoder_layers(model.model.language_model)
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    model._is_accelerate_prepared = True  # accelerate would wrap it in DDP


def is_sharded(model: nn.Module) -> bool:
    """Return whether a model's weights are in shares."""
    return any(hasattr(parameter, "full_tensor") for parameter in model.parameters())


def local(value: Any) -> Tensor:
    """Return this process's share of a tensor, or the tensor."""
    share: Tensor = value.to_local() if hasattr(value, "to_local") else value
    return share.detach()


def let_go(model: nn.Module) -> None:
    """Drop the weights that a sharded model still holds gathered, since the shares have been changed."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def take_part(model: LammForConditionalGeneration) -> None:
    """Let every trained weight outside the decoder layers have a gradient, of nothing where a batch does not use it.

    The layers' input then always has one too, and their gradients are reduced in the same order everywhere.
    """
    body: Any = model.model
    inside = {id(parameter) for parameter in body.language_model.parameters()}

    def add_nothing(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        embeds: Tensor = kwargs["inputs_embeds"]
        if torch.is_grad_enabled():
            mine = [p for p in body.parameters() if p.requires_grad and id(p) not in inside]
            embeds = embeds + 0.0 * sum((p.sum() for p in mine), torch.zeros((), device=embeds.device)).to(embeds.dtype)
        return args, kwargs | {"inputs_embeds": embeds}

    body.language_model.register_forward_pre_hook(add_nothing, with_kwargs=True)


def local_optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimiser's state with this process's share of every tensor."""
    return dict(recursively_apply(local, optimizer.state_dict()))


def load_local_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load what `local_optimizer_state` returned in the same process of equally many."""
    from torch.distributed.tensor import DTensor

    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in state["state"].items():
        whole: Any = parameters[number]
        for name, value in values.items():
            if isinstance(value, Tensor) and value.ndim and isinstance(whole, DTensor):
                values[name] = DTensor.from_local(
                    value.to(whole.to_local().device), whole.device_mesh, whole.placements, run_check=False,
                    shape=whole.shape, stride=whole.stride(),
                )  # fmt: skip
    optimizer.load_state_dict(state)
