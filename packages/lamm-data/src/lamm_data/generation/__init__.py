"""Self-instruct generation: a language model writes dialogues from annotations."""
