"""The `lamm model` commands, each loaded when it is asked for."""

from __future__ import annotations

import logging

from lamm_data import LazyGroup

COMMANDS = {
    "finetune": ("lamm_model.training.run.command:finetune", "Fine-tune a model on instruction records."),
    "pretrain-tower": (
        "lamm_model.training.tower_pretraining.pretraining:pretrain_tower_command",
        "Pre-train a point-cloud tower on closed questions about scenes.",
    ),
    "pretrain-reader": (
        "lamm_model.training.tower_pretraining.reader:pretrain_reader_command",
        "Pre-train an image reader on the annotations of pictures.",
    ),
    "cache-features": (
        "lamm_model.training.run.command:cache_features",
        "Compute the frozen towers' features once.",
    ),
    "predict": ("lamm_model.prediction.command:predict", "Answer benchmark records."),
    "chat": ("lamm_model.chat.command:chat", "Talk with the model about images and point clouds."),
    "serve": ("lamm_model.serving.command:serve", "Serve the model as an OpenAI-compatible endpoint."),
    "export": ("lamm_model.checkpoints.command:export", "Merge an adapter set into a plain transformers model."),
    "push": ("lamm_model.checkpoints.command:push", "Upload a model or run with its card to the Hugging Face Hub."),
    "convert": ("lamm_model.checkpoints.command:convert", "Convert released weights: LAMM deltas, EPCL, CLIP."),
    "kernels": ("lamm_model.kernels.command:kernels", "Show which kernel implementations run on this machine."),
    "info": ("lamm_model.info:info", "Describe a model: parameters, tokens per medium, memory plan."),
}

# Where bitsandbytes is installed, its import warns of a package it can do without, quantised model or not.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
model = LazyGroup(COMMANDS, name="model", help="Fine-tune the multimodal model, ask it, and look inside it.")
