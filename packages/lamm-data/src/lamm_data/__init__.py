"""Turn vision annotations into instruction data and benchmark sets."""
