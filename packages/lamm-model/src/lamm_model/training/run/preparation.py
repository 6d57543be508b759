"""The model of a run, ready to train: built or loaded, its trained part chosen, its step planned."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.processes import processes as distributed
from lamm_model.training.rows.packing import pack_rows
from lamm_model.training.rows.records import TrainingData, load_training_data
from lamm_model.training.run.cache_features import Report, open_features
from lamm_model.training.run.parts import load_parts
from lamm_model.training.settings.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.rows.feature_cache import FeatureCache
    from lamm_model.training.step.recomputation import StepPlan

_LOG = logging.getLogger("lamm_model")


@dataclass(slots=True)
class Prepared:
    """A model that can be trained."""

    model: "LammForConditionalGeneration"  # with adapters where they are what is trained
    processor: "LammProcessor"
    attention: str  # what its language model is set to
    plan: "StepPlan"  # memory of one pass
    data: TrainingData  # what it is to learn
    features: "FeatureCache | None" = None  # of frozen towers, computed before


def prepare_model(
    settings: FinetuneSettings, features: Path | None = None, report: "Report" = lambda done, total: None
) -> Prepared:
    """Build or load the model, read the data, choose what learns, and plan the step.

    Args:
        settings: The run.
        features: Folder for features of towers that read, where no cache is configured.
        report: Called with how many features were computed now, and how many are wanted.

    Raises:
        LammModelError: Parts cannot be loaded or do not fit together, data are missing, or dialogues of one row see
            each other.
        UsageError: A pass cannot fit in the device's memory.
    """
    from lamm_model.training.step.acceleration import compile_layers
    from lamm_model.training.step.recomputation import free_memory, plan_step, recompute

    device = distributed.device()
    half = settings.training.precision == "bf16"
    model, processor = load_parts(settings)
    budget = free_memory(settings.compute, device)  # before anything is moved there
    cache = open_features(settings, model, processor, features, report)
    data = load_training_data(settings.data, processor, _learns_text(settings, model), cache)
    _choose_trained(settings, model, data)
    if distributed.world_size() == 1 or settings.compute.sharding == "none":
        model.to(device)
    attention = _choose_attention(settings, model, data)
    tokens = settings.data.row_tokens * settings.training.batch_rows
    plan = plan_step(model, tokens, settings.compute, budget, half)
    recompute(model.model.language_model, plan.recomputed)
    model.loss_rows = settings.compute.loss_rows
    if settings.compute.compile:
        compile_layers(model.model.language_model)
    return Prepared(model, processor, attention, plan, data, cache)


def _choose_attention(settings: FinetuneSettings, model: "LammForConditionalGeneration", data: TrainingData) -> str:
    """Set the model to a proven attention; on top of one that sees already, rows are unpacked where packing is not."""
    from lamm_model.training.step.isolation import choose_proven

    device, half = distributed.device(), settings.training.precision == "bf16"
    wanted, packing = settings.compute.attention, settings.data.packing
    if not model.reads_alone:
        return choose_proven(model, wanted, device, half, packing)
    if wanted == "segments" or settings.compute.sharding != "none":
        raise UsageError(
            "Expected compute.attention = 'auto', 'sdpa' or 'eager' and compute.sharding = 'none' for a model.base, "
            f"got {wanted!r} and {settings.compute.sharding!r}: its own masks and weights stay as they are."
        )
    tried = ["sdpa", "eager"] if wanted == "auto" else [wanted]
    for attention, form in ((one, form) for form in dict.fromkeys((packing, "none")) for one in tried):
        try:
            chosen = choose_proven(model, attention, device, half, form)
        except LammModelError:
            if (attention, form) == (tried[-1], "none"):
                raise
            continue
        if form != packing:
            dialogues = [dialogue for row in data.rows for dialogue in row.dialogues]
            data.rows = pack_rows(dialogues, settings.data.row_tokens, form)
            _LOG.warning("This base model does not compute packed rows exactly: each dialogue has a row of its own.")
        return chosen
    raise AssertionError("no attention was tried")


def _learns_text(settings: FinetuneSettings, model: "LammForConditionalGeneration") -> bool:
    """Tell whether something learns from dialogues about no medium: all weights, or a set that there is or can be."""
    from lamm_model.model.adapter_layers import SHARED
    from lamm_model.model.adapters import adapter_settings

    present = adapter_settings(model)
    if model.reads_alone:
        return False
    if settings.model.train == "adapters":
        return present is None or bool({"text", SHARED} & set(present.modalities))
    return settings.model.train == "full"


def _choose_trained(settings: FinetuneSettings, model: "LammForConditionalGeneration", data: TrainingData) -> None:
    from lamm_model.model.adapter_layers import AdapterSettings, let_learn
    from lamm_model.model.adapters import adapter_settings, add_adapters, trainable_parts

    present = adapter_settings(model) is not None
    if not present:
        model.requires_grad_(False)  # a whole model comes from disk with everything to be learnt
    if settings.model.train == "adapters":
        if not present:
            towers = {"image": model.model.image_tower, "point_cloud": model.model.point_cloud_tower}
            modalities = [name for name, tower in towers.items() if tower is not None]
            if settings.model.adapt_images:
                modalities.insert(0, "image")
            if any(not dialogue.media for row in data.rows for dialogue in row.dialogues):
                modalities.append("text")
            parts = settings.adapters
            lora = AdapterSettings(parts.rank, parts.alpha, parts.dropout, list(parts.target_modules), modalities)
            add_adapters(model, lora, seed=settings.training.seed)
        return
    if present:
        raise UsageError(
            f"Expected a model without adapters to train its {settings.model.train}, got one with them. "
            "Export it first: lamm model export."
        )
    full = settings.model.train == "full"
    if full and model.reads_alone:
        raise UsageError(
            "Expected model.train = 'adapters' or 'projectors', got 'full'. A model that sees already stays frozen."
        )
    model.model.language_model.requires_grad_(full)
    model.lm_head.requires_grad_(full)
    for part in trainable_parts(model).values():
        let_learn(part)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UsageError(
            f"Expected something to train, got model.train = {settings.model.train!r} and towers that read, whose "
            "projectors have no weights. Set model.train = 'adapters'."
        )
