"""A LAMM model of real shapes with random weights, and dialogues of the lengths LAMM's have."""

import random
from dataclasses import replace
from typing import Any

import torch

from lamm_model import AdapterSettings, LammConfig, LammForConditionalGeneration, add_adapters
from lamm_model.model.answer_loss import IGNORED
from lamm_model.training.rows.packing import Dialogue

# Llama-7B and CLIP ViT-L/14 as published; "tiny" tries the script out on a CPU.
LANGUAGE: dict[str, dict[str, int]] = {
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 32000,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "vocab_size": 512,
    },
}
TOWER: dict[str, dict[str, int]] = {
    "7b": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
           "image_size": 224, "patch_size": 14},
    "tiny": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
             "image_size": 32, "patch_size": 8},
}  # fmt: skip
PAD = 0
SYSTEM_TOKENS = 40  # system message and opening of the first turn


def build(shape: str, device: str, dropout: float = 0.0) -> LammForConditionalGeneration:
    """Make the model on its device: frozen weights in 16 bits on a GPU, adapters (LoRA 32) and projector in float32."""
    from transformers import CLIPVisionConfig, LlamaConfig

    size = LANGUAGE[shape]["vocab_size"]
    text = LlamaConfig( max_position_embeddings=4096, tie_word_embeddings=False, pad_token_id=PAD,
        num_key_value_heads=LANGUAGE[shape]["num_attention_heads"], **LANGUAGE[shape],
    )  # fmt: skip
    config = LammConfig(
        text_config=text, image_config=CLIPVisionConfig(**TOWER[shape]), image_token_id=size - 2,
        point_cloud_token_id=size - 1,
    )  # fmt: skip
    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    try:
        with torch.device(device):
            model = LammForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(usual)
    model.requires_grad_(False)
    model.model.image_projector.float()
    add_adapters(model, AdapterSettings(32, 32.0, dropout, modalities=["image"]))
    return model


def dialogues(shape: str, count: int, image_tokens: int, shared_by: int = 1, seed: int = 0) -> list[Dialogue]:
    """Draw dialogues: system message, image, a question of 10 to 40 tokens, an answer of log-normal length."""
    draw = random.Random(seed)
    size = LANGUAGE[shape]["vocab_size"]
    before = [*[draw.randrange(1, 100) for _ in range(SYSTEM_TOKENS)], *[size - 2] * image_tokens]
    found = []
    for number in range(count):
        question = [draw.randrange(1, size - 2) for _ in range(draw.randint(10, 40))]
        length = min(600, max(10, round(draw.lognormvariate(4.7, 0.7))))
        answer = [draw.randrange(1, size - 2) for _ in range(length)]
        tokens = [*before, *question, *answer]
        labels = [*[IGNORED] * (len(tokens) - length), *answer]
        media = (("image", str(number // shared_by)),)
        found.append(Dialogue(str(number), media, tokens, labels, [1] * len(tokens), len(before)))
    return found


class RandomPictures:
    """Stands in for reading images: normalised noise of the right shape, drawn once."""

    def __init__(self, shape: str, most: int) -> None:
        size = TOWER[shape]["image_size"]
        self.pool = torch.randn(most, 3, size, size, generator=torch.Generator().manual_seed(0)).bfloat16()

    def __call__(self, media: Any) -> dict[str, torch.Tensor]:
        """Return ``pixel_values`` for as many images as there are media."""
        return {"pixel_values": self.pool[: len(media)]}


def clipped(found: list[Dialogue], most: int) -> list[Dialogue]:
    """Cut the longest answers so that every dialogue fits a row of ``most`` tokens."""
    return [
        replace(d, input_ids=d.input_ids[:most], labels=d.labels[:most], modality_ids=d.modality_ids[:most])
        for d in found
    ]
