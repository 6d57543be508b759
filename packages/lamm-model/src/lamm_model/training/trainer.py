"""The trainer: Hugging Face's, with LAMM's parameter groups, guards and checkpoints.

- Checkpoints hold what is trained (adapters, projectors, a trained tower), the optimiser, the schedule, the random
  state and the position in the data. They are written beside and renamed: a folder under its final name is whole.
- The first step proves that every trained part of a modality that was seen receives a gradient and that nothing
  frozen does.
- A loss that is not finite stops the run with the ids of the records in the batch.
"""

import math
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from lamm_model.adapters import adapter_settings, only_adapters
from lamm_model.checkpoints.trained import load_trained, save_trained
from lamm_model.errors import LammModelError
from lamm_model.routing import MODALITY_IDS, TEXT
from lamm_model.training.sampling import LengthSampler
from lamm_model.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lamm_model.modeling_lamm import LammForConditionalGeneration

CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
PARTIAL = ".partial"
MODALITIES = {number: name for name, number in MODALITY_IDS.items() if number != TEXT}


def training_arguments(settings: TrainingSettings, run: Path) -> TrainingArguments:
    """Return the Hugging Face arguments that carry out the settings."""
    schedules = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
    checkpointing = {"gradient_checkpointing": True} if settings.activation_checkpointing else {}
    return TrainingArguments(
        **checkpointing,
        output_dir=str(run),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_rows,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.beta1,
        adam_beta2=settings.beta2,
        max_grad_norm=settings.clip,
        warmup_steps=settings.warmup,
        lr_scheduler_type=schedules[settings.schedule],
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        save_steps=settings.save_every,
        logging_steps=settings.log_every,
        dataloader_num_workers=settings.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=settings.seed,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        save_total_limit=None,  # kept here: rotation must follow the rename
        label_names=["labels"],
    )


