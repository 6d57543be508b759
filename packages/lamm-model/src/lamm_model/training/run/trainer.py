"""The trainer: Hugging Face's, with LAMM's parameter groups, packed rows, guards and checkpoints."""

import math
import shutil
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from lamm_model.errors import LammModelError
from lamm_model.model.adapters import whole
from lamm_model.model.parameter_parts import part_of, twin_of
from lamm_model.training.callbacks.averaging import WeightAverage
from lamm_model.training.callbacks.evaluation import Evaluation
from lamm_model.training.callbacks.guards import GradientGuard, check_finite
from lamm_model.training.callbacks.trackers import PROJECT, find_trackers
from lamm_model.training.processes.fsdp2 import is_sharded, load_local_optimizer_state, local_optimizer_state
from lamm_model.training.rows.loading import EpochBatches, TrainLoader
from lamm_model.training.rows.packing import BatchFacts
from lamm_model.training.saving.checkpoints import PARTIAL, load_changed, newest_intact, publish, save_changed
from lamm_model.training.saving.run_folder import Unreadable
from lamm_model.training.settings.tables import TrainingSettings
from lamm_model.training.step.acceleration import (
    MODALITIES,
    AdapterChoice,
    SideBySide,
    any_order,
    keep_input_types,
    mark_changing,
)
from lamm_model.training.step.isolation import isolate
from lamm_model.training.step.speed import SpeedMeter, flops_per_token

SCHEDULER = "scheduler.pt"
Twin = tuple[nn.Module, AdapterChoice]  # what one of several threads computes with
Work = tuple[dict[str, Any], Tensor | int | None]  # a batch, and how many items the step's loss is a mean of


def training_arguments(settings: TrainingSettings, run: Path) -> TrainingArguments:
    """Return the Hugging Face arguments that carry out the settings."""
    schedules = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
    return TrainingArguments(
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
        optim="adamw_torch_fused",
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=True,  # adapter sets and towers that a process's rows do not need
        save_steps=settings.save_every,
        logging_steps=settings.log_every,
        seed=settings.seed,
        remove_unused_columns=False,
        report_to=find_trackers(settings.trackers, run),
        run_name=run.name,
        project=PROJECT,
        disable_tqdm=True,
        save_total_limit=None,  # kept here: rotation must follow the rename
        label_names=["labels"],
    )


