"""Read weights that others published."""
