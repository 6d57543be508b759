"""What vLLM calls when it starts (entry point `vllm.general_plugins`): it then knows LAMM models.

The class stands in `vllm_model.py`, which vLLM imports when it opens such a model.
"""

from __future__ import annotations


def register() -> None:
    """Name the model's class to vLLM."""
    from vllm import ModelRegistry

    ModelRegistry.register_model(
        "LammForConditionalGeneration", "lamm_model.serving.vllm_model:LammForConditionalGeneration"
    )
