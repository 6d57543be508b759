"""An OpenAI-compatible server for the model: chat completions over text, images and point clouds."""
