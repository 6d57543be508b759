"""Checkpoints: what fine-tuning changed in one folder, whole models, and LAMM's released weights."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "load_model": "delta",
    "save_model": "delta",
    "read_manifest": "delta",
    "load_trained": "trained",
    "save_trained": "trained",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
