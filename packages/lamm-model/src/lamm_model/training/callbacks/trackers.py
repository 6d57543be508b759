"""Who is told how a run goes: trackers, by Hugging Face's callbacks, the function that reports, and the plot."""

import importlib
import importlib.util
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from lamm_data import Curves, lay_out, save_page
from lamm_model.errors import UsageError
from lamm_model.training.step.speed import SpeedMeter

PROJECT = "lamm"
KEEP_CONFIG = ("wandb", "trackio")
PANELS = (("loss", "eval_loss"), ("eval_score",), ("learning_rate",))
COLOURS = {"loss": "#1f6f8b", "eval_loss": "#c2384b", "eval_score": "#85609a", "learning_rate": "#3b7d5b"}
SIZE = (912, 336)
"""Pixels of a panel without its margins."""


def find_trackers(names: Sequence[str], run: Path) -> list[str]:
    """Return the trackers to report to; TensorBoard's files go to ``run/tensorboard``.

    Raises:
        UsageError: One of them is not installed.
    """
    missing = [name for name in names if not _installed(name)]
    if missing:
        raise UsageError(
            f"Expected the trackers {', '.join(names)}, found {', '.join(missing)} not installed. "
            f'pip install "lamm-model[trackers]" {" ".join(missing)}.'
        )
    os.environ.setdefault("WANDB_PROJECT", PROJECT)
    if "tensorboard" in names:
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(run / "tensorboard"))
    return list(names)


def _installed(name: str) -> bool:
    """Return whether a package is there; a bare folder of its name, where it writes its runs, is none."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


class SettingsTracker(TrainerCallback):  # type: ignore[misc]
    """Gives trackers the run's own settings, beside Hugging Face's arguments, and ends what they began."""

    def __init__(self, names: Sequence[str], tables: dict[str, Any]) -> None:
        self.names = [name for name in names if name in KEEP_CONFIG]
        self.tables = tables

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Send the settings; the trackers' own callbacks have begun the run."""
        if state.is_world_process_zero:
            for name in self.names:
                importlib.import_module(name).config.update({"lamm": self.tables}, allow_val_change=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End Weights & Biases' run now: at the interpreter's exit it would write between the results."""
        if state.is_world_process_zero and "wandb" in self.names:
            importlib.import_module("wandb").finish()


class ProgressCallback(TrainerCallback):  # type: ignore[misc]
    """Reports step, loss and speed to a function.

    Args:
        report: Called with the step, the number of steps and the last log entry of a step, or the entry that is new.
        meter: Counts what was computed.
    """

    def __init__(self, report: Callable[[int, int, dict[str, float]], None], meter: SpeedMeter) -> None:
        self.report = report
        self.meter = meter
        self.last: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.meter.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report one step.

        The last one is logged, so that its loss is gathered over all processes. So is the one that a checkpoint
        follows: a run that goes on from there then logs the mean losses of the same steps.
        """
        ends = state.global_step == state.max_steps or state.global_step % args.save_steps == 0
        control.should_log = control.should_log or ends
        self.report(state.global_step, state.max_steps, self.last)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Report an entry, speeds included, and keep the last one of a step."""
        if not logs or "train_runtime" in logs:
            return
        entry = {key: value for key, value in state.log_history[-1].items() if isinstance(value, int | float)}
        if math.isfinite(entry.get("loss", math.nan)):
            self.last = entry
        self.report(state.global_step, state.max_steps, entry)


def draw_run(log: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw what a trainer logged: one panel for losses, one for scores where there are any, one for the learning rate.

    Args:
        log: The trainer's log history: entries with `step` and values.
        path: Of the PNG.

    Returns:
        Whether there was anything to draw.
    """
    panels = []
    for names in PANELS:
        if lines := {name: line for name in names if (line := _points(log, name))}:
            named = {name.replace("_", " "): line for name, line in lines.items()}
            panels.append(Curves("", named, "step", [COLOURS[name] for name in lines]))
    if panels:
        save_page(lay_out("", panels, columns=1, size=SIZE), path, scale=1)
    return bool(panels)


def _points(log: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(float(e["step"]), float(e[name])) for e in log if "step" in e and math.isfinite(e.get(name, math.nan))]
