"""Change valid files and read them: every reader returns, or raises its package's own error.

    nox -s fuzz -- 10                      # ten minutes, shared by all readers
    nox -s fuzz -- 10 ply pcd              # these alone
    nox -s fuzz -- --inputs 1000000        # a million for each reader, however long that takes
    nox -s fuzz -- 60 --inputs 1000000     # or an hour for all

Inputs that break this are written to `fuzz-faults/`, and the command ends with 1.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzzed_readers import Reader, readers

SECONDS = 10  # longest that one input may take
MEMORY = 24 << 30  # of addresses: an input that asks for more is refused by the system


@contextmanager
def in_time() -> Iterator[None]:
    """End what takes too long."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not read within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(name: str, reader: Reader, seconds: float, most: int, seed: int, faults: Path) -> Counter[str]:
    """Read changed files for a time; return how they ended: `read`, `refused`, or the fault."""
    ended: Counter[str] = Counter()
    draw = random.Random(f"{name} {seed}")
    scratch = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="lamm-fuzz-", dir=scratch) as folder:
        path, end = Path(folder, f"input{reader.ending}"), time.monotonic() + seconds
        while ended.total() < most and time.monotonic() < end:
            content = draw.choice(reader.makers)(draw)
            path.write_bytes(content)
            try:
                with in_time():
                    reader.read(path)
                ended["read"] += 1
            except Exception as error:  # noqa: BLE001
                # Our errors are those that say how the process ends.
                if hasattr(error, "exit_code"):
                    ended["refused"] += 1
                    continue
                frame = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
                if not ended[kind]:
                    faults.mkdir(exist_ok=True)
                    (faults / f"{name}-{len(ended)}{reader.ending}").write_bytes(content)
                ended[kind] += 1
    return ended


def main(arguments: list[str]) -> int:
    """Run: minutes for all or a number of inputs for each, then perhaps names of readers."""
    known = readers()
    words = argparse.ArgumentParser(prog="nox -s fuzz --")
    words.add_argument("what", nargs="*", help=f"MINUTES for all, then names out of {', '.join(known)}")
    words.add_argument("--inputs", type=int, default=0, help="most for each reader; then minutes may be left out")
    words.add_argument("--seed", type=int, default=0)
    options = words.parse_args(arguments)
    timed = options.what[:1] if options.what and options.what[0] not in known else []
    names = options.what[len(timed) :] or list(known)
    if set(names) - set(known) or not (timed or options.inputs) or not all(map(str.isdecimal, timed)):
        words.error(f"expected minutes or --inputs, and names out of {', '.join(known)}, got {arguments}")
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    share, wrong = float(timed[0]) * 60 / len(names) if timed else float("inf"), 0
    for name in names:
        began = time.monotonic()
        ended = fuzz(name, known[name], share, options.inputs or sys.maxsize, options.seed, Path("fuzz-faults"))
        speed = ended.total() / (time.monotonic() - began)
        bad = {kind: count for kind, count in ended.items() if kind not in ("read", "refused")}
        wrong += sum(bad.values())
        sys.stdout.write(
            f"{name:18} {ended.total():9,} inputs, {ended['read']:9,} read, {ended['refused']:9,} refused, "
            f"{sum(bad.values()):5} faults, {speed:8,.0f} a second\n"
        )
        for kind, count in bad.items():
            sys.stdout.write(f"    {count} x {kind}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
