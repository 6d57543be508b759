"""Kernels in Triton: any CUDA device, and the CPU through the interpreter (`TRITON_INTERPRET=1`) for tests."""
