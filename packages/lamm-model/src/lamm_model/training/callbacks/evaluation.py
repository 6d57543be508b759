"""Evaluation while training: loss on held-out dialogues, real answers scored by a command, and an end in time."""

from __future__ import annotations

import contextlib
import math
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import reduce
from transformers import TrainerCallback

from lamm_model.checkpoints.trained_parts import replaced_folder
from lamm_model.errors import LammModelError
from lamm_model.model.answer_loss import IGNORED
from lamm_model.training.callbacks import Trained
from lamm_model.training.processes import processes as distributed
from lamm_model.training.rows.loading import EpochBatches, TrainLoader
from lamm_model.training.rows.packing import Row
from lamm_model.training.saving.checkpoints import load_changed, save_changed
from lamm_model.training.settings.tables import EvaluationSettings
from lamm_model.training.step.acceleration import keep_input_types

if TYPE_CHECKING:
    from lamm_model.processing.processing_lamm import LammProcessor

BEST = "best"
TAIL = 2000  # characters of a failed command's output that are shown


class Evaluation(TrainerCallback):  # type: ignore[misc]
    """Measures every few steps, keeps the best weights, and ends the run when nothing gets better.

    Nothing is remembered besides the trainer's own log, which checkpoints hold: a resumed run judges as it would have.

    Args:
        trainer: The trainer, whose collator lays out the held-out rows too.
        settings: What to measure.
        run: Folder of the run; ``best/`` and ``evaluations/`` in it are written.
        rows: Held-out rows; may be none.
        processor: The model's.
    """

    def __init__(
        self, trainer: Trained, settings: EvaluationSettings, run: Path, rows: list[Row], processor: LammProcessor
    ) -> None:
        self.trainer = trainer
        self.settings = settings
        self.run = run
        self.rows = rows
        self.processor = processor
        self.key = "eval_score" if settings.benchmark else "eval_loss"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, where it is time."""
        if state.global_step % self.settings.every and state.global_step != state.max_steps:
            return
        began = time.monotonic()
        trainer, average = self.trainer, self.trainer.average
        trainer.model.eval()
        measured: dict[str, float] = {}
        with average.in_use() if average is not None else contextlib.nullcontext():
            if self.rows:
                measured["eval_loss"] = self.loss()
            if self.settings.benchmark:
                measured["eval_score"] = distributed.by_main(lambda: self.score(state.global_step))
            pending = control.should_log
            trainer.log({**measured, "eval_seconds": round(time.monotonic() - began, 2)})
            control.should_log = pending  # this step's own entry is still to come
            if self.settings.patience and not self.evaluations_without_gain():
                self.keep_best()
        trainer.model.train()
        trainer.meter.since += time.monotonic() - began  # evaluation is not training
        if self.has_ended(state):
            control.should_training_stop = control.should_log = True

    def has_ended(self, state: Any) -> bool:
        """Tell whether the run is over with this step, because nothing has got better for long enough."""
        judged = any(self.key in entry and entry["step"] == state.global_step for entry in state.log_history)
        return judged and 0 < self.settings.patience <= self.evaluations_without_gain()

    @torch.no_grad()
    def loss(self) -> float:
        """Return the mean loss over all response tokens of the held-out rows, over all processes."""
        trainer = self.trainer
        args, lengths = trainer.args, [row.tokens for row in self.rows]
        batches = EpochBatches(lengths, args.train_batch_size, 0, distributed.rank(), distributed.world_size())
        total = torch.zeros(2, dtype=torch.float64)
        for batch in TrainLoader(self.rows, trainer.data_collator, batches):
            inputs = trainer._prepare_inputs(batch)
            trainer.unreadable.add(inputs["facts"].unreadable)
            learnt = int(inputs["labels"][..., 1:].ne(IGNORED).sum())
            out = trainer.compute(trainer.model, trainer.prepared(trainer.adapters, inputs), 1)
            total += torch.tensor([float(out.loss), learnt], dtype=torch.float64)
        loss, tokens = reduce(total.to(args.device), "sum")
        return float(loss / tokens)

    def score(self, step: int) -> float:
        """Let the model answer the benchmark and the command score the answers.

        Raises:
            LammModelError: The command fails, or its last line is no number.
        """
        from lamm_model.prediction.image_text import ImageTextAnswers
        from lamm_model.prediction.journal import Journal
        from lamm_model.prediction.predictor import Predictor, answer_file
        from lamm_model.prediction.queries import PredictionOptions

        trainer = self.trainer
        model = trainer.accelerator.unwrap_model(trainer.model)
        trainer.adapters.restore()
        keep_input_types(model, False)
        predictions = self.run / "evaluations" / f"step-{step}.jsonl"
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.unlink(missing_ok=True)  # of a run that was killed after it
        journal = Journal(predictions, {"lamm": "predictions", "step": step})
        options = PredictionOptions()
        kind: Any = ImageTextAnswers if model.reads_alone else Predictor
        predictor = kind(model, self.processor, options)
        answer_file(Path(self.settings.benchmark), journal, predictor, options)
        keep_input_types(model, trainer.settings.precision == "bf16")
        return run_command(self.settings.command, self.settings.benchmark, predictions)

    def evaluations_without_gain(self) -> int:
        """Return how many evaluations lie between the best one and now; 0 when the last is the best."""
        values = [entry[self.key] for entry in self.trainer.state.log_history if self.key in entry]
        sign = 1.0 if self.key == "eval_score" and self.settings.higher_is_better else -1.0
        best = max(range(len(values)), key=lambda number: sign * values[number])  # the first of equals
        return len(values) - 1 - best

    def keep_best(self) -> None:
        """Write the weights as they are to ``best/``, beside and renamed."""
        main, best = distributed.rank() == 0, self.run / BEST
        with replaced_folder(best) if main else contextlib.nullcontext(best) as folder:
            save_changed(self.trainer.accelerator.unwrap_model(self.trainer.model), folder, write=main)

    def take_best(self) -> int | None:
        """Load the best weights after a run; return their step, or None where none were kept."""
        if not self.settings.patience:
            return None
        distributed.wait()
        load_changed(self.trainer.accelerator.unwrap_model(self.trainer.model), self.run / BEST)
        measured = [entry for entry in self.trainer.state.log_history if self.key in entry]
        return int(measured[-1 - self.evaluations_without_gain()]["step"])


def run_command(command: tuple[str, ...], benchmark: str, predictions: Path) -> float:
    """Run a scoring command and return the number on its last line.

    ``{benchmark}`` and ``{predictions}`` in program and arguments stand for the two files; no shell runs it.

    Raises:
        LammModelError: It cannot be started, fails, or prints no number.
    """
    filled = [part.replace("{benchmark}", benchmark).replace("{predictions}", str(predictions)) for part in command]
    try:
        ended = subprocess.run(filled, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LammModelError(f"Expected a scoring command, found {error} ({filled[0]}).") from error
    lines = ended.stdout.strip().splitlines()
    if ended.returncode:
        end = (ended.stderr or ended.stdout)[-TAIL:]
        raise LammModelError(f"Expected {' '.join(filled)} to score, got status {ended.returncode}:\n{end}")
    try:
        score = float(lines[-1])
        if not math.isfinite(score):
            raise ValueError("not finite")
        return score
    except (IndexError, ValueError) as error:
        last = lines[-1] if lines else "nothing"
        raise LammModelError(f"Expected a number on the last line of {' '.join(filled)}, found {last!r}.") from error
