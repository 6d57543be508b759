"""The model and processor that a run's settings name, before anything of them is chosen to learn."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import LammModelError
from lamm_model.training.settings.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor


def load_parts(settings: FinetuneSettings) -> "tuple[LammForConditionalGeneration, LammProcessor]":
    """Build or load the model of a run and its processor, in the type that its frozen part is held in.

    Raises:
        LammModelError: Parts cannot be loaded or do not fit together.
    """
    import torch

    from lamm_model.building.building import build_pair
    from lamm_model.building.building_vlm import build_on_vlm
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
    of_either: dict[str, Any] = {
        "use_system": chosen.system_message,
        "freeze_point_cloud_tower": not (chosen.train_point_cloud_tower or chosen.point_cloud_tower_rank),
        "point_cloud_rank": chosen.point_cloud_tower_rank,
        "seed": settings.training.seed,
        "dtype": dtype,
        "point_cloud_unit": chosen.point_cloud_unit,
    }
    try:
        if chosen.base:
            on_top: Any = build_on_vlm(
                chosen.base,
                chosen.point_cloud_tower,
                routes_images=chosen.adapt_images,
                **of_either,
            )
            return on_top  # type: ignore[no-any-return]
        pair = build_pair(
            chosen.language_model,
            image_tower=chosen.image_tower or None,
            point_cloud=chosen.point_cloud_tower or None,
            prompt_format=chosen.prompt_format,
            quantize=chosen.quantize,
            image_resize=chosen.image_resize,
            **of_either,
        )
    except LammModelError as error:
        for key in ("base", "language_model", "image_tower", "point_cloud_tower"):
            folder = str(getattr(chosen, key) or "-")
            if Path(folder).is_dir() and folder in str(error):
                raise type(error)(f"{error} It is what model.{key} names.") from error
        raise
    except (OSError, ValueError) as error:  # transformers' words for what it cannot fetch or read
        parts = f"{chosen.language_model!r} and model.image_tower = {chosen.image_tower!r}. Check both."
        named = f"model.base = {chosen.base!r}. Check it." if chosen.base else f"model.language_model = {parts}"
        needed = "Where torchvision is missing, install it: the part for videos needs it. " * (
            "video pro" in str(error)
        )
        raise LammModelError(
            f"Expected folders or hub names that can be loaded, found {named} Give a folder where there is no network. "
            f"{needed}The library said: {error}."
        ) from error
    if chosen.jpeg_scaling and pair[1].image_processor is not None:
        pair[1].image_processor.jpeg_scaling = True
    return pair
