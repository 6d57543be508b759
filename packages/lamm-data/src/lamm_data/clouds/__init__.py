"""Read point clouds of PLY, PCD, NPY and other files."""
