"""Unpack downloaded archives without trusting them: nothing leaves the folder, nothing grows without bound."""

from __future__ import annotations

import errno
import lzma
import os
import secrets
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Self, cast

from lamm_data.errors import SourceError, UsageError
from lamm_llm import disk_faults

CHUNK = 1 << 20
_LONGEST = 255  # bytes of one part of a path, in every common file system
# What reading a damaged archive raises; the packers' own `OSError` has no number.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    OverflowError,
)


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
    long = any(len(os.fsencode(part)) > _LONGEST for part in path.parts) if not unsafe else False
    if unsafe or link or long or not path.parts:
        found = "a link or device" if link else "a name that leads out of the folder"
        found = f"a name of more than {_LONGEST} bytes" if long else found
        raise SourceError(
            f"Expected plain files only, got {found}: {name[:200]!r} ({archive}). Do not use this archive."
        )
    return path


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


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    _check_count(archive)
    for info in archive.infolist():
        # The upper half of the attributes is the Unix mode; archives made elsewhere leave it at zero.
        kind = stat.S_IFMT(info.external_attr >> 16)
        link = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
        yield _Member(info.filename, info.file_size, info.filename.endswith("/"), link, partial(archive.open, info))


def _check_count(archive: zipfile.ZipFile) -> None:
    """Check that as many members were listed as the list's end counts: a damaged length hides those that follow it."""
    end = cast("IO[bytes]", archive.fp)
    end.seek(-22 - len(archive.comment), os.SEEK_END)
    counted = int.from_bytes(end.read(12)[10:], "little")
    if counted not in (0xFFFF, len(archive.infolist()) & 0xFFFF):  # 0xFFFF: too many for these two bytes
        raise zipfile.BadZipFile(f"{len(archive.infolist())} members where {counted} are counted")


class WholeHeader(tarfile.TarInfo):
    """A header that is read or refused: by itself `tarfile` takes a damaged one for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header; bytes that are none are refused, zeros are the end."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(str(error)) from error
            raise


def _tar_members(archive: tarfile.TarFile, budget: _Budget) -> Iterator[_Member]:
    for info in archive:
        link = not (info.isreg() or info.isdir())
        yield _Member(info.name, info.size, info.isdir(), link, partial(_opened, archive, info))
    # The sum over all bytes comes after them: only who reads on to the end of the packed stream has it checked.
    while block := cast("IO[bytes]", archive.fileobj).read(CHUNK):
        budget.spend(len(block))
        if any(block):
            raise tarfile.ReadError("bytes behind the archive's end")


def _opened(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    handle = archive.extractfile(info)
    if handle is None:
        raise SourceError(f"Expected a file, got none behind {info.name!r} ({archive.name!r}).")
    return handle


@contextmanager
def _members(budget: _Budget) -> Iterator[Iterator[_Member]]:
    path = budget.path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _zip_members(archive)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path, tarinfo=WholeHeader) as packed:
            yield _tar_members(packed, budget)
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
        SourceError: It is damaged, holds links or names that leave the folder, or grows beyond the limits. Nothing of
            it is unpacked then.
    """
    path, root, limits = Path(path), Path(root), limits or Limits()
    if not path.is_file():
        raise UsageError(f"Expected an archive, got nothing at {path}. Check the path.")
    budget = _Budget(path, limits)
    count = 0
    with disk_faults(root), _staging(root, path) as staging:
        try:
            with _members(budget) as members:
                for member in members:
                    name = check_member(member.name, path, link=member.link)
                    budget.expect(member)
                    if member.folder:
                        (staging / name).mkdir(parents=True, exist_ok=True)
                        continue
                    _read(member, root / name, staging / name, budget)
                    count += 1
                    if progress is not None:
                        progress(1)
        except (*_DAMAGE, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's, not the archive's
                raise
            raise SourceError(f"Expected a whole archive, got {error} ({path}). Download it again.") from error
        _publish(staging, root, path)
    return count


@contextmanager
def _staging(root: Path, archive: Path) -> Iterator[Path]:
    """Make a hidden folder below the root; remove it, and a root that was made for it, when the block has ended."""
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    staging = root / f".{archive.name[:100]}.{secrets.token_hex(4)}.part"
    try:
        staging.mkdir(parents=True)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # it holds something now
                folder.rmdir()


def _publish(staging: Path, root: Path, archive: Path) -> None:
    """Move what was unpacked to its place, once all of it can be."""
    for folder, folders, files in os.walk(staging):
        below = root / Path(folder).relative_to(staging)
        for name in (*folders, *files):
            target = _inside(root, below / name, archive)
            if target.exists() and target.is_dir() != (name in folders):
                raise SourceError(
                    f"Expected a {'folder' if name in folders else 'file'} or nothing at {target}, got the other "
                    f"({archive}). Move it away or choose another folder."
                )
    for folder, folders, files in os.walk(staging):
        below = root / Path(folder).relative_to(staging)
        for name in folders:
            (below / name).mkdir(exist_ok=True)
        for name in files:
            os.replace(Path(folder, name), below / name)


def _inside(root: Path, target: Path, archive: Path) -> Path:
    """Check that links which are already in the folder do not lead a file out of it."""
    if not target.parent.resolve().is_relative_to(root.resolve()) or target.is_symlink():
        raise SourceError(f"Expected to write below {root}, got a link that leads elsewhere: {target} ({archive}).")
    return target


def _read(member: _Member, target: Path, staged: Path, budget: _Budget) -> None:
    """Read a member to its end, which checks its sum, and write it unless a file of its size is in its place."""
    there = target.is_file() and not target.is_symlink() and target.stat().st_size == member.size
    if not there:
        staged.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, open(os.devnull if there else staged, "wb") as copy:
        while block := source.read(CHUNK):
            budget.spend(len(block))
            copy.write(block)
