"""What the tests of lamm-metrics share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real files; tests that need it are skipped without it."""
    folder = Path(os.environ.get("LAMM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real files for tests are not at {folder} (LAMM_TEST_DATA)")
    return folder