def parameter_groups(model: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Return the optimiser's groups: adapters, projectors, towers; biases and norms without weight decay."""
    rates = {
        "projector": settings.projector_learning_rate or settings.learning_rate,
        "tower": settings.tower_learning_rate or settings.learning_rate,
    }
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((part_of(name), parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": rates.get(part, settings.learning_rate),
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (part, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


class LammTrainer(Trainer):  # type: ignore[misc]
    """Trains what is not frozen of a LAMM model.

    Args:
        settings: The recipe.
        attention: What the language model is set to: ``segments``, ``sdpa`` or ``eager``.
        compiled: Whether its layers are compiled.
        variants: Samplings of each cloud that epochs take in turn.
        unreadable: Lists records whose media cannot be read.
        abreast: Batches of an accumulated step that may be computed at the same time.
        kwargs: As for the Hugging Face trainer.
    """

    def __init__(
        self,
        *,
        settings: TrainingSettings,
        attention: str,
        unreadable: Unreadable,
        compiled: bool = False,
        variants: int = 1,
        abreast: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.variants = variants
        self.settings = settings
        self.compiled = compiled
        self.attention = attention
        self.unreadable = unreadable
        self.seen: set[str] = set()
        self.abreast = abreast
        self.side_by_side: SideBySide[Twin, Work] | None = None
        self.step_batches: list[dict[str, Any]] = []
        self.step_kinds: set[int] = set()
        self.sharded = is_sharded(self.model)
        self.adapters = AdapterChoice(self.model, always_all=self.sharded)
        self.meter = SpeedMeter(flops_per_token(self.model))
        self.average: WeightAverage | None = None
        if settings.average:
            self.average = WeightAverage(self.model, settings.average, self.sharded)
            self.add_callback(self.average)
        self.model_accepts_loss_kwargs = True
        self.add_callback(GradientGuard(self))
        self.remove_callback(PrinterCallback)  # stdout is for results

    def get_train_dataloader(self) -> TrainLoader:
        """Return this process's batches, each row of an epoch in exactly one of them over all processes."""
        args, rows = self.args, self.train_dataset
        lengths = [row.tokens for row in rows]
        batches = EpochBatches(lengths, args.train_batch_size, self.settings.seed, args.process_index, args.world_size)
        return TrainLoader(rows, self.data_collator, batches, self.settings.workers, self.variants)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Give adapters, projectors and a trained tower their own learning rates."""
        made: torch.optim.Optimizer | None = getattr(self, "optimizer", None)
        if made is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            made = kind(parameter_groups(self.model, self.settings), **options)
        self.optimizer = made
        return made

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Fetch the batches of one step, and count the time that takes.

        Raises:
            LammModelError: Cached features are missing, or media of too many records cannot be read.
        """
        began = time.monotonic()
        try:
            fetched = super().get_batch_samples(*args, **kwargs)
        except LammModelError as fault:
            *trace, line = str(fault).strip().splitlines()  # a worker's whole trace, and then what is wrong with a file
            raise LammModelError(line.partition("Error: ")[2] if trace else line) from fault
        self.meter.wait(time.monotonic() - began)
        unreadable = [pair for batch in fetched[0] for pair in batch["facts"].unreadable]
        if unreadable:
            self.unreadable.add(unreadable)
            if fetched[1] is not None:  # perhaps nothing is left to learn in this step
                fetched = fetched[0], torch.as_tensor(fetched[1]).clamp(min=1)
        self.step_batches = fetched[0]
        self.step_kinds = {kind for batch in fetched[0] for kind in batch["facts"].kinds}
        return fetched

    def compute(
        self, model: nn.Module, inputs: dict[str, Any], items: Tensor | int | None, wrapped: bool = False
    ) -> Any:
        """Compute a pass by a model, as it is or as it was wrapped for training."""
        inputs = {**inputs, "use_cache": False, "num_items_in_batch": items}
        # A wrapped model casts by itself; a sharded one is not wrapped.
        with nullcontext() if wrapped and not self.sharded else self.accelerator.autocast():
            return model(**inputs)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss over response tokens, divided by their number over all accumulated batches and devices."""
        outputs = self.compute(model, self.prepared(self.adapters, inputs), num_items_in_batch, wrapped=True)
        loss = self._counted(outputs.loss, inputs["facts"])
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # gradients are averaged over devices, this sum must not be
        return (loss, outputs) if return_outputs else loss

    def prepared(self, adapters: AdapterChoice, batch: dict[str, Any]) -> dict[str, Any]:
        """Return what a model takes of a batch, its adapters chosen for it."""
        inputs = {name: value for name, value in batch.items() if name != "facts"}
        if not adapters.choose(batch["facts"].kinds):
            inputs.pop("modality_ids", None)
        isolated = isolate(inputs, self.attention, self.model.config.text_config)
        if self.compiled:
            mark_changing(isolated)
        return isolated

    def _counted(self, loss: Tensor, facts: BatchFacts) -> Tensor:
        """Return a loss that is a number, its batch counted."""
        self.seen |= {MODALITIES[kind] for kind in facts.kinds if kind in MODALITIES}
        check_finite(loss, self.state.global_step + 1, facts.ids)
        self.meter.add(facts)
        return loss

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Return the loss of a batch, its gradients added to the weights'."""
        if self.side_by_side is None:
            return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[no-any-return]
        if not self.side_by_side.begun:
            self.side_by_side.begin((batch, num_items_in_batch) for batch in self.step_batches)
        return self._counted(self.side_by_side.finish(), inputs["facts"])

    def _pass_alone(self, twin: Twin, work: Work) -> Tensor:
        (model, adapters), (batch, items) = twin, work
        loss: Tensor = self.compute(model, self.prepared(adapters, batch), items).loss
        return loss

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train, and leave the model with all of its adapter sets active."""
        keep_input_types(self.model, self.settings.precision == "bf16")
        count = min(self.abreast, self.args.gradient_accumulation_steps)
        if count > 1 and any_order(self.model.train()):
            twins = [twin_of(self.model) for _ in range(count)]
            self.side_by_side = SideBySide(
                self.model.parameters(), [(twin, AdapterChoice(twin)) for twin in twins], self._pass_alone
            )
        try:
            return super().train(*args, **kwargs)
        finally:
            if self.side_by_side is not None:
                self.side_by_side.close()
            self.adapters.restore()
            keep_input_types(self.model, False)

    def _save(self, output_dir: str | None = None, state_dict: Mapping[str, Tensor] | None = None) -> None:
        model = self.accelerator.unwrap_model(self.model)
        folder = Path(output_dir or self.args.output_dir)
        save_changed(model, folder, write=self.args.should_save)
        if self.average is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.average.save(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_changed(self.accelerator.unwrap_model(model or self.model), Path(resume_from_checkpoint))
        if self.average is not None:
            self.average.load(Path(resume_from_checkpoint))

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, the speed since the last time with it, to trackers too."""
        if math.isfinite(logs.get("loss", math.nan)):
            logs |= self.meter.look()
            if self.unreadable.reasons:
                logs["unreadable"] = float(len(self.unreadable.reasons))
        super().log(logs, *args, **kwargs)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        return whole(norm) if isinstance(norm, Tensor) else norm

    def _own_optimizer_file(self, folder: str) -> Path:
        return Path(folder) / f"optimizer-{self.args.process_index}-of-{self.args.world_size}.pt"

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.sharded:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        own = self._own_optimizer_file(output_dir)
        own.parent.mkdir(parents=True, exist_ok=True)
        torch.save(local_optimizer_state(self.optimizer), own)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), own.parent / SCHEDULER)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.sharded or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        own = self._own_optimizer_file(checkpoint)
        load_local_optimizer_state(self.optimizer, torch.load(own, map_location="cpu", weights_only=True))
        self.lr_scheduler.load_state_dict(torch.load(own.parent / SCHEDULER, weights_only=True))

    def _init_training_state(
        self, max_steps: int, epoch_steps: int, epochs: int, resume_from_checkpoint: str | None, trial: Any
    ) -> tuple[int, int]:
        """Return the epoch and the batch to go on with; none is left where the last step was taken before the stop."""
        begin: tuple[int, int] = super()._init_training_state(
            max_steps, epoch_steps, epochs, resume_from_checkpoint, trial
        )
        judges = [one for one in self.callback_handler.callbacks if isinstance(one, Evaluation)]
        ended = self.state.global_step >= max_steps or any(judge.has_ended(self.state) for judge in judges)
        return (epochs, 0) if ended else begin

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.args.output_dir) / PARTIAL)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        run = Path(self.args.output_dir)
        name = f"checkpoint-{self.state.global_step}"
        try:
            if self.args.should_save:
                shutil.rmtree(run / PARTIAL, ignore_errors=True)
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                publish(run, name, self.settings.keep_last)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap a full disk in their own
            shutil.rmtree(run / PARTIAL, ignore_errors=True)
            last = newest_intact(run).path
            raise LammModelError(
                f"Expected to write {name}, found: {error} "
                f"({shutil.disk_usage(run).free / 2**20:.0f} MiB free). "
                f"{f'{last.name} is intact' if last else 'There is no earlier checkpoint'}; "
                "make room and give the same command again."
            ) from error
