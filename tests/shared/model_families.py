"""Tiny random models of the real classes that the matrix tries: language models and vision towers."""

from pathlib import Path
from typing import Any

import torch
from tiny_models import tiny_tokenizer

WINDOW = 24  # of models with one: shorter than every prompt, so that it matters, and longer than an image
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**SIZES, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 512}
HEADS = {**LLAMA, "head_dim": 8}
EXPERTS = {"num_experts_per_tok": 2}
CHUNKS = {
    "attention_chunk_size": WINDOW, "layer_types": ["chunked_attention", "full_attention"], "no_rope_layers": [1, 0],
}  # fmt: skip
ALTERNATE = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}

LANGUAGE_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("llama", LLAMA),
    "Qwen2": ("qwen2", LLAMA),
    "Qwen3": ("qwen3", HEADS),
    "Qwen3-MoE": ("qwen3_moe", {**HEADS, **EXPERTS, "num_experts": 4, "moe_intermediate_size": 16}),
    "Mistral (window)": ("mistral", {**HEADS, "sliding_window": WINDOW}),
    "Gemma 2": ("gemma2", {**HEADS, **ALTERNATE, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0}),
    "Gemma 3": ("gemma3_text", {**HEADS, **ALTERNATE, "query_pre_attn_scalar": 8}),
    "Phi-3": ("phi3", {**LLAMA, "sliding_window": WINDOW}),
    "OLMo 2": ("olmo2", LLAMA),
    "SmolLM3": ("smollm3", {**LLAMA, "no_rope_layers": [1, 0]}),
    "GLM-4": ("glm4", HEADS),
    "gpt-oss": ("gpt_oss", {**HEADS, **EXPERTS, **ALTERNATE, "num_local_experts": 4}),
    "GPT-NeoX": ("gpt_neox", {**SIZES, "intermediate_size": 48, "max_position_embeddings": 512}),
    "GPT-2": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}),
    "OPT": ("opt", {**SIZES, "ffn_dim": 48, "word_embed_proj_dim": 16, "max_position_embeddings": 512}),
    "Falcon": ("falcon", {**SIZES, "new_decoder_architecture": False}),
    "Bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "StableLM": ("stablelm", LLAMA),
    "Llama 4 (chunks)": (
        "llama4_text",
        {**HEADS, **CHUNKS, **EXPERTS, "num_local_experts": 2, "intermediate_size_mlp": 48},
    ),
    "Cohere": ("cohere", LLAMA),
    "Phi": ("phi", SIZES | {"intermediate_size": 48, "max_position_embeddings": 512}),
}

ENCODER = {**SIZES, "intermediate_size": 48}
SQUARE = {**ENCODER, "image_size": 32, "patch_size": 8}
STAGES = {"depths": [1, 1, 1, 1], "image_size": 64}

# The class, its sizes, and the pixels that its processor gives it.
VISION_TOWERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "CLIP": ("clip_vision_model", SQUARE, 32),
    "SigLIP": ("siglip_vision_model", SQUARE, 32),
    "SigLIP 2": ("siglip2_vision_model", {**ENCODER, "patch_size": 8, "num_patches": 16}, 32),
    "DINOv2 (518, given 224)": ("dinov2", {**SIZES, "image_size": 518, "patch_size": 14}, 224),
    "DINOv2 with registers": ("dinov2_with_registers", {**SIZES, "image_size": 56, "patch_size": 14}, 56),
    "DINOv3": ("dinov3_vit", {**SQUARE, "num_register_tokens": 4}, 32),
    "ViT": ("vit", SQUARE, 32),
    "AIMv2": ("aimv2_vision_model", SQUARE, 32),
    "ConvNeXt": ("convnext", {**STAGES, "hidden_sizes": [8, 12, 16, 24]}, 64),
    "Swin": ("swin", {**STAGES, "embed_dim": 8, "num_heads": [1, 1, 2, 2], "window_size": 2}, 64),
}


def shake(model: torch.nn.Module) -> None:
    """Give weights a size at which attention is far from even, so that a wrong mask shows."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 or name.endswith("sinks"):
            torch.nn.init.normal_(parameter, std=0.3)


def write_language_model(name: str, folder: Path) -> Path:
    """Write a tiny language model of a family, with a real tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, sizes = LANGUAGE_MODELS[name]
    torch.manual_seed(0)
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, vocab_size=tiny_tokenizer(folder), **tokens, **sizes)
    model = AutoModelForCausalLM.from_config(config)
    shake(model)
    model.save_pretrained(folder)
    return folder


def write_vision_tower(name: str, folder: Path) -> Path:
    """Write a tiny vision tower of a family, and the settings of its processor."""
    from transformers import AutoConfig, AutoModel

    from lamm_model import LammImageProcessor

    kind, sizes, side = VISION_TOWERS[name]
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(kind, **sizes))
    model.save_pretrained(folder)
    LammImageProcessor(size=side).save_pretrained(folder)
    return folder
