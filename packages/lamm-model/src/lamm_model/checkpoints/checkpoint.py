"""Save checkpoints, find them, and load them where they are to answer.

A checkpoint is a folder with what fine-tuning changed and the names of the base models:

lamm.json                   format, base models, their fingerprint, adapter settings
config.json                 LammConfig
adapters/, parts.safetensors  the weights (`lamm_model.checkpoints.trained_parts`)
processor_config.json ...   LammProcessor
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoModelForImageTextToText

from lamm_model.building.auto_classes import register
from lamm_model.building.building import BaseNames, base_names, build_model, resolve_base
from lamm_model.building.building_vlm import build_vlm
from lamm_model.checkpoints.trained_parts import load_trained, refuse_changed, replaced_folder, save_trained, seal
from lamm_model.errors import LammModelError, UsageError
from lamm_model.model.adapter_layers import AdapterSettings
from lamm_model.model.adapters import adapter_settings, add_adapters, whole_state
from lamm_model.model.configuration_lamm import LammConfig
from lamm_model.model.configuration_lamm_vlm import LammVlmConfig
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.model.modeling_lamm_vlm import LammVlmForConditionalGeneration
from lamm_model.model.quantization import is_quantised, loading_arguments, torch_dtype
from lamm_model.model.saving import MANIFEST, pretrained, refuse_huge
from lamm_model.processing.processing_lamm import LammProcessor
from lamm_model.processing.processing_lamm_vlm import LammVlmProcessor

FORMAT_VERSION = 1
_OWN_SETTINGS = (
    "image_token_id",
    "point_cloud_token_id",
    "image_feature_layer",
    "image_feature_select",
    "image_feature_norm",
    "image_token_count",
    "image_width",
    "point_cloud_feature_norm",
    "projector_type",
    "freeze_image_tower",
    "freeze_point_cloud_tower",
)
_OF_CLOUDS = {"point_cloud_token_id", "point_cloud_feature_norm", "projector_type", "freeze_point_cloud_tower"}


def fingerprint(model: LammForConditionalGeneration, plain: bool = False) -> str:
    """Hash the frozen base: names, shapes and sampled values of the language model's and image tower's weights.

    Values enter rounded to bfloat16, so a base loaded in bfloat16 or float32 gives the same hash.

    Args:
        model: The model.
        plain: Leave linear layers out: embeddings and norms are the same in a quantised base.
    """
    digest = hashlib.sha256()
    towers = {"language_model": model.model.language_model}
    if isinstance(model, LammVlmForConditionalGeneration):
        towers = {"vlm": model.model.vlm}
    if model.model.image_tower is not None and model.config.freeze_image_tower:
        towers["image_tower"] = model.model.image_tower
    for part, module in towers.items():
        for name, value in sorted(_base_state(module, plain).items()):
            digest.update(f"{part}.{name}{list(value.shape)}".encode())
            digest.update(value.flatten()[:64].to(torch.bfloat16).float().cpu().numpy().tobytes())
    return digest.hexdigest()


def keep_fingerprints(model: LammForConditionalGeneration) -> None:
    """Remember the fingerprints of a model that is about to be cut into shares, where they cannot be computed."""
    model.lamm_fingerprints = {plain: fingerprint(model, plain) for plain in (False, True)}


def _base_state(module: torch.nn.Module, plain: bool) -> dict[str, Tensor]:
    """State without adapters, under the names it has without them."""
    linear = {name for name, layer in module.named_modules() if plain and isinstance(layer, torch.nn.Linear)}
    return {
        name.replace(".base_layer.", "."): value
        for name, value in module.state_dict().items()
        if ".lora_" not in name and not name.endswith("num_batches_tracked") and not _within(name, linear)
    }


def _within(name: str, layers: set[str]) -> bool:
    parts = name.split(".")
    return bool(layers) and any(".".join(parts[:end]) in layers for end in range(1, len(parts)))


def _check_base(model: LammForConditionalGeneration, manifest: dict[str, Any], path: Path, base: object) -> None:
    """Refuse a base with other weights than the checkpoint was trained with."""
    plain = not manifest.get("fingerprint") or is_quantised(model)
    if fingerprint(model, plain) != manifest.get("fingerprint_plain" if plain else "fingerprint"):
        raise LammModelError(
            f"Expected the base models that {path} was trained with, got other weights in {base}. Give the right base."
        )


def save_model(
    model: LammForConditionalGeneration,
    processor: LammProcessor,
    folder: str | Path,
    base: BaseNames | None = None,
    write: bool = True,
) -> None:
    """Write a checkpoint (a model with adapters) or a whole model (one without) beside `folder` and rename it there.

    Args:
        model: The model; where it is sharded, every process must save it, and one of them writes.
        processor: Its processor.
        folder: Where to; an older checkpoint there is replaced.
        base: `language_model` and `image_tower` as given to `build_pair`; taken from the model when None.
        write: False only hands this process's shares over.

    Raises:
        LammModelError: The model's base is unknown.
    """
    if not write:
        if adapter_settings(model) is None:
            whole_state(model.state_dict())
        else:
            save_trained(model, folder, write=False)
        return
    with replaced_folder(Path(folder)) as beside:
        if adapter_settings(model) is None:
            model.save_pretrained(beside, state_dict=whole_state(model.state_dict()))
        else:
            _write(model, beside, base)
        processor.save_pretrained(beside)
        seal(beside)


def _write(model: LammForConditionalGeneration, folder: Path, base: BaseNames | None) -> None:
    names = base or base_names(model)
    settings = adapter_settings(model)
    if names is None or settings is None:
        raise LammModelError("Expected to know the base models, got none. Build with build_pair or pass base.")
    save_trained(model, folder)
    model.config.dtype = next(model.lm_head.parameters()).dtype
    model.config.save_pretrained(folder)
    known: dict[bool, str] = getattr(model, "lamm_fingerprints", {})
    manifest = {
        "format": "lamm-delta",
        "version": FORMAT_VERSION,
        "base": dict(names),
        "fingerprint": "" if is_quantised(model) else known.get(False) or fingerprint(model),
        "fingerprint_plain": known.get(True) or fingerprint(model, plain=True),
        "adapters": settings.as_dict(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: str | Path) -> dict[str, Any] | None:
    """Read a checkpoint's `lamm.json`; None where the folder has none (a whole model).

    Raises:
        LammModelError: The file is no manifest of a version this release reads.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as fault:
        raise LammModelError(f"Expected a checkpoint manifest, got {fault} ({path}). Use an intact folder.") from fault
    if not isinstance(manifest, dict) or manifest.get("version") != FORMAT_VERSION:
        raise LammModelError(f"Expected a checkpoint manifest of version {FORMAT_VERSION} ({path}). Update lamm-model.")
    return manifest


