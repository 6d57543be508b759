"""Checkpoints: what fine-tuning changed in one folder, whole models, and weights that others published."""
