"""Talk with a model in the terminal."""
