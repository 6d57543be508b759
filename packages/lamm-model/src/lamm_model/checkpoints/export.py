"""Turn a checkpoint into a whole model with one adapter set merged, or into the language model alone."""

from __future__ import annotations

from pathlib import Path

import torch
from peft.tuners.lora import LoraLayer

from lamm_model.building.building import base_names
from lamm_model.checkpoints.checkpoint import (
    load_model,
    locate,
    read_config,
    read_manifest,
    save_model,
)
from lamm_model.errors import UsageError
from lamm_model.model.adapters import adapter_settings, keep_adapter
from lamm_model.model.configuration_lamm_vlm import LammVlmConfig
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.processing.processing_lamm import LammProcessor


def refuse_existing(output: Path) -> None:
    """Refuse to write where something is.

    Raises:
        UsageError: `output` exists.
    """
    if output.exists():
        raise UsageError(f"Expected a new folder, got {output}, which exists. Choose another --output.")


def merge_adapters(model: LammForConditionalGeneration, name: str) -> LammForConditionalGeneration:
    """Add one adapter set to the language model's weights for good and drop the others: one matrix cannot hold two.

    Returns:
        The same model, changed in place, now without adapters.

    Raises:
        UsageError: The model has no set of that name.
    """
    keep_adapter(model, name)
    language_model = model.model.language_model
    for path, module in list(language_model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(adapter_names=[name])
            parent, _, leaf = path.rpartition(".")
            setattr(language_model.get_submodule(parent), leaf, module.get_base_layer())
    if hasattr(language_model, "peft_config"):
        del language_model.peft_config
    model.config.adapters = None
    model.model.routing.enabled = False
    return model


def split_checkpoint(folder: Path, output: Path) -> list[str]:
    """Write one checkpoint for each adapter set, each with the tower and projector of its modality alone.

    Args:
        folder: Checkpoint.
        output: Folder to write `image/`, `point_cloud/` and the like into; must not exist.

    Returns:
        The sets' names.

    Raises:
        UsageError: `output` exists, or the checkpoint has no two sets.
    """
    refuse_existing(output)
    _refuse_on_top(folder)
    manifest = read_manifest(locate(folder))
    names = list(manifest["adapters"]["modalities"]) if manifest is not None else []
    if len(names) < 2:
        raise UsageError(f"Expected a checkpoint with several adapter sets to split, got {', '.join(names) or 'none'}.")
    for name in names:
        model, processor = load_model(folder)
        keep_adapter(model, name)
        _keep_modality(model, processor, name)
        save_model(model, processor, output / name)
    return names


def _refuse_on_top(folder: Path) -> None:
    """Refuse to merge what lies on top of a model that sees already.

    Raises:
        UsageError: It does.
    """
    if read_config(locate(folder)).model_type == LammVlmConfig.model_type:
        raise UsageError(
            f"Expected a LAMM model to export, got one on top of a model that sees already ({folder}): merged, its "
            "adapters would change what the base answers without a cloud. Use the checkpoint as it is."
        )


def _keep_modality(model: LammForConditionalGeneration, processor: LammProcessor, name: str) -> None:
    """Take out the tower and projector of the other modality; a set for neither keeps both."""
    body, config = model.model, model.config
    if name == "point_cloud":
        body.image_tower = body.image_projector = config.image_config = None
        processor.image_tokens = 0
        model.lamm_base = {**(base_names(model) or {}), "image_tower": None}
    elif name == "image":
        body.point_cloud_tower = body.point_cloud_projector = config.point_cloud_config = None
        processor.point_cloud_tokens = 0


def export_checkpoint(
    folder: Path, output: Path, adapter: str | None = None, language_model_only: bool = False, to: str = "transformers"
) -> str:
    """Write a merged model that plain transformers loads.

    Args:
        folder: Checkpoint.
        output: Folder to write; must not exist.
        adapter: Set to merge; may be left out where there is only one.
        language_model_only: Write the merged language model and tokenizer alone, as an ordinary causal model.
        to: `transformers`, or `vllm` for a folder that vLLM opens too, where this package is installed beside it.

    Returns:
        Name of the merged set, empty for a model without adapters.

    Raises:
        UsageError: `output` exists, several sets are there and none is chosen, or vLLM cannot do what the model needs.
    """
    refuse_existing(output)
    _refuse_on_top(folder)
    model, processor = load_model(folder)
    if to == "vllm" and not language_model_only:
        _check_for_vllm(processor)
        if model.config.silent_media:
            raise UsageError(
                "Expected towers of a fixed number of tokens for vLLM, got one of which some say nothing "
                f"({', '.join(model.config.silent_media)}). Use `lamm model serve`."
            )
    settings = adapter_settings(model)
    name = adapter or (settings.modalities[0] if settings is not None and len(settings.modalities) == 1 else "")
    if settings is not None:
        if not name:
            raise UsageError(
                f"Expected --adapter with one of {', '.join(settings.modalities)}, got none. One model holds one set."
            )
        merge_adapters(model, name)
    if language_model_only:
        from transformers import AutoModelForCausalLM

        config = model.config.text_config
        with torch.device("meta"):
            causal = AutoModelForCausalLM.from_config(config)
        setattr(causal, causal.base_model_prefix, model.model.language_model)
        causal.set_output_embeddings(model.lm_head)
        causal.save_pretrained(output)
        processor.tokenizer.save_pretrained(output)
    else:
        save_model(model, processor, output)
    return name


def _check_for_vllm(processor: LammProcessor) -> None:
    """Refuse what the plugin would answer wrongly or not at all."""
    if processor.image_processor.moves_coordinates:
        raise UsageError(
            "Expected a model of squashed pictures for vLLM, got one of letterboxed ones: points and boxes in "
            "questions and answers move with the picture, which vLLM does not do. Use `lamm model serve`."
        )
