"""The name of the key-value cache in this transformers: `cache` since 5.24, `past_key_values` before."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from transformers.modeling_outputs import BaseModelOutputWithPast

CACHE = "cache" if "cache" in {field.name for field in fields(BaseModelOutputWithPast)} else "past_key_values"


def cache_of(outputs: Any) -> Any:
    """Return the cache of a model's outputs, whatever it is called; None where there is none."""
    return outputs.get(CACHE)
