"""Say the true answers of a benchmark file in every known phrasing, and report those that cannot be read back."""
