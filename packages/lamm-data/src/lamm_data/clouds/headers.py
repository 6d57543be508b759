"""How much data PLY and PCD files must hold by their own headers: readers pass truncated files off as whole ones."""

from __future__ import annotations

from pathlib import Path

from lamm_data.errors import SourceError

LONGEST_HEADER = 1 << 16
_SIZES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2, "uint16": 2, "int": 4, "uint": 4,
    "int32": 4, "uint32": 4, "float": 4, "float32": 4, "double": 8, "float64": 8,
}  # fmt: skip


def check_complete(path: Path) -> None:
    """Check that a `.ply` or `.pcd` file holds all points that its header announces; other files are not looked at.

    Raises:
        SourceError: It is shorter than its header says, or has no such header.
    """
    check = {".ply": _ply_fault, ".pcd": _pcd_fault}.get(path.suffix.lower())
    try:
        fault = check(path) if check else ""
    except (ValueError, IndexError, KeyError) as error:
        fault = f"a header that cannot be read ({error})"
    if fault:
        raise SourceError(f"Expected a whole {path.suffix[1:].upper()} file, got {fault} ({path}). Download it again.")


def _head(path: Path, end: bytes) -> tuple[list[list[str]], int]:
    """Return the words of each header line and the byte at which the data begin."""
    with path.open("rb") as handle:
        raw = handle.read(LONGEST_HEADER)
    place = raw.index(end)
    stop = raw.index(b"\n", place) + 1
    return [line.split() for line in raw[:stop].decode("ascii", "replace").splitlines()], stop


def _lines_after(path: Path, start: int) -> int:
    with path.open("rb") as handle:
        handle.seek(start)
        return sum(bool(line.strip()) for line in handle)


def _ply_fault(path: Path) -> str:
    head, start = _head(path, b"end_header")
    layout, elements = "", list[tuple[str, int, list[list[str]]]]()
    for words in head:
        if words[:1] == ["format"]:
            layout = words[1]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append(words)
    if layout == "ascii":
        wanted, found = sum(count for _, count, _ in elements), _lines_after(path, start)
        return f"{found} of {wanted} lines" if found < wanted else ""
    wanted = start
    for _, count, properties in elements:
        wanted += count * sum(_least_size(words) for words in properties)
    found = path.stat().st_size
    return f"{found} of at least {wanted} bytes" if found < wanted else ""


def _least_size(words: list[str]) -> int:
    """Return the fewest bytes a property can take: a list has its length, and a face three corners or more."""
    if words[1] != "list":
        return _SIZES[words[1]]
    return _SIZES[words[2]] + (3 * _SIZES[words[3]] if words[4] in ("vertex_indices", "vertex_index") else 0)


def _pcd_fault(path: Path) -> str:
    head, start = _head(path, b"DATA ")
    values = {words[0]: words[1:] for words in head if words}
    points, layout = int(values["POINTS"][0]), values["DATA"][0]
    if layout == "ascii":
        found = _lines_after(path, start)
        return f"{found} of {points} points" if found < points else ""
    counts = [int(count) for count in values.get("COUNT", ["1"] * len(values["SIZE"]))]
    wanted = start + points * sum(int(size) * count for size, count in zip(values["SIZE"], counts, strict=True))
    if layout == "binary_compressed":
        with path.open("rb") as handle:
            handle.seek(start)
            wanted = start + 8 + int.from_bytes(handle.read(4), "little")
    found = path.stat().st_size
    return f"{found} of {wanted} bytes" if found < wanted else ""
