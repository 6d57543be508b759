"""ZeRO-3 by DeepSpeed (arXiv 1910.02054): decoder layers in shares, each gathered only while it is computed.

The engine gathers in hooks on modules, and wants every process to call the same modules in the same order. Ours do not:
where one sees pictures, another sees clouds. So it is handed a module that holds the decoder layers, each as one unit
(a "leaf" in its words), and all other trained weights as bare parameters, gathered for the whole pass. Towers,
projectors, embedding and head compute where it has no hooks; what is frozen of them stays whole in every process.

DeepSpeed is imported where it is asked for, and only there (extra ``deepspeed``).
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lamm_model.errors import UsageError
from lamm_model.training.processes import processes as distributed

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.training.settings.settings import FinetuneSettings

HELD_BY = "lamm_shares"  # attribute of a model that the engine holds


def check_installed() -> None:
    """Refuse to begin without the engine.

    Raises:
        UsageError: DeepSpeed is not installed.
    """
    if find_spec("deepspeed") is None:
        raise UsageError(
            "Expected DeepSpeed for compute.sharding = 'zero3', found it not installed. Install lamm-model[deepspeed], "
            "or set compute.sharding = 'fsdp2', which needs nothing besides torch."
        )


class _Engined(nn.Module):
    """What the engine sees of a model: its decoder layers, and other trained weights without their modules."""

    def __init__(self, model: LammForConditionalGeneration, half: bool) -> None:
        super().__init__()
        body: Any = model.model
        self.layers: nn.ModuleList = body.language_model.layers
        inside = {id(parameter) for parameter in self.layers.parameters()}
        outside = [p for p in model.parameters() if p.requires_grad and id(p) not in inside]
        for number, parameter in enumerate(outside):
            self.register_parameter(f"outside_{number}", parameter)
        self.half_precision = half
        self.__dict__["whole"] = model  # called, but no child: the engine would hook its towers

    def forward(self, **batch: Any) -> Any:
        # Autocast belongs in here: the engine turns off what surrounds it.
        with torch.autocast(distributed.device().type, torch.bfloat16, enabled=self.half_precision):
            return self.__dict__["whole"](**batch)


class Shares:
    """A model that DeepSpeed's engine holds in shares.

    Args:
        engine: As `deepspeed.initialize` returned it.
        linear: `torch.nn.functional.linear` as it was before the engine replaced it.

    Attributes:
        unseen: Modalities that no process saw in this step: their weights are left alone.
        norm: Of the gradients, known after the step.
    """

    def __init__(self, engine: Any, linear: Any) -> None:
        self.engine = engine
        self.linear = linear
        self.unseen: set[str] = set()
        self.norm = torch.zeros((), device=distributed.device())
        engine.basic_optimizer.register_step_pre_hook(self._drop_unseen)

    def _drop_unseen(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            if group["modality"] in self.unseen:
                for parameter in group["params"]:
                    parameter.grad = None

    def step(self) -> None:
        """Clip the gradients and update the weights."""
        self.engine.step()
        self.norm.fill_(float(self.engine.get_global_grad_norm()))

    def settle(self) -> None:
        """Let go of all gathered weights: they are gathered anew from the shares, which may have been changed."""
        self.engine.empty_partition_cache()

    @contextmanager
    def assembled(self, everything: bool, back: bool) -> Iterator[None]:
        """See `assembled`."""
        gathered: Any = importlib.import_module("deepspeed").zero.GatheredParameters
        self.settle()
        parts = [p for p in self.engine.module.parameters() if p.requires_grad or everything]
        for part in parts:  # one by one: a device need not hold them all
            with gathered([part]):
                whole = part.data.to("cpu", copy=True)
            if back or distributed.rank() == 0:
                part.data = whole
        try:
            yield
        finally:
            for part in parts:
                whole, part.data = part.data, torch.empty(0, dtype=part.dtype, device=distributed.device())
                if back:
                    with gathered([part], modifier_rank=0):
                        part.data.copy_(whole)
            if back:
                self.engine.optimizer.refresh_fp32_params()

    def close(self) -> None:
        """Take the engine's hooks off the model and give torch its own linear layer back."""
        self.engine.destroy()
        nn.functional.linear = self.linear


