"""Cached features of frozen towers in a fine-tuning run: filled before it, checked at its start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamm_model.errors import UsageError
from lamm_model.training.processes import processes as distributed
from lamm_model.training.rows.packing import Medium
from lamm_model.training.rows.records import held_out, load_held_out, load_training_data, media_of_records
from lamm_model.training.settings.settings import FinetuneSettings

if TYPE_CHECKING:
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.processing.processing_lamm import LammProcessor
    from lamm_model.training.rows.feature_cache import FeatureCache

LISTED = 10
Report = Callable[[int, int], None]


def open_features(
    settings: FinetuneSettings,
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    folder: Path | None = None,
    report: Report = lambda done, total: None,
) -> FeatureCache | None:
    """Open the configured cache and check that it fits this run.

    Where none is configured, features of media of which some tokens say nothing are computed into ``folder``: how many
    places they take is known only then. Others are left to their towers.

    Returns:
        The features; None where there are none.

    Raises:
        UsageError: The cache was made by another tower, preprocessing or precision, holds fewer samplings or not all
            media, or the tower is trained.
    """
    silent = model.config.silent_media
    if not settings.data.feature_cache and not silent:
        return None
    media = media_of_records(settings.data, held_out(settings))
    if settings.data.feature_cache:
        cache = _open(settings, Path(settings.data.feature_cache), model, processor, media)
        check_holds(cache, media)
        return cache
    media = {medium for medium in media if medium[0] in silent}
    if folder is None:
        raise UsageError("Expected data.feature_cache for a tower of which some tokens say nothing. Set it.")
    return distributed.by_main(lambda: _fill(settings, folder, model, processor, media, report, False)[0])


def _open(
    settings: FinetuneSettings,
    folder: Path,
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    media: set[Medium],
    sign: bool = False,
) -> FeatureCache:
    """Open a cache, refuse one that was made otherwise; `sign` one that is new."""
    from lamm_model.training.rows.feature_cache import check_made_by, open_cache, signature

    kinds = sorted({kind for kind, _ in media})
    frozen = {"image": model.config.freeze_image_tower, "point_cloud": model.config.freeze_point_cloud_tower}
    if trained := [kind for kind in kinds if not frozen[kind]]:  # what changes with every step
        raise UsageError(
            f"Expected frozen towers to cache features of, found the {' and '.join(trained)} tower trained. Set "
            "model.train_point_cloud_tower = false."
        )
    cache, wanted = open_cache(folder), settings.data.cloud_variants
    if sign and not cache.variants:
        cache.variants = wanted
    for kind in kinds:
        made_by = signature(model, processor, kind, settings.training.precision == "bf16")
        if sign:
            cache.signatures.setdefault(kind, made_by)
        check_made_by(cache, kind, made_by)
    if (sign or "point_cloud" in kinds) and cache.variants != wanted:
        raise UsageError(f"Expected {wanted} samplings of each cloud in {folder}, found {cache.variants}.")
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
    settings: FinetuneSettings, folder: Path, report: Report = lambda done, total: None
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
    from lamm_model.training.run.parts import load_parts

    model, processor = load_parts(settings)
    media = media_of_records(settings.data, held_out(settings))
    cache, computed = _fill(settings, folder, model, processor, media, report)
    load_training_data(settings.data, processor, features=cache)  # says what else is wrong with them
    load_held_out(settings, processor, cache)
    wanted = sum(cache.variants if kind == "point_cloud" else 1 for kind, _ in media)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return {"media": len(media), "features": wanted, "computed": computed, "bytes": size}


def _fill(
    settings: FinetuneSettings,
    folder: Path,
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    media: set[Medium],
    report: Report,
    readable: bool = True,
) -> tuple[FeatureCache, int]:
    """Compute the features of media that a folder lacks; return it and how many."""
    from lamm_model.training.rows.feature_cache import fill, tower_of

    cache = _open(settings, folder, model, processor, media, sign=True)
    wanted = sum(cache.variants if kind == "point_cloud" else 1 for kind, _ in media)
    computed = 0
    for kind in {kind for kind, _ in media}:
        tower_of(model, kind).to(distributed.device())
    half = settings.training.precision == "bf16"
    for count in fill(cache, model.eval(), processor, media, half, readable=readable):
        computed += count
        report(computed, wanted)
    return cache, computed
