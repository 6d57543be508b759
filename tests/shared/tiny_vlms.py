"""Tiny models that see already, of the real classes, with random weights and their real processors."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import torch

CORPUS = [
    "What is in the picture? A red chair and a blue table. user assistant system User: Assistant:",
    "How many lamps are there? There are 3 lamps. Where is the sofa? By the door. Yes. No. (A) (B)",
]
TURNS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<start_of_image>{% else %}"
    "{{ c['text'] | trim }}{% endif %}{% endfor %}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
IDEFICS = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}:{% if m['content'][0]['type'] != 'image' %} "
    "{% endif %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
QWEN = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
SPECIAL = {
    "qwen2_5_vl": QWEN,
    "qwen3_vl": QWEN,
    "smolvlm": ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"],
    "idefics3": ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"],
    "llava_onevision": ["<image>", "<video>"],
    "internvl": ["<img>", "</img>", "<IMG_CONTEXT>", "<video>"],
    "gemma3": ["<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"],
}
TEXT = {
    "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3,
    "num_key_value_heads": 3, "max_position_embeddings": 2048, "initializer_range": 0.3, "tie_word_embeddings": False,
}  # fmt: skip
SIGLIP = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def vlm_kinds():
    """List the kinds for a test; one that cannot be made here is skipped."""
    import pytest
    from transformers import Idefics3ImageProcessor

    missing = importlib.util.find_spec("num2words") is None
    backends = getattr(Idefics3ImageProcessor, "_backends", ())  # what a stand-in says is missing
    marks = {
        "smolvlm": pytest.mark.skipif(missing, reason="SmolVLM's processor needs num2words: pip install num2words"),
        "idefics3": pytest.mark.skipif(
            bool(backends), reason=f"Idefics 3's processor needs {backends} here: install it"
        ),
    }
    return [pytest.param(kind, marks=marks.get(kind, ())) for kind in SPECIAL]


def leave_out_videos() -> None:
    """Let processors do without their part for videos where torchvision, which that needs, is not installed."""
    if importlib.util.find_spec("torchvision"):
        return
    import transformers

    for name in ("Qwen2_5_VL", "Qwen3VL", "SmolVLM", "LlavaOnevision", "InternVL"):
        kind = getattr(transformers, f"{name}Processor")
        if "video_processor" in kind.get_attributes():
            kind.video_processor = SimpleNamespace(num_frames=1, fps=1)  # asked for before any video is seen
            kind.get_attributes = classmethod(lambda cls: ["image_processor", "tokenizer"])
            if name == "SmolVLM":  # the others may be made without
                kind.__init__.__defaults__ = (None, *kind.__init__.__defaults__)


def _tokenizer(kind: str):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *SPECIAL[kind]]
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    backend.train_from_iterator(CORPUS, trainer)
    ends = {"gemma3": "<|endoftext|>", "smolvlm": "<end_of_utterance>", "idefics3": "<end_of_utterance>"}
    extra = {
        "internvl": {
            "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        "gemma3": {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
    }  # fmt: skip
    if kind == "gemma3":  # opens every text with its first token, as the real one does
        backend.post_processor = processors.TemplateProcessing(
            single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token=ends.get(kind, "<|im_end|>"),
        pad_token="<|endoftext|>",
        extra_special_tokens=extra.get(kind, {}),
    )


def tiny_vlm(kind: str, folder: Path) -> Path:
    """Write a tiny model of a kind and its processor."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(kind)
    leave_out_videos()
    model, processor = _MAKERS[kind](tokenizer)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    with torch.no_grad():
        for name, value in model.named_parameters():  # far from each other: answers must depend on what is seen
            if value.ndim > 1 and "position" not in name:
                value.normal_(std=0.25)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _ids(tokenizer, **names):
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}


def _common(tokenizer):
    return {
        **TEXT, "vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": 0,
    }  # fmt: skip


def _qwen(tokenizer, newer: bool):
    import transformers as t

    ids = _ids(
        tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>",
        vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>",
    )  # fmt: skip
    text = {
        **_common(tokenizer),
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
    }
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 8, "out_hidden_size": 48,
        "spatial_merge_size": 2, "temporal_patch_size": 2,
    }  # fmt: skip
    images = t.Qwen2VLImageProcessor(
        patch_size=8, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 256, "longest_edge": 1536}
    )
    template = TURNS.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    if newer:
        text["rope_parameters"]["mrope_interleaved"] = True
        vision |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 64}
        config = t.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
        return t.Qwen3VLForConditionalGeneration(config), _made(t.Qwen3VLProcessor, images, tokenizer, template)
    vision |= {"window_size": 32, "fullatt_block_indexes": [1]}
    config = t.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
    return t.Qwen2_5_VLForConditionalGeneration(config), _made(t.Qwen2_5_VLProcessor, images, tokenizer, template)


