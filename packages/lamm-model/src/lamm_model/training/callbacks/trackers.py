"""Trackers of a run: Hugging Face's callbacks send them the log; here is what those leave out."""

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from lamm_model.errors import UsageError

PROJECT = "lamm"
KEEP_CONFIG = ("wandb", "trackio")


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
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None


class SettingsTracker(TrainerCallback):  # type: ignore[misc]
    """Gives trackers the run's own settings, beside Hugging Face's arguments, and ends what they began.

    Args:
        names: Of the trackers.
        tables: The settings as plain tables.
    """

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
