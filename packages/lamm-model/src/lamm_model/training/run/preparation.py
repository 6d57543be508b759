"""The model of a run, ready to train: built or loaded, its trained part chosen, its step planned."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamm_model.errors import LammModelError, UsageError
from lamm_model.training.processes import processes as distributed
from lamm_model.training.rows.records import TrainingData, load_training_data
from lamm_model.training.settings.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.step.recomputation import StepPlan


@dataclass(slots=True)
class Prepared:
    """A model that can be trained."""

    model: "LammForConditionalGeneration"  # with adapters where they are what is trained
    processor: "LammProcessor"
    attention: str  # what its language model is set to
    plan: "StepPlan"  # memory of one pass
    data: TrainingData  # what it is to learn


def prepare_model(settings: FinetuneSettings) -> Prepared:
    """Build or load the model, read the data, choose what learns, and plan the step.

    Raises:
        LammModelError: Parts cannot be loaded or do not fit together, data are missing, or dialogues of one row see
            each other.
        UsageError: A pass cannot fit in the device's memory.
    """
    from lamm_model.training.step.acceleration import compile_layers
    from lamm_model.training.step.isolation import choose_proven
    from lamm_model.training.step.recomputation import free_memory, plan_step, recompute

    device = distributed.device()
    half = settings.training.precision == "bf16"
    model, processor = load_parts(settings)
    data = load_training_data(settings.data, processor, _learns_text(settings, model))
    _choose_trained(settings, model, data)
    budget = free_memory(settings.compute, device)
    if distributed.world_size() == 1 or settings.compute.sharding == "none":
        model.to(device)
    attention = choose_proven(model, settings.compute.attention, device, half, settings.data.packing)
    tokens = settings.data.row_tokens * settings.training.batch_rows
    plan = plan_step(model, tokens, settings.compute, budget, half)
    recompute(model.model.language_model, plan.recomputed)
    model.loss_rows = settings.compute.loss_rows
    if settings.compute.compile:
        compile_layers(model.model.language_model)
    return Prepared(model, processor, attention, plan, data)


def load_parts(settings: FinetuneSettings) -> "tuple[LammForConditionalGeneration, LammProcessor]":
    """Build or load the model of a run and its processor, in the type that its frozen part is held in.

    Raises:
        LammModelError: Parts cannot be loaded or do not fit together.
    """
    import torch

    from lamm_model.building.building import build_pair
    from lamm_model.checkpoints.checkpoint import load_model

    chosen = settings.model
    half = settings.training.precision == "bf16" and torch.cuda.is_available()
    dtype = torch.bfloat16 if half else torch.float32
    if chosen.train == "full":
        dtype = torch.float32  # what is trained keeps float32 weights: small updates would be rounded away
    pair: tuple[LammForConditionalGeneration, LammProcessor]
    if chosen.path:
        pair = load_model(chosen.path, dtype=dtype, quantize=chosen.quantize)
        return pair
    try:
        pair = build_pair(
            chosen.language_model,
            image_tower=chosen.image_tower or None,
            point_cloud=chosen.point_cloud_tower or None,
            prompt_format=chosen.prompt_format,
            use_system=chosen.system_message,
            freeze_point_cloud_tower=not chosen.train_point_cloud_tower,
            seed=settings.training.seed,
            dtype=dtype,
            quantize=chosen.quantize,
            image_resize=chosen.image_resize,
            point_cloud_unit=chosen.point_cloud_unit,
        )
    except (OSError, ValueError) as error:  # transformers' words for what it cannot fetch or read
        raise LammModelError(
            f"Expected folders or hub names that can be loaded, found model.language_model = {chosen.language_model!r} "
            f"and model.image_tower = {chosen.image_tower!r}. Check both, and give a folder where there is no network. "
            f"The library said: {error}"
        ) from error
    if chosen.jpeg_scaling and pair[1].image_processor is not None:
        pair[1].image_processor.jpeg_scaling = True
    return pair


def _learns_text(settings: FinetuneSettings, model: "LammForConditionalGeneration") -> bool:
    """Tell whether something learns from dialogues about no medium: all weights, or a set that there is or can be."""
    from lamm_model.model.adapter_layers import SHARED
    from lamm_model.model.adapters import adapter_settings

    present = adapter_settings(model)
    if settings.model.train == "adapters":
        return present is None or bool({"text", SHARED} & set(present.modalities))
    return settings.model.train == "full"


def _choose_trained(settings: FinetuneSettings, model: "LammForConditionalGeneration", data: TrainingData) -> None:
    from lamm_model.model.adapter_layers import AdapterSettings
    from lamm_model.model.adapters import adapter_settings, add_adapters, trainable_parts

    present = adapter_settings(model) is not None
    if not present:
        model.requires_grad_(False)  # a whole model comes from disk with everything to be learnt
    if settings.model.train == "adapters":
        if not present:
            towers = {"image": model.model.image_tower, "point_cloud": model.model.point_cloud_tower}
            modalities = [name for name, tower in towers.items() if tower is not None]
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
    model.model.language_model.requires_grad_(full)
    model.lm_head.requires_grad_(full)
    for part in trainable_parts(model).values():
        part.requires_grad_(True)