def checkpoints(run: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first."""
    found = {int(match[1]): path for path in run.glob("checkpoint-*") if (match := CHECKPOINT.search(path.name))}
    return [found[step] for step in sorted(found)]


class LammTrainer(Trainer):  # type: ignore[misc]
    """Trains what is not frozen of a LAMM model."""

    def __init__(self, *, settings: TrainingSettings, **kwargs: Any) -> None:
        """Take our settings beside what the Hugging Face trainer takes."""
        super().__init__(**kwargs)
        self.settings = settings
        self.seen: set[str] = set()
        self.proven = False
        self.model_accepts_loss_kwargs = True
        self.add_callback(_GradientGuard(self))
        self.remove_callback(PrinterCallback)  # stdout is for results

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows = self.train_dataset.rows
        return LengthSampler([row.tokens for row in rows], self.args.train_batch_size, self.settings.seed)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Give adapters, projectors and a trained tower their own learning rates."""
        made: torch.optim.Optimizer | None = getattr(self, "optimizer", None)
        if made is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            made = kind(parameter_groups(self.model, self.settings), **options)
            self.optimizer = made
        return made

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss over response tokens, divided by their number over the whole accumulated batch."""
        ids = inputs.pop("ids")
        present = {MODALITIES[number] for number in inputs["modality_ids"].unique().tolist() if number in MODALITIES}
        self.seen |= present
        bare = self.accelerator.unwrap_model(model)
        if bare.model.language_model.config._attn_implementation == "eager":
            # Eager attention adds its mask to the scores; the others take who sees whom.
            visible = inputs["attention_mask"]
            inputs["attention_mask"] = torch.zeros(visible.shape).masked_fill_(~visible, torch.finfo(torch.float32).min)
        with _needed_adapters(bare, present):
            outputs = model(**inputs, use_cache=False, num_items_in_batch=num_items_in_batch)
        if not torch.isfinite(outputs.loss):
            raise LammModelError(
                f"Expected a finite loss, got {outputs.loss.item()} at step {self.state.global_step + 1} "
                f"for the records {', '.join(ids)}. Lower the learning rate, or look at these records."
            )
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    def _save(self, output_dir: str | None = None, state_dict: Mapping[str, Tensor] | None = None) -> None:
        save_trained(self.accelerator.unwrap_model(self.model), Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_trained(self.accelerator.unwrap_model(model or self.model), Path(resume_from_checkpoint))

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.args.output_dir) / PARTIAL)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        run = Path(self.args.output_dir)
        partial = run / PARTIAL
        if self.args.should_save:
            shutil.rmtree(partial, ignore_errors=True)
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            name = f"checkpoint-{self.state.global_step}"
            shutil.rmtree(run / name, ignore_errors=True)
            os.replace(partial / name, run / name)
            shutil.rmtree(partial, ignore_errors=True)
            for old in checkpoints(run)[: -self.settings.keep_last]:
                shutil.rmtree(old)


def _needed_adapters(model: "LammForConditionalGeneration", present: set[str]) -> AbstractContextManager[None]:
    """Compute only the adapter sets whose modality is in the batch: the others' share is zero."""
    chosen = adapter_settings(model)
    if chosen is None or not present or not present < set(chosen.modalities):
        return nullcontext()
    return only_adapters(model, sorted(present))


def parameter_groups(model: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Return the optimiser's groups: adapters, projectors, towers; biases and norms without weight decay."""
    rates = {
        "projector": settings.projector_learning_rate or settings.learning_rate,
        "tower": settings.tower_learning_rate or settings.learning_rate,
        "adapter": settings.learning_rate,
    }
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((part_of(name), parameter.ndim >= 2), []).append(parameter)
    return [
        {"params": found, "lr": rates[part], "weight_decay": settings.weight_decay if decays else 0.0}
        for (part, decays), found in sorted(groups.items())
    ]


def part_of(name: str) -> str:
    """Return which part of the model a parameter belongs to: ``adapter``, ``projector`` or ``tower``."""
    if "_projector." in name:
        return "projector"
    return "tower" if "_tower." in name else "adapter"


class _GradientGuard(TrainerCallback):  # type: ignore[misc]
    """Check once, before the first optimiser step, who received a gradient."""

    def __init__(self, trainer: LammTrainer) -> None:
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Raise when a trained part of a modality that was seen got none, or a frozen one got some."""
        if self.trainer.proven:
            return
        self.trainer.proven = True
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        silent = silent_parts(model, self.trainer.seen)
        if silent:
            raise LammModelError(
                "Expected every trained part to receive a gradient in the first step, "
                f"found none for {', '.join(silent)}."
            )


def silent_parts(model: nn.Module, modalities: set[str]) -> list[str]:
    """Return trained parts of the given modalities without any gradient, and frozen parameters that got one."""
    heard: dict[str, bool] = {}
    wrong = []
    for name, parameter in model.named_parameters():
        moved = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        if not parameter.requires_grad:
            if moved:
                wrong.append(f"{name} (frozen, yet it got a gradient)")
            continue
        modality = "point_cloud" if "point_cloud" in name else "image" if "image" in name else ""
        if not modality or modality in modalities:
            part = f"{modality or 'shared'} {part_of(name)}"
            heard[part] = heard.get(part, False) or moved
    return [part for part, moved in heard.items() if not moved] + wrong


class ProgressCallback(TrainerCallback):  # type: ignore[misc]
    """Reports step, loss and speed to a function, and adds the speed to the trainer's log.

    Args:
        report: Called with the step, the number of steps and the last log entry.
        tokens: Returns the number of useful (not padding) tokens seen so far.
    """

    def __init__(self, report: Any, tokens: Any) -> None:
        self.report = report
        self.tokens = tokens
        self.last: dict[str, float] = {}
        self.began = 0.0
        self.at_start = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.began, self.at_start = time.monotonic(), self.tokens()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report one step."""
        self.report(state.global_step, state.max_steps, self.last)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Add the speed to the entry that the run's record keeps."""
        if logs and math.isfinite(logs.get("loss", math.nan)):
            speed = (self.tokens() - self.at_start) / max(time.monotonic() - self.began, 1e-9)
            state.log_history[-1]["tokens_per_second"] = round(speed, 1)
            self.last = {key: value for key, value in state.log_history[-1].items() if isinstance(value, int | float)}
