"""Train a point tower before it meets a language model."""
