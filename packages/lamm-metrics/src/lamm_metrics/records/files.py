"""Files: opened, also through gzip; JSON parsed; every fault of a file gathered before it is reported."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from lamm_metrics.errors import LammMetricsError

SHOWN = 10
SHOWN_CHARACTERS = 80
# Faults after which a file is not looked at any further.
ENOUGH = 1000
# What to do about a file with faults.
MEND = "Mend the file; https://lamm-toolkit.readthedocs.io/formats/ describes it."
BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
SCALARS = frozenset({str, int, float, bool, type(None)})
# Keys of an image of a Hugging Face data set.
IMAGE = frozenset({"bytes", "path"})


class FileFaultsError(LammMetricsError):
    """A file or a pair of files cannot be used.

    Attributes:
        faults: Every fault found, one line each, up to `ENOUGH`.
    """

    def __init__(self, where: str, faults: Sequence[str], remedy: str) -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        count += " or more" if len(self.faults) >= ENOUGH else ""
        super().__init__(f"{where}: {count}{_listed(self.faults)}. {remedy}")


def _listed(faults: Sequence[str]) -> str:
    """Return the first ten faults; one that stands in many places is said once, with the places."""
    more = f"{len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    parts = [fault.partition(": ") for fault in faults]
    if len(faults) > 2 and len({what.partition(", got ")[0] for _, _, what in parts}) == 1:
        where, _, what = parts[0]
        others = "; ".join(other for other, _, _ in parts[1:SHOWN])
        return f", all alike: {where}: {what}; also {others}{f' and {more}' if more else ''}"
    return f": {'; '.join(faults[:SHOWN])}{f'; and {more}' if more else ''}"


def first_ten(ids: Sequence[str]) -> str:
    """Return the first ten ids and how many there are."""
    listed = ", ".join(repr(name[:80]) for name in ids[:SHOWN])
    return f"{listed}, … ({len(ids)} in all)" if len(ids) > SHOWN else f"{listed} ({len(ids)} in all)"


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def parse_json(text: str) -> Any:
    """Parse strict JSON.

    Raises:
        ValueError: It is no JSON, holds NaN or an infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_leniently(text: str) -> Any:
    """Parse JSON in which NaN and infinities may stand, as Python writes it: the check of the record names its id."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def plain(value: Any) -> Any:
    """Return a value in Python's own types: NumPy's scalars and arrays become numbers and lists.

    >>> import numpy as np
    >>> plain({"id": np.int64(7), "box": np.zeros(2)}), plain((1, 2))
    ({'id': 7, 'box': [0.0, 0.0]}, [1, 2])
    """
    if type(value) in SCALARS:
        return value
    if isinstance(value, Mapping):
        # Of an image its path is all that is needed here.
        return value["path"] if value.keys() == IMAGE else {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def shown(value: object) -> str:
    """Return a value as an error message shows it: as JSON, cut off where it is long."""
    try:
        text = json.dumps(value, default=str)
    except RecursionError:
        text = "something nested too deeply"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader | gzip.GzipFile]:
    """Open a file for reading bytes; a gzip file gives what was compressed.

    Raises:
        LammMetricsError: It is a gzip file that is cut off or damaged.
    """
    with path.open("rb") as raw:
        if raw.peek(2)[:2] != GZIP:
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise LammMetricsError(f"Expected a whole gzip file, got {error} ({path}). Copy it again.") from error


def bare_name(path: Path) -> str:
    """Return the name of a file without its ending, and without `.gz` behind that.

    >>> bare_name(Path("VQA_Mine.json.gz")), bare_name(Path("answers.v2.jsonl"))
    ('VQA_Mine', 'answers.v2')
    """
    return Path(path.name.removesuffix(".gz")).stem


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, also a compressed one, with or without a byte order mark.

    Raises:
        LammMetricsError: It is not UTF-8.
    """
    with opened(path) as stream:
        return decoded(stream.read(), path)


def decoded(raw: bytes, path: Path) -> str:
    """Return the text of a UTF-8 file's bytes.

    Raises:
        LammMetricsError: It is not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise LammMetricsError(f"{no_utf8(raw, error)} ({path}, line {line}). Save the file as UTF-8.") from error


def no_utf8(raw: bytes, error: UnicodeDecodeError) -> str:
    """Return what is wrong with bytes that are no UTF-8."""
    return f"Expected UTF-8, got byte 0x{raw[error.start]:02x}"


def write_beside(path: Path, parts: Iterable[str]) -> None:
    """Write a text file beside its place and rename it, so that nobody ever reads half of one."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", errors="replace") as stream:
            stream.writelines(parts)
        os.replace(partial, path)
    except OSError as error:  # a full disk: writing, unlike opening, names no file
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)
