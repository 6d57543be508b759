"""Every file in examples/ runs as its first lines say."""

import subprocess
import sys

import pytest
from documentation_blocks import ROOT


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_example_runs(example, tmp_path):
    folder = tmp_path / "out"
    command = [sys.executable, str(example), str(folder)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert any(folder.iterdir())