def locate(folder: str | Path) -> Path:
    """Find the model in a folder: itself, or `model/` in the folder of a fine-tuning run.

    Raises:
        LammModelError: There is none.
    """
    for path in (Path(folder), Path(folder) / "model"):
        if (path / "config.json").is_file():
            refuse_huge(path)
            return path
    raise LammModelError(
        f"Expected a folder with a LAMM model or checkpoint, got {folder} without config.json. Check the path."
    )


def load_model(
    folder: str | Path,
    *,
    base: BaseNames | None = None,
    cache: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    attn_implementation: str | None = None,
    quantize: str = "none",
    device: str = "",
) -> tuple[LammForConditionalGeneration, LammProcessor]:
    """Load a checkpoint or a whole model, strictly.

    Args:
        folder: Written by `save_model` or `save_pretrained`.
        base: Base models to use instead of the recorded ones, where those have moved.
        cache: Where embedded models are prepared.
        dtype: Of the language model and image tower.
        attn_implementation: As for `from_pretrained`.
        quantize: `8bit` or `4bit` for the language model (extra `quantize`), else `none`.
        device: Where a quantised language model is put; a GPU where there is one when empty.

    Returns:
        The model in evaluation mode, and its processor.

    Raises:
        LammModelError: No model there, other base weights, or missing or extra keys (all listed).
    """
    register()
    path = locate(folder)
    manifest = read_manifest(path)
    refuse_changed(path)
    config = read_config(path)
    on_vlm = isinstance(config, LammVlmConfig)
    processor: Any = pretrained(LammVlmProcessor if on_vlm else LammProcessor, path)
    if on_vlm and quantize != "none":
        raise UsageError(f"Expected --quantize none for a model on top of one that sees already, got {quantize}.")
    if manifest is None:
        return _load_whole(path, dtype, attn_implementation, loading_arguments(quantize, dtype, device)), processor
    names = base or manifest["base"]
    resolved = resolve_base(names, cache)
    model: Any
    if on_vlm:
        model = build_vlm(
            str(resolved["vlm"]),
            config.point_cloud_config,
            dtype=dtype,
            attn_implementation=attn_implementation,
            **{name: getattr(config, name) for name in _OWN_SETTINGS if name in _OF_CLOUDS},
        )
    else:
        model = build_model(
            str(resolved["language_model"]),
            resolved.get("image_tower"),
            config.point_cloud_config,
            dtype=dtype,
            attn_implementation=attn_implementation,
            quantize=quantize,
            device=device,
            **{name: getattr(config, name) for name in _OWN_SETTINGS},
        )
    _check_base(model, manifest, path, resolved)
    model.lamm_base = dict(names)
    add_adapters(model, AdapterSettings(**manifest["adapters"]))
    load_trained(model, path)
    return model.eval(), processor


