"""The LAMM v1 protocol as it was published, under names of its own (`paper/recall@0.5`, ...)."""
