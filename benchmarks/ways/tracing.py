"""Count the way a piece of work takes through a package: the files it enters and how often it changes the file."""

import argparse
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any


class Way:
    """A context manager that follows the Python calls of this thread and of threads started meanwhile.

    A call into another file than the call before is a change of file. Loading a module is no part of the way.

    Args:
        packages: Import packages to look at; calls into other files are passed over.

    Attributes:
        files: Number of calls by file, `package/room/module.py`.
        changes: Changes of file.
    """

    def __init__(self, *packages: str) -> None:
        self.files: Counter[str] = Counter()
        self.changes = 0
        self._packages = packages
        self._shown: dict[str, str] = {}
        self._last = ""

    def __enter__(self) -> "Way":
        threading.setprofile(self._call)
        sys.setprofile(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def __str__(self) -> str:
        return f"{len(self.files)} files entered, {self.changes} changes of file"

    def _call(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code.co_name == "<module>":
            return
        file = self._shown.get(code.co_filename)
        if file is None:
            file = self._shown[code.co_filename] = self._below_package(code.co_filename)
        if file:
            self.files[file] += 1
            self.changes += self._last not in ("", file)
            self._last = file

    def _below_package(self, name: str) -> str:
        parts = Path(name).parts
        starts = [parts.index(package) for package in self._packages if package in parts]
        return "/".join(parts[starts[0] :]) if starts else ""


def report(ways: dict[str, Callable[[], Any]], *packages: str) -> None:
    """Print the way of each piece of work; each runs once before, so that imports are done and caches are warm."""
    for name, work in ways.items():
        work()
        with Way(*packages) as way:
            work()
        show(name, way)


def show(name: str, way: Way) -> None:
    """Print the way of one piece of work, and with `--files` the files on it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", action="store_true", help="List the files with their numbers of calls.")
    print(f"{name}: {way}")
    for file, calls in way.files.most_common() if parser.parse_args().files else ():
        print(f"{calls:8d}  {file}")
