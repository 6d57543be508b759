"""Runs `lamm` in this process and watches what it opens, starts and leaves behind."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SECONDS = 20  # longest that one input may take
_SCRATCH = (tempfile.gettempdir(), "/dev/", "/proc/")


@dataclass
class Watch:
    """What happened while it was watched."""

    work: Path
    canary: Path
    read: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """How a command ended: its status and texts, and every way in which it broke the rule."""

    code: int | None
    out: str
    err: str
    faults: list[str]


_WATCHES: list[Watch] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _WATCHES:
        return
    watch = _WATCHES[-1]
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        flags = arguments[2] if isinstance(arguments[2], int) else 0
        if path == str(watch.canary):
            watch.read.append(path)
        if flags & (os.O_WRONLY | os.O_RDWR) and not path.startswith((f"{watch.work}/", *_SCRATCH)):
            watch.written.append(path)
    elif event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn"):
        if arguments[0] != "uname":  # `platform` asks it for the processor
            watch.started.append(f"{event} {arguments[0]!r}")
    elif event == "socket.connect" and not str(arguments[1]).startswith(("('127.0.0.1'", "('::1'", "/", "b'")):
        watch.started.append(f"{event} {arguments[1]!r}")


sys.addaudithook(_hook)


class _Bytes(io.BytesIO):
    """Stays readable when the text stream over it ends."""

    def close(self) -> None:
        pass


@contextmanager
def _process(argv: list[str], work: Path) -> Iterator[tuple[_Bytes, _Bytes]]:
    """Stand in for a new process: arguments, folder, streams, and an end in time."""
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr, Path.cwd()
    out, err = _Bytes(), _Bytes()

    def late(*_: object) -> None:
        raise TimeoutError(f"not done within {SECONDS} s")

    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    sys.argv, sys.stdin = ["lamm", *argv], io.TextIOWrapper(io.BytesIO())
    sys.stdout, sys.stderr = io.TextIOWrapper(out, "utf-8"), io.TextIOWrapper(err, "utf-8")
    os.chdir(work)
    try:
        yield out, err
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before[:4]
        os.chdir(before[4])


def lamm(argv: list[str], work: Path, canary: Path) -> Outcome:
    """Run the `lamm` command in a folder.

    Args:
        argv: Its arguments.
        work: The folder: the only place where it may write, beside the system's temporary folder.
        canary: A file outside that it must not open.
    """
    from lamm_cli.main import main

    watch, code, faults = Watch(work, canary), 0, []
    with _process(argv, work) as (out, err):
        _WATCHES.append(watch)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except BaseException as error:  # noqa: BLE001
            frames = traceback.extract_tb(error.__traceback__)
            faults.append(f"traceback: {error!r} in {frames[-1].filename}:{frames[-1].lineno}"[:300])
        finally:
            _WATCHES.pop()
    said = Outcome(code, out.getvalue().decode(), err.getvalue().decode(), faults)
    faults += [f"{what}: {items[0]}" for what in ("read", "written", "started") if (items := getattr(watch, what))]
    if CONTROL.search(said.out) or CONTROL.search(said.err):
        faults.append("a control character is printed")
    if "Traceback (most" in said.err:
        faults.append("a traceback is printed")
    if code not in (0, 1, 2):
        faults.append(f"status {code}")
    return said


def left_behind(output: Path) -> list[str]:
    """Name what a command must not leave: parts, and JSON that ends before its end. The output is removed."""
    files = [path for path in (output, *output.rglob("*"), *output.parent.glob(".*")) if path.is_file()]
    faults = [f"left behind: {path.name}" for path in files if path.name.endswith((".part", ".lock"))]
    for path in files:
        try:
            if path.suffix == ".jsonl":
                for line in path.read_text().splitlines():
                    json.loads(line)
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except ValueError as error:
            faults.append(f"half-written: {path.name}: {error}")
    shutil.rmtree(output, ignore_errors=True)
    for path in (*output.parent.glob(f"{output.stem}.*"), *output.parent.glob(".*.part")):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    return faults
