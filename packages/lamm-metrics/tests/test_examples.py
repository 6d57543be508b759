"""The example of this package runs and writes its report."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "score_predictions.py"


def test_score_predictions_runs(tmp_path):
    if not EXAMPLE.exists():
        pytest.skip("examples are not part of the source distribution")
    result = subprocess.run([sys.executable, str(EXAMPLE), str(tmp_path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "refused 1" in result.stdout
    assert (tmp_path / "report.html").stat().st_size > 5_000
