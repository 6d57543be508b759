"""Find and load a model where it is to answer: what chat, serve and predict share."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
import transformers

from lamm_model.checkpoints.checkpoint import load_model, locate, read_manifest
from lamm_model.errors import LammModelError
from lamm_model.model.modeling_lamm import LammForConditionalGeneration
from lamm_model.processing.processing_lamm import LammProcessor


def model_folder(name: str | Path) -> Path:
    """Find a model's folder: as `locate` does, else a model of the hub by its name, fetched or from the cache.

    Raises:
        LammModelError: There is none.
    """
    if Path(name).is_dir() or str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        return locate(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(str(name), allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as fault:
        raise LammModelError(
            f"Expected a model folder or the name of a model on the hub, got {name}: {type(fault).__name__}. "
            "Check the path, or the name and the connection."
        ) from fault


def is_lamm(folder: Path) -> bool:
    """Tell whether a folder holds a LAMM checkpoint or model, rather than one of another family."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config.get("model_type") == "lamm" or read_manifest(folder) is not None


def run_device(device: str = "") -> str:
    """Choose where to run: as asked, else this process's GPU, else the CPU."""
    if device or not torch.cuda.is_available():
        return device or "cpu"
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
