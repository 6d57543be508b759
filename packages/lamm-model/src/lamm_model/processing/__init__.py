"""From messages, images and clouds to what the model takes: prompts, pixels, points."""
