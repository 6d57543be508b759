"""Unpack downloaded archives without trusting them: nothing leaves the folder, nothing grows without bound."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from lamm_data.errors import SourceError, UsageError
from lamm_llm import atomic_bytes

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an archive may become.

    Attributes:
        members: Most members.
        total: Most unpacked bytes in all.
        ratio: Most unpacked bytes for each packed one, over the whole archive. Photographs hardly pack at all and
            annotation JSON packs about ten times, a bomb a thousand times and more.
    """

    members: int = 5_000_000
    total: int = 1 << 40
    ratio: float = 200.0


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    folder: bool
    link: bool
    open: Callable[[], IO[bytes]]


def check_member(name: str, archive: str | Path, *, link: bool = False) -> PurePosixPath:
    """Return a member's path after checking that it stays below the folder it is unpacked in.

    Raises:
        SourceError: The name is absolute, holds `..`, a drive or a NUL, or the member is a link or device.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    unsafe = path.is_absolute() or ".." in path.parts or "\0" in name or (bool(path.parts) and ":" in path.parts[0])
    if unsafe or link or not path.parts:
        found = "a link or device" if link else "a name that leads out of the folder"
        raise SourceError(f"Expected plain files only, got {found}: {name!r} ({archive}). Do not use this archive.")
    return path


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        # The upper half of the attributes is the Unix mode; archives made elsewhere leave it at zero.
        kind = stat.S_IFMT(info.external_attr >> 16)
        link = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
        yield _Member(info.filename, info.file_size, info.is_dir(), link, partial(archive.open, info))


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        link = not (info.isreg() or info.isdir())
        yield _Member(info.name, info.size, info.isdir(), link, partial(_opened, archive, info))


def _opened(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    handle = archive.extractfile(info)
    if handle is None:
        raise SourceError(f"Expected a file, got none behind {info.name!r} ({archive.name!r}).")
    return handle


@contextmanager
def _members(path: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _zip_members(archive)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as packed:
            yield _tar_members(packed)
    else:
        raise SourceError(f"Expected a zip or tar archive, got something else ({path}). Is the download complete?")


def unpack(
    path: str | Path, root: str | Path, *, limits: Limits | None = None, progress: Callable[[int], None] | None = None
) -> int:
    """Unpack an archive below a folder. Files that are there already with the same size are kept.

    Args:
        path: `.zip`, `.tar`, `.tar.gz`, `.tar.bz2` or `.tar.xz`.
        root: Folder to unpack in.
        limits: How large it may become.
        progress: Called with the number of newly unpacked files.

    Returns:
        Files that are now there.

    Raises:
        UsageError: There is no such archive.
        SourceError: It is damaged, holds links or names that leave the folder, or grows beyond the limits. Members
            before the fault stay unpacked; no half-written file stays.
    """
    path, root, limits = Path(path), Path(root), limits or Limits()
    if not path.is_file():
        raise UsageError(f"Expected an archive, got nothing at {path}. Check the path.")
    budget = _Budget(path, limits)
    count = 0
    try:
        with _members(path) as members:
            for member in members:
                target = root / check_member(member.name, path, link=member.link)
                budget.expect(member)
                if member.folder:
                    _inside(root, target, path).mkdir(parents=True, exist_ok=True)
                    continue
                if not (target.is_file() and not target.is_symlink() and target.stat().st_size == member.size):
                    _copy(member, _inside(root, target, path), budget)
                count += 1
                if progress is not None:
                    progress(1)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"Expected a whole archive, got {error} ({path}). Download it again.") from error
    return count


class _Budget:
    """Counts unpacked bytes: those that the archive claims, and those that really come out."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.allowed = min(limits.total, int(limits.ratio * path.stat().st_size) + CHUNK)
        self.claimed = self.written = self.members = 0

    def expect(self, member: _Member) -> None:
        """Count a member's claim before anything of it is unpacked."""
        self.members, self.claimed = self.members + 1, self.claimed + member.size
        if self.members > self.limits.members:
            raise SourceError(f"Expected at most {self.limits.members} members, got more ({self.path}).")
        self._check(self.claimed)

    def spend(self, count: int) -> None:
        """Count bytes that came out."""
        self.written += count
        self._check(self.written)

    def _check(self, size: int) -> None:
        if size > self.allowed:
            raise SourceError(
                f"Expected at most {self.allowed} unpacked bytes of an archive of {self.path.stat().st_size}, got more "
                f"({self.path}). It looks like a zip bomb: do not use it."
            )


def _inside(root: Path, target: Path, archive: Path) -> Path:
    """Check that links which are already in the folder do not lead a file out of it."""
    if not target.parent.resolve().is_relative_to(root.resolve()) or target.is_symlink():
        raise SourceError(f"Expected to write below {root}, got a link that leads elsewhere: {target} ({archive}).")
    return target


def _copy(member: _Member, target: Path, budget: _Budget) -> None:
    with atomic_bytes(target) as copy, member.open() as source:
        while block := source.read(CHUNK):
            budget.spend(len(block))
            copy.write(block)
