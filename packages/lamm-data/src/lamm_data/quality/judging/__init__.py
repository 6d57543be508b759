"""How faithful records are to media and annotations, by a language model, and how far that one can be trusted."""
