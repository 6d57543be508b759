"""Self-instruct generation: a language model writes dialogues from annotations."""

from importlib import import_module
from typing import Any

_HOME = {
    "generate": "run",
    "Summary": "run",
    "GenerationSettings": "settings",
    "make_settings": "settings",
    "EndpointSettings": "settings",
    "Prompt": "prompts",
    "load_prompt": "prompts",
    "prompt_names": "prompts",
    "run_batch": "batch",
    "Row": "rows",
    "read_rows": "input_rows",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
