"""Farthest point sampling in CUDA C++, compiled on the user's machine at first use."""
