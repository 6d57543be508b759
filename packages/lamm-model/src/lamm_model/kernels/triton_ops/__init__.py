"""Kernels in Triton: any CUDA device, and the CPU through the interpreter (`TRITON_INTERPRET=1`) for tests."""

import os


def interpreting() -> bool:
    """Whether Triton kernels are interpreted on the CPU (`TRITON_INTERPRET=1`), which is slow and for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"
