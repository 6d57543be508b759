"""Encoders: an image tower (any vision model of transformers, or EfficientNet-Lite) and a point-cloud tower."""
