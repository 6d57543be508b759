"""Ways into other people's tools: harnesses that ask models, metrics of a training loop, formats of results."""
