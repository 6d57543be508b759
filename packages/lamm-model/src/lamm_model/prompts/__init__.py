"""Prompts: formats and system messages, one builder for training and inference."""
