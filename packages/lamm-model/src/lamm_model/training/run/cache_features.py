"""Cached features of frozen towers in a fine-tuning run: filled before it, checked at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import UsageError
from lamm_model.training.rows.packing import Medium
from lamm_model.training.rows.records import TrainingData, load_training_data
from lamm_model.training.settings.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.training.rows.feature_cache import FeatureCache
    from lamm_model.training.run.preparation import Prepared

LISTED = 10


def refuse_trained(model: LammForConditionalGeneration, kinds: set[str]) -> None:
    """Refuse to cache what changes with every step.

    Raises:
        UsageError: The tower of one of these modalities is trained.
    """
    frozen = {"image": model.config.freeze_image_tower, "point_cloud": model.config.freeze_point_cloud_tower}
    if trained := sorted(kind for kind in kinds if not frozen[kind]):
        raise UsageError(
            f"Expected frozen towers to cache features of, found the {' and '.join(trained)} tower trained. Set "
            "model.train_point_cloud_tower = false, or leave data.feature_cache empty."
        )


def open_features(settings: FinetuneSettings, prepared: Prepared, data: TrainingData) -> FeatureCache | None:
    """Open the configured cache and check that it fits this run; None where none is configured.

    Raises:
        UsageError: It was made by another tower, preprocessing or precision, holds fewer samplings or not all media,
            or the tower is trained.
    """
    if not settings.data.feature_cache:
        return None
    from lamm_model.training.rows.feature_cache import check_made_by, open_cache, signature

    media = {medium for row in data.rows for medium in row.media}
    kinds = {kind for kind, _ in media}
    refuse_trained(prepared.model, kinds)
    cache = open_cache(Path(settings.data.feature_cache))
    for kind in sorted(kinds):
        made_by = signature(prepared.model, prepared.processor, kind, settings.training.precision == "bf16")
        check_made_by(cache, kind, made_by)
    wanted = settings.data.cloud_variants
    if "point_cloud" in kinds and cache.variants != wanted:
        raise UsageError(f"Expected {wanted} samplings of each cloud in {cache.folder}, found {cache.variants}.")
    check_holds(cache, media)
    return cache


def check_holds(cache: FeatureCache, media: set[Medium]) -> None:
    """Refuse a cache without the features of some media.

    Raises:
        UsageError: With their number and the first of them.
    """
    if missing := cache.missing(media):
        shown = "\n".join(f"  {path}" for path in missing[:LISTED])
        raise UsageError(
            f"Expected features of every medium in {cache.folder}, found {len(missing)} without, among them:\n{shown}\n"
            "Run lamm model cache-features again; it computes what is missing."
        )


def cache_features(
    settings: FinetuneSettings, folder: Path, report: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Compute the features of a run's media into a folder; what is there already stays.

    Args:
        settings: The run that is to read them.
        folder: Where to.
        report: Called with the number of features computed now, and how many are wanted in all.

    Returns:
        ``media``, ``features`` (samplings counted), ``computed`` (now) and ``bytes``.

    Raises:
        UsageError: The folder holds features of another model, or a tower is trained.
    """
    from lamm_model.training.processes import processes as distributed
    from lamm_model.training.rows.feature_cache import check_made_by, fill, open_cache, signature
    from lamm_model.training.run.preparation import load_parts

    model, processor = load_parts(settings)
    model.to(distributed.device()).eval()
    rows = load_training_data(settings.data, processor).rows
    if settings.evaluation.records:
        held = replace(settings.data, records=settings.evaluation.records, shares=())
        rows += load_training_data(held, processor).rows
    media = {medium for row in rows for medium in row.media}
    kinds = {kind for kind, _ in media}
    refuse_trained(model, kinds)
    cache = open_cache(folder)
    variants, half = settings.data.cloud_variants, settings.training.precision == "bf16"
    if cache.variants not in (0, variants):
        raise UsageError(f"Expected {variants} samplings of each cloud in {folder}, found {cache.variants}.")
    cache.variants = variants
    for kind in kinds:
        made_by = signature(model, processor, kind, half)
        cache.signatures.setdefault(kind, made_by)
        check_made_by(cache, kind, made_by)
    wanted = sum(variants if kind == "point_cloud" else 1 for kind, _ in media)
    computed = 0
    for count in fill(cache, model, processor, media, half):
        computed += count
        report(computed, wanted)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return {"media": len(media), "features": wanted, "computed": computed, "bytes": size}
