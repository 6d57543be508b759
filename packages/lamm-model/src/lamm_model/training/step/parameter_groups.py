"""The optimiser's groups: which weights share a learning rate and a decay."""

from typing import Any

from torch import nn

from lamm_model.training.callbacks.guards import part_of
from lamm_model.training.settings.tables import TrainingSettings


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
            "params": found,
            "lr": rates.get(part, settings.learning_rate),
            "weight_decay": settings.weight_decay if decays else 0.0,
        }
        for (part, decays), found in sorted(groups.items(), key=lambda item: item[0])
    ]
