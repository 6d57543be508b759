"""Parts of tiny models with random weights: a language model with a real tokenizer, and image towers."""

from pathlib import Path
from types import SimpleNamespace

import torch

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    "What is in the picture? A red chair and a blue table.",
    "How many lamps are there? There are 3 lamps. ### Human: ### Assistant:",
    "The box is [0.12, 0.34, 0.56, 0.78]. Yes. No. (A) (B)",
]


def tiny_tokenizer(folder: Path) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<reponame>", "<filename>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    backend.train_from_iterator(CORPUS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def tiny_parts(root: Path, context: int = 512) -> SimpleNamespace:
    """Write a tiny Llama (2 layers of 48), a tiny CLIP tower (4 patches) and a tiny EfficientNet-Lite."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    from lamm_model import EfficientNetLiteConfig, EfficientNetLiteModel, LammImageProcessor

    torch.manual_seed(0)
    made = SimpleNamespace(language=root / "language", clip=root / "clip", lite=root / "lite")
    config = LlamaConfig(
        vocab_size=tiny_tokenizer(made.language), hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=context, bos_token_id=1, eos_token_id=2,
        pad_token_id=0, tie_word_embeddings=True, initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(made.language)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, image_size=32, patch_size=16
    )
    CLIPVisionModel(vision).save_pretrained(made.clip)
    stages = [[1, 8, 1, 1, 3], [6, 16, 2, 2, 3]]
    lite = EfficientNetLiteConfig(image_size=32, stem_channels=8, head_channels=24, stages=stages, levels=[0, 1, 3])
    EfficientNetLiteModel(lite).eval().save_pretrained(made.lite)
    for tower in (made.clip, made.lite):
        LammImageProcessor(size=32).save_pretrained(tower)
    return made
