"""What the repository tests share: where things are."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lamm-llm", "lamm-metrics", "lamm-data", "lamm-model", "lamm-cli")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def projects() -> dict[str, dict]:
    """Return the [project] table of every package, by distribution name."""
    return {
        name: tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"] for name in PACKAGES
    }


@pytest.fixture(scope="session")
def sources() -> list[Path]:
    """Return every Python file that ships in a package."""
    return sorted(ROOT.glob("packages/*/src/**/*.py"))


@pytest.fixture(scope="session")
def python_files() -> list[Path]:
    """Return every Python file of the repository: packages, tests, examples, benchmarks, noxfile."""
    folders = ("packages", "tests", "examples", "benchmarks")
    return [ROOT / "noxfile.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]
