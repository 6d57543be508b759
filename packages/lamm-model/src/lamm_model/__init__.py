"""A multimodal language model for images and point clouds: model, training, prediction, kernels."""
