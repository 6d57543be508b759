"""Values that the published implementations gave, for tests of towers."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def golden():
    """Give the arrays of a case as tensors, and its weights under their published names; skip where there are none."""
    data = Path(os.environ.get("LAMM_TEST_DATA", Path(__file__).resolve().parents[5] / "shared" / "data"))
    root = data.parent / "golden" / "towers"

    def read(name):
        if not root.is_dir():
            pytest.skip(f"no values of published towers at {root}; set LAMM_TEST_DATA to the folder `data` beside it")
        with np.load(root / f"{name}.npz") as file:
            values = {key: file[key] for key in file.files}
        found = {
            key: str(value) if value.dtype.kind == "U" else torch.from_numpy(value) for key, value in values.items()
        }
        return found, {key[2:]: value for key, value in found.items() if key.startswith("w/")}

    return read
