"""What watches a run: guards, averaging, evaluation, trackers, the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lamm_model.training.callbacks.averaging import WeightAverage
    from lamm_model.training.rows.collation import Collator
    from lamm_model.training.settings.tables import TrainingSettings
    from lamm_model.training.step.acceleration import AdapterChoice
    from lamm_model.training.step.speed import SpeedMeter


class Trained(Protocol):
    """What callbacks need of a trainer.

    Attributes:
        settings: The recipe.
        attention: What the language model is set to.
        adapters: Which adapter sets are computed.
        meter: Of its speed.
        average: Of the weights, where one is kept.
        data_collator: Lays rows out.
        model: As it is trained.
        args: Hugging Face's arguments.
        state: Step and log.
        accelerator: Wraps and unwraps the model.
        seen: Modalities that this process has computed so far.
        step_kinds: Modality ids of this process's tokens in this step.
    """

    settings: TrainingSettings
    attention: str
    adapters: AdapterChoice
    meter: SpeedMeter
    average: WeightAverage | None
    data_collator: Collator
    model: Any
    args: Any
    state: Any
    accelerator: Any
    seen: set[str]
    step_kinds: set[int]

    def compute(self, inputs: dict[str, Any], items: Any, wrapped: Any = None) -> Any:
        """Compute a pass."""

    def log(self, logs: dict[str, float]) -> None:
        """Take an entry into the log."""

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Move a batch to the model's device."""