def _made(kind, images, tokenizer, template, **options):
    """Make a processor, with its part for videos where torchvision lets it be made."""
    parts = {"image_processor": images, "tokenizer": tokenizer}
    if "video_processor" in kind.get_attributes():
        import transformers

        name = kind.__name__.replace("2_5_VL", "2VL").replace("Processor", "VideoProcessor")
        parts["video_processor"] = getattr(transformers, name)()
    return kind(**parts, chat_template=template, **options)


def _idefics(tokenizer, smol: bool):
    import transformers as t

    name = "SmolVLM" if smol else "Idefics3"
    text = {**_common(tokenizer), "model_type": "llama"}
    vision = {**SIGLIP, "model_type": "smolvlm_vision" if smol else "idefics3_vision"}
    config = getattr(t, f"{name}Config")(
        text_config=text,
        vision_config=vision,
        scale_factor=2,
        pad_token_id=0,
        **_ids(tokenizer, image_token_id="<image>"),
    )
    images = getattr(t, f"{name}ImageProcessor")(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    model = getattr(t, f"{name}ForConditionalGeneration")(config)
    return model, _made(getattr(t, f"{name}Processor"), images, tokenizer, IDEFICS, image_seq_len=4)


def _llava(tokenizer):
    import transformers as t

    config = t.LlavaOnevisionConfig(
        text_config={**_common(tokenizer), "model_type": "qwen2"},
        vision_config={**SIGLIP, "model_type": "siglip_vision_model", "vision_use_head": False},
        image_grid_pinpoints=[[32, 32], [64, 32], [32, 64]],
        **_ids(tokenizer, image_token_id="<image>", video_token_id="<video>"),
    )
    images = t.LlavaOnevisionImageProcessor(
        size={"height": 32, "width": 32}, image_grid_pinpoints=[[32, 32], [64, 32], [32, 64]]
    )
    processor = _made(
        t.LlavaOnevisionProcessor, images, tokenizer, TURNS.replace("IMAGE", "<image>\n"), num_image_tokens=16,
        vision_feature_select_strategy="full", vision_aspect_ratio="anyres_max_9",
    )  # fmt: skip
    return t.LlavaOnevisionForConditionalGeneration(config), processor


def _internvl(tokenizer):
    import transformers as t

    vision = {
        **SIGLIP, "model_type": "internvl_vision", "image_size": [32, 32], "patch_size": [8, 8],
        "use_absolute_position_embeddings": True,
    }  # fmt: skip
    config = t.InternVLConfig(
        text_config={**_common(tokenizer), "model_type": "qwen2"}, vision_config=vision, image_seq_length=4,
        downsample_ratio=0.5, **_ids(tokenizer, image_token_id="<IMG_CONTEXT>"),
    )  # fmt: skip
    images = t.GotOcr2ImageProcessor(size={"height": 32, "width": 32}, crop_to_patches=True, max_patches=3)
    processor = _made(
        t.InternVLProcessor, images, tokenizer, TURNS.replace("IMAGE", "<IMG_CONTEXT>\n"), image_seq_length=4
    )
    return t.InternVLForConditionalGeneration(config), processor


def _gemma(tokenizer):
    import transformers as t

    text = {
        **_common(tokenizer),
        "head_dim": 16,
        "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    config = t.Gemma3Config(
        text_config=text, vision_config={**SIGLIP, "vision_use_head": False}, mm_tokens_per_image=4,
        **_ids(
            tokenizer, boi_token_index="<start_of_image>", eoi_token_index="<end_of_image>",
            image_token_id="<image_soft_token>",
        ),
    )  # fmt: skip
    images = t.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    processor = _made(t.Gemma3Processor, images, tokenizer, GEMMA, image_seq_length=4)
    return t.Gemma3ForConditionalGeneration(config), processor


_MAKERS = {
    "qwen2_5_vl": lambda tokenizer: _qwen(tokenizer, False),
    "qwen3_vl": lambda tokenizer: _qwen(tokenizer, True),
    "smolvlm": lambda tokenizer: _idefics(tokenizer, True),
    "idefics3": lambda tokenizer: _idefics(tokenizer, False),
    "llava_onevision": _llava,
    "internvl": _internvl,
    "gemma3": _gemma,
}
