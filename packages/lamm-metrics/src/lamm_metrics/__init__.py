"""Score free-form answers of multimodal models on image and point-cloud tasks."""
