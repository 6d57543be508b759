"""The optimiser's groups: which weights share a learning rate and a decay."""

from typing import Any

from torch import nn

from lamm_model.training.callbacks.guards import modality_of, part_of
from lamm_model.training.settings.tables import TrainingSettings


def parameter_groups(model: nn.Module, settings: TrainingSettings, by_modality: bool = False) -> list[dict[str, Any]]:
    """Return the optimiser's groups: adapters, projectors, towers; biases and norms without weight decay.

    Args:
        model: With its trained part chosen.
        settings: The learning rates.
        by_modality: One group for each modality's own weights, named in ``modality``.
    """
    rates = {
        "projector": settings.projector_learning_rate or settings.learning_rate,
        "tower": settings.tower_learning_rate or settings.learning_rate,
    }
    groups: dict[tuple[str, bool, str], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            modality = modality_of(name) if by_modality else ""
            groups.setdefault((part_of(name), parameter.ndim >= 2, modality), []).append(parameter)
    return [
        {
            "params": found,
            "lr": rates.get(part, settings.learning_rate),
            "weight_decay": settings.weight_decay if decays else 0.0,
            **({"modality": modality} if by_modality else {}),
        }
        for (part, decays, modality), found in sorted(groups.items())
    ]
