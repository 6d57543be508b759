"""`lamm` commands in processes of their own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamm_cli.processes import start


def started(command, log):
    return start([sys.executable, "-m", "lamm_cli", *command], stdout=log, stderr=subprocess.STDOUT)


@contextmanager
def served(model: Path, log_path: Path, patience: float = 600.0) -> Iterator[str]:
    """Serve a model on loopback and give its address."""
    with log_path.open("wb") as log:
        server = started(["model", "serve", "--model", str(model), "--port", "0"], log)
        try:
            deadline = time.monotonic() + patience
            while "serves" not in log_path.read_text():
                assert server.poll() is None, log_path.read_text()
                assert time.monotonic() < deadline, log_path.read_text()
                time.sleep(0.2)
            yield log_path.read_text().split(" serves")[0].split()[-1]
        finally:
            server.terminate()
            server.wait(timeout=30)
