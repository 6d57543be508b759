"""Checkpoints: what fine-tuning changed in one folder, whole models, and LAMM's released weights."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "load_model": "checkpoint",
    "save_model": "checkpoint",
    "read_manifest": "checkpoint",
    "load_trained": "trained_parts",
    "save_trained": "trained_parts",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
