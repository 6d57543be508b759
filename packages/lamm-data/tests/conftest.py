import os
from pathlib import Path

import pytest
from hypothesis import settings

from lamm_data.sample.world import write_world

# Shared machines are slow at times: a property is no clock.
settings.register_profile("lamm-data", deadline=None)
settings.load_profile("lamm-data")


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A small sample world: 180 images, 60 rooms."""
    root = tmp_path_factory.mktemp("world") / "sample"
    write_world(root, images=126, rooms=40, seed=3)
    return root


@pytest.fixture(scope="session")
def real_data():
    """The folder of real annotation files; tests that need it skip without it."""
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    root = Path(os.environ.get("LAMM_TEST_DATA", default))
    if not root.is_dir():
        pytest.skip(f"no real annotation files at {root}; set LAMM_TEST_DATA")
    return root
