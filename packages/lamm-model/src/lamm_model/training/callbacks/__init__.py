"""What watches a run: guards, averaging, evaluation, trackers, the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lamm_model.training.callbacks.averaging import WeightAverage
    from lamm_model.training.rows.collation import Collator
    from lamm_model.training.saving.run_folder import Unreadable
    from lamm_model.training.settings.tables import TrainingSettings
    from lamm_model.training.step.acceleration import AdapterChoice
    from lamm_model.training.step.speed import SpeedMeter


class Trained(Protocol):
    """What callbacks need of a trainer."""

    settings: TrainingSettings
    attention: str  # what the language model is set to
    adapters: AdapterChoice
    meter: SpeedMeter
    average: WeightAverage | None
    unreadable: Unreadable
    data_collator: Collator
    model: Any  # as it is trained
    args: Any
    state: Any
    accelerator: Any
    seen: set[str]  # modalities that this process has computed so far
    step_kinds: set[int]  # modality ids of this process's tokens in this step

    def prepared(self, adapters: AdapterChoice, batch: dict[str, Any]) -> dict[str, Any]:
        """Return what a model takes of a batch, its adapters chosen for it."""

    def compute(self, model: Any, inputs: dict[str, Any], items: Any) -> Any:
        """Compute a pass."""

    def log(self, logs: dict[str, float]) -> None:
        """Take an entry into the log."""

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Move a batch to the model's device."""
