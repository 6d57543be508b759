"""Kernels compiled by numba for the CPU: exact, one thread a cloud, compiled once and cached on disk."""