class EngineOptimizer(torch.optim.Optimizer):
    """The engine's step, as the optimiser that a trainer and its schedule expect.

    Args:
        shares: The model in shares.
    """

    step_was_skipped = False
    _is_accelerate_prepared = True

    def __init__(self, shares: Shares) -> None:  # no super().__init__(): the parameters are the engine's
        self.shares = shares
        self.inner: torch.optim.Optimizer = shares.engine.basic_optimizer
        self.param_groups, self.state, self.defaults = self.inner.param_groups, self.inner.state, self.inner.defaults

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights."""
        self.shares.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Do nothing: the engine forgets gradients in its step."""

    def _flat(self) -> list[Tensor]:
        return list(self.shares.engine.optimizer.fp32_partitioned_groups_flat)

    def state_dict(self) -> dict[str, Any]:
        """Return this process's share of the moments, and the groups' settings."""
        return {
            "shares": [dict(self.inner.state.get(flat, {})) for flat in self._flat()],
            "groups": [{key: value for key, value in group.items() if key != "params"} for group in self.param_groups],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` returned in the same process of equally many."""
        for flat, values in zip(self._flat(), state_dict["shares"], strict=True):
            self.inner.state[flat] = {name: value.to(flat.device) for name, value in values.items()}
        for group, kept in zip(self.param_groups, state_dict["groups"], strict=True):
            group.update(kept)


def shares_of(model: nn.Module) -> Shares | None:
    """Return what holds a model in shares, or None where DeepSpeed does not."""
    return getattr(model, HELD_BY, None)


@contextmanager
def assembled(model: nn.Module, everything: bool = False, back: bool = False) -> Iterator[None]:
    """Let a model hold whole weights in host memory for a while, where DeepSpeed holds it; else do nothing.

    Args:
        model: Every process must assemble it at the same time.
        everything: Its frozen weights too.
        back: They are changed meanwhile, alike in every process, and go back into the shares. Otherwise the main
            process alone has them.
    """
    shares = shares_of(model)
    if shares is None:
        yield
        return
    with shares.assembled(everything, back):
        yield


def gradient_of(parameter: nn.Parameter) -> Tensor | None:
    """Return a parameter's whole gradient; every process must ask for it at the same time."""
    if not hasattr(parameter, "ds_id"):
        return parameter.grad
    found: Tensor | None = importlib.import_module("deepspeed.utils").safe_get_full_grad(parameter)
    return found


def share(model: LammForConditionalGeneration, settings: FinetuneSettings, groups: list[dict[str, Any]]) -> None:
    """Hand a model to DeepSpeed's engine, in place.

    Args:
        model: With its trained part chosen, and with a gradient for every part of it (`sharding.take_part`).
        settings: Of the run.
        groups: The optimiser's, each of one ``modality``.

    Raises:
        UsageError: It is quantised: its weights cannot be cut into shares.
    """
    from lamm_model.checkpoints.checkpoint import keep_fingerprints
    from lamm_model.model.quantization import is_quantised

    if is_quantised(model):
        raise UsageError("Expected ordinary weights for compute.sharding = 'zero3', got quantised ones. Choose one.")
    keep_fingerprints(model)
    deepspeed = _load_engine()
    recipe, body = settings.training, model.model
    root = _Engined(model, recipe.precision == "bf16")
    config, linear = _configuration(root, settings), nn.functional.linear
    optimizer = torch.optim.AdamW(groups, recipe.learning_rate, (recipe.beta1, recipe.beta2), fused=True)
    for layer in root.layers:
        deepspeed.utils.set_z3_leaf_module(layer, True)
        _recompute_inside(layer)
    body.language_model.register_forward_pre_hook(_Boundary(model), with_kwargs=True)
    deepspeed.zero.Init(module=root.layers, config_dict_or_path=config)  # cut one by one: a device need not hold them
    model.to(distributed.device())
    engine, *_ = deepspeed.initialize(model=root, optimizer=optimizer, config=config)
    setattr(model, HELD_BY, Shares(engine, linear))
    model._is_accelerate_prepared = True  # accelerate would wrap it in DDP


def _load_engine() -> Any:
    deepspeed = importlib.import_module("deepspeed")
    for handler in logging.getLogger("DeepSpeed").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)  # stdout is for results
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed\.c10d_logger")
    if not torch.cuda.is_available():
        # Gloo moves the shares. Asked for, DeepSpeed would compile shared-memory collectives of its own here.
        deepspeed.ops.__compatible_ops__ = {}
    deepspeed.init_distributed()  # takes the process group that is there
    return deepspeed


def _configuration(root: _Engined, settings: FinetuneSettings) -> dict[str, Any]:
    """Return the engine's configuration: two layers gathered at a time, and steps when the trainer says so."""
    layer = max(sum(p.numel() for p in layer.parameters()) for layer in root.layers)
    learnt = max(sum(p.numel() for p in layer.parameters() if p.requires_grad) for layer in root.layers)
    outside = sum(p.numel() for p in root.parameters(recurse=False))
    return {
        "train_micro_batch_size_per_gpu": settings.training.batch_rows,
        "gradient_accumulation_steps": 1,  # the loss is divided by the tokens of the whole step already
        "managed_gradient_accumulation": False,
        "gradient_clipping": settings.training.clip,
        "zero_optimization": {
            "stage": 3,
            "contiguous_gradients": False,
            "reduce_bucket_size": max(learnt, outside, 1),
            "stage3_param_persistence_threshold": 0,
            "stage3_prefetch_bucket_size": layer,
            "stage3_max_reuse_distance": layer,
            "stage3_max_live_parameters": 2 * layer + outside,
        },
    }


def _recompute_inside(layer: Any) -> None:
    """Let a layer that is computed again do so between the engine's hooks, not around them."""
    if getattr(layer, "gradient_checkpointing", False):
        layer.gradient_checkpointing = False
        layer.forward = functools.partial(checkpoint, layer.forward, use_reentrant=False)


class _Boundary:
    """Makes processes reduce the same gradients together, whatever order they are ready in outside of the layers.

    Gradients of the layers come in one order everywhere. Those of towers and projectors come as the media of a process
    have it: so everything before them is reduced first, and they fit into one bucket, which the engine sorts.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        embeds: Tensor = kwargs["inputs_embeds"]
        if torch.is_grad_enabled():
            # A layer whose input has no gradient would reduce its own before they are there.
            embeds = embeds if embeds.requires_grad else embeds.detach().requires_grad_()
            embeds.register_hook(self._reduce)  # type: ignore[no-untyped-call]
        return args, kwargs | {"inputs_embeds": embeds}

    def _reduce(self, gradient: Tensor) -> None:
        shares = shares_of(self.model)
        if shares is not None:
            shares.engine.optimizer.independent_gradient_partition_epilogue()