# What transformers passes on besides: where files come from, which the caller has looked up.
_ELSEWHERE = {
    "adapter_kwargs", "cache_dir", "code_revision", "commit_hash", "config", "force_download", "local_files_only",
    "low_cpu_mem_usage", "output_loading_info", "proxies", "revision", "token", "trust_remote_code", "use_safetensors",
    "weights_only",
}  # fmt: skip


def open_checkpoint(
    folder: Path,
    *,
    dtype: torch.dtype | str | None = None,
    attn_implementation: str | None = None,
    device_map: Any = None,
    **others: Any,
) -> LammForConditionalGeneration:
    """Load a checkpoint for `from_pretrained`.

    Args:
        folder: Written by `save_model`.
        dtype: As for `load_model`; the one it was trained with when None or `auto`.
        attn_implementation: As for `load_model`.
        device_map: One device, as a name or `{"": device}`; `auto` takes the GPU where there is one.
        **others: Of `from_pretrained`; those that say where files come from are ignored.

    Raises:
        UsageError: Another option, or several devices.
    """
    unknown = [name for name in others if name not in _ELSEWHERE and not name.startswith("_") and others[name]]
    devices = set(device_map.values()) if isinstance(device_map, dict) else {device_map}
    if unknown or len(devices) > 1 or devices & {"balanced", "balanced_low_0", "sequential"}:
        raise UsageError(
            "Expected dtype, attn_implementation and a device_map of one device for a checkpoint, got "
            f"{', '.join(unknown) or f'device_map = {device_map!r}'} ({folder}). Quantise with lamm_model.load_model; "
            "write a whole model (`save_pretrained`, or `lamm model export`) to spread it over devices."
        )
    if dtype in (None, "auto"):
        dtype = read_config(folder).dtype or torch.float32
    model, _ = load_model(folder, dtype=torch_dtype(dtype), attn_implementation=attn_implementation)
    (device,) = devices
    if device is not None:
        model.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    return model


def _load_whole(
    folder: Path, dtype: torch.dtype, attn_implementation: str | None, quantised: dict[str, Any]
) -> LammForConditionalGeneration:
    model, report = pretrained(
        AutoModelForImageTextToText,
        folder,
        dtype=dtype,
        attn_implementation=attn_implementation,
        use_safetensors=True,
        output_loading_info=True,
        **quantised,
    )
    faults = {name: sorted(map(str, keys)) for name, keys in report.items() if keys}
    if faults:
        raise LammModelError(
            f"Expected weights that fit the configuration in {folder}, got {faults}. Use an intact model."
        )
    loaded: LammForConditionalGeneration = model.eval()
    return loaded


def model_folder(name: str | Path, code: bool = False) -> Path:
    """Find a model's folder: as `locate` does, else a model of the hub by its name, fetched (its `code` too) or cached.

    Raises:
        LammModelError: There is none.
    """
    if Path(name).is_dir() or str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        return locate(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", *(["*.py"] if code else [])]
    try:
        return Path(snapshot_download(str(name), allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as fault:
        raise LammModelError(
            f"Expected a model folder or the name of a model on the hub, got {name}: {type(fault).__name__}. "
            "Check the path, or the name and the connection."
        ) from fault


def is_lamm(folder: Path) -> bool:
    """Tell whether a folder holds a LAMM checkpoint or model, rather than one of another family."""
    return _model_type(folder) in (LammConfig.model_type, LammVlmConfig.model_type) or read_manifest(folder) is not None


def read_config(folder: Path) -> Any:
    """Read the configuration of a LAMM model, or of one on top of a model that sees already."""
    on_vlm = _model_type(folder) == LammVlmConfig.model_type
    return pretrained(LammVlmConfig if on_vlm else LammConfig, folder)


def _model_type(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type"))
    except (ValueError, AttributeError, RecursionError) as fault:
        raise LammModelError(f"Expected a config.json, got {fault} ({folder}). Use an intact folder.") from fault


def run_device(device: str = "") -> str:
    """Choose where to run: as asked, where torch can, else this process's GPU, else the CPU."""
    if device:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0][:100].rstrip(".")
            raise UsageError(f"Expected a device that torch can use here, got {device!r} ({reason}).") from error
        return device
    if not torch.cuda.is_available():
        return "cpu"
    local = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{local}" if local.isdigit() else "cuda"


def load_for_inference(
    folder: Path, dtype: str = "float32", device: str = "", quantize: str = "none"
) -> tuple[LammForConditionalGeneration, LammProcessor]:
    """Load a LAMM model where it is to run, in evaluation mode, and its processor.

    Args:
        folder: Checkpoint or model.
        dtype: `float32` or `bfloat16` for the language model.
        device: Where to run; a GPU where there is one when empty (the one of `LOCAL_RANK`).
        quantize: `8bit` or `4bit` for the language model, else `none`.
    """
    transformers.utils.logging.disable_progress_bar()
    device = run_device(device)
    model, processor = load_model(folder, dtype=getattr(torch, dtype), quantize=quantize, device=device)
    return model.to(device), processor
