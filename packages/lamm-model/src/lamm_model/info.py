"""The `lamm model info` command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--tokens", default=4096, show_default=True, type=click.IntRange(1), help="Tokens of a batch: rows times length."
)
@click.option(
    "--gpu-memory", default=24.0, show_default=True, type=click.FloatRange(min=0.1), help="Device memory, GiB."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(folder: Path, tokens: int, gpu_memory: float, as_json: bool) -> None:
    """Describe the model in FOLDER: parameters, trainable share, tokens per medium, memory plan. Loads no weights."""
    from lamm_model.model.saving import readable

    with readable(folder):
        facts = describe(folder, tokens, gpu_memory)
    if as_json:
        import json

        click.echo(json.dumps(facts, indent=1))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, part in value.items():
                click.echo(f"  {key:<28} {part}")
        else:
            click.echo(f"{name:<30} {value}")


def describe(folder: Path, tokens: int, gpu_memory: float) -> dict[str, Any]:
    """Collect what `lamm model info` prints, by name; memory is calculated, in GiB as `gpu_memory`."""
    import torch

    from lamm_model.building.auto_classes import register
    from lamm_model.checkpoints.checkpoint import locate, read_manifest
    from lamm_model.model.adapter_layers import AdapterSettings
    from lamm_model.model.adapters import add_adapters
    from lamm_model.model.configuration_lamm import LammConfig
    from lamm_model.model.memory_plan import GIB, largest_micro_batch, plan_inference, plan_training
    from lamm_model.model.modeling_lamm import LammForConditionalGeneration
    from lamm_model.model.saving import pretrained

    register()
    folder = locate(folder)
    manifest = read_manifest(folder)
    config = pretrained(LammConfig, folder)
    adapters = dict(manifest["adapters"]) if manifest is not None else dict(config.adapters or {})
    config.adapters = None
    with torch.device("meta"):
        model = LammForConditionalGeneration(config)
        model.tie_weights()
        model.requires_grad_(False)
        if manifest is not None and config.adapters is None:  # written before configurations named the sets
            add_adapters(model, AdapterSettings(**manifest["adapters"]))
    parts = {name: module for name, module in model.model.named_children() if any(True for _ in module.parameters())}
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    text = config.text_config
    plans = {}
    for name, checkpointing in (("kept activations", False), ("recomputed activations", True)):
        plan = plan_training(text, total, trainable, tokens, checkpointing=checkpointing)
        most = largest_micro_batch(text, total, trainable, int(gpu_memory * GIB), checkpointing=checkpointing)
        plans[f"{tokens} tokens, {name}"] = f"{plan.total / GIB:.2f} GiB in bfloat16 (calculated)"
        plans[f"most tokens, {name}"] = f"{most} in {gpu_memory:g} GiB"
    return {
        "folder": str(folder),
        "kind": "checkpoint (adapters and projectors)" if manifest is not None else "whole model",
        "base": dict(manifest["base"]) if manifest is not None else {},
        "parameters": total,
        "trainable parameters": f"{trainable} ({100 * trainable / total:.2f} %)",
        "parts": {name: sum(p.numel() for p in module.parameters()) for name, module in parts.items()},
        "tokens per image": config.image_tokens,
        "tokens per point cloud": config.point_cloud_tokens,
        "adapters": adapters,
        "training memory": plans,
        "answering memory": f"{plan_inference(text, total, tokens) / GIB:.2f} GiB in bfloat16 for {tokens} tokens "
        "in all rows together (calculated)",
    }
