"""Towers: EfficientNet-Lite for images, PointNet++ with a transformer for clouds."""
