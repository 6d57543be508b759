"""The table ``[compute]``: choices that change speed and memory, never the loss."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """How a step is computed.

    Attributes:
        attention: ``segments`` attends within each dialogue of a row only (torch's own variable-length kernel on a GPU,
            one small product per dialogue elsewhere); ``sdpa`` and ``eager`` mask the whole row. ``auto`` takes
            ``segments`` where its kernel runs.
        compile: Compile the decoder layers (``torch.compile``); rows are then padded to ``data.row_tokens``, so that
            shapes stay the same.
        checkpointing: Layers whose activations are computed again in the backward pass: ``none``, ``all``, ``some``
            (``checkpointed_layers`` of them), or as few as the memory plan allows (``auto``).
        checkpointed_layers: How many, with ``some``.
        memory: GiB of one device that may be used; 0 means what is free on it at the start.
        sharding: Across processes, ``none`` gives each the whole model (DDP), ``fsdp2`` a share of every weight.
        loss_rows: Response tokens that meet the head at once; 0 lets the vocabulary's size decide.
    """

    attention: Literal["auto", "segments", "sdpa", "eager"] = "auto"
    compile: bool = False
    checkpointing: Literal["auto", "none", "some", "all"] = "auto"
    checkpointed_layers: int = 0
    memory: float = 0.0
    sharding: Literal["none", "fsdp2"] = "none"
    loss_rows: int = 0

    def faults(self) -> list[str]:
        """Return what contradicts itself."""
        found = []
        if (self.checkpointing == "some") != bool(self.checkpointed_layers):
            found.append("compute.checkpointed_layers: expected above 0 with checkpointing = 'some', and only with it")
        return found
