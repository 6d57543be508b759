"""Several processes, one run: who am I, what one process does for all, and do all see the same data.

The processes are started by `torchrun` or `accelerate launch`; torch's own process group joins them (NCCL on GPUs, Gloo
elsewhere). One process alone needs none of it, and every function here then does the plain thing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from lamm_model.errors import LammModelError, UsageError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_MALLOC = {-1: -1, -4: 0, -8: 1}  # glibc's malloc.h: never trim, never map, one arena for all threads
OTHER_ENGINES = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed"}


def world_size() -> int:
    """Return how many processes the launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process, 0 for the main one."""
    return int(os.environ.get("RANK", "0"))


def join() -> None:
    """Join the other processes, where there are any.

    Raises:
        UsageError: The launcher wants accelerate to shard the model, which is done here instead.
    """
    for name, engine in OTHER_ENGINES.items():
        if os.environ.get(name, "false").lower() == "true":
            raise UsageError(
                f"Expected a launcher that leaves sharding to lamm, found accelerate's {engine} switched on. Launch "
                "with `lamm model finetune --show launch-gpus`, and set compute.sharding = 'fsdp2'."
            )
    if world_size() == 1:
        return
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(device())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def device() -> torch.device:
    """Return the device of this process."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", torch.cuda.current_device())))


def reuse_memory() -> None:
    """Let memory that was freed serve this process again, where it pre-trains on a CPU (glibc only).

    Large blocks go back to the system at once otherwise, and the next step asks for the same ones: the kernel then
    clears every page of them anew, a third of a reader's time. Call it before threads have memory of their own, which
    is not covered. Not for passes through a language model: their blocks are of many sizes, and threads wait while
    one looks for a place.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if device().type == "cpu" else None
    if mallopt is not None:
        for name, value in _MALLOC.items():
            mallopt(name, value)


def by_main(work: Callable[[], T]) -> T:
    """Let the main process do something, and give all processes its result, or its error.

    Args:
        work: Called in the main process only; its result must be picklable.

    Returns:
        What it returned there.

    Raises:
        LammModelError: What it raised there, in every process: none waits for one that has stopped. An error of another
            kind stays the main process's own; the others raise its words.
    """
    if world_size() == 1:
        return work()
    import torch.distributed as dist

    outcome: list[Any] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = work()
        except LammModelError as error:
            outcome[1] = error
        except Exception as error:
            dist.broadcast_object_list(
                [None, LammModelError(f"Expected process 0 to go on, got {type(error).__name__}: {error}.")], src=0
            )
            raise
    dist.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


def agree(facts: Mapping[str, str]) -> None:
    """Compare facts about the run over all processes.

    Args:
        facts: What must be equal everywhere, by a name that a message can show.

    Raises:
        UsageError: In every process, when any differs; each difference is listed.
    """
    if world_size() == 1:
        return
    import torch.distributed as dist

    everywhere: list[dict[str, str]] = [{} for _ in range(world_size())]
    dist.all_gather_object(everywhere, dict(facts))
    first = everywhere[0]
    differing = [
        f"process {number}, {name}: {theirs.get(name, 'nothing')}, not {first.get(name, 'nothing')}"
        for number, theirs in enumerate(everywhere)
        for name in sorted(first.keys() | theirs.keys())
        if theirs.get(name) != first.get(name)
    ]
    if differing:
        lines = "\n".join(f"  {line}" for line in differing)
        raise UsageError(
            f"Expected every process to see the data and settings of process 0, found:\n{lines}\n"
            "Give all of them the same files, by a shared disk or equal copies."
        )


def wait() -> None:
    """Wait for all processes."""
    if world_size() > 1:
        import torch.distributed as dist

        dist.barrier()
