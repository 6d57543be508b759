"""Archives are unpacked without trusting them: paths, links, bombs, damage."""

import io
import os
import shutil
import stat
import tarfile
import zipfile
from contextlib import contextmanager, suppress

import pytest
from click.testing import CliRunner

from lamm_data.cli import data
from lamm_data.errors import SourceError, UsageError
from lamm_data.files.archives import Limits, unpack

FILES = {"img/a.jpg": b"a" * 100, "img/deep/b.txt": b"b", "c.json": b"{}"}


def zip_of(path, files=FILES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_of(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, kind, content, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def plain(name, content=b"x"):
    return name, tarfile.REGTYPE, content, ""


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_whole_archives_are_unpacked_and_kept_on_a_second_run(tmp_path, kind):
    path, root = tmp_path / f"a.{kind}", tmp_path / "out"
    zip_of(path) if kind == "zip" else tar_of(path, *(plain(name, content) for name, content in FILES.items()))
    seen = []
    assert unpack(path, root, progress=seen.append) == 3
    assert sum(seen) == 3
    assert contents(root) == FILES
    stamp = (root / "c.json").stat().st_mtime_ns
    (root / "img" / "a.jpg").write_bytes(b"cut")  # an interrupted run's leftover is written again
    assert unpack(path, root) == 3
    assert contents(root) == FILES
    assert (root / "c.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("name", ["../evil.txt", "img/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    root = tmp_path / "deep" / "out"
    for path in (zip_of(tmp_path / "a.zip", {name: b"x"}), tar_of(tmp_path / "a.tar.gz", plain(name))):
        with pytest.raises(SourceError, match="leads out of the folder"):
            unpack(path, root)
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tar_of(tmp_path / "a.tar.gz", ("img", kind, b"", "/etc"), plain("img/evil.txt"))
    with pytest.raises(SourceError, match="link or device"):
        unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_links_in_zip_files_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("img")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
    with pytest.raises(SourceError, match="link or device"):
        unpack(path, tmp_path / "out")


def test_a_link_that_is_already_in_the_folder_leads_nobody_out(tmp_path):
    root, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / "img").symlink_to(elsewhere)
    with pytest.raises(SourceError, match="leads elsewhere"):
        unpack(zip_of(tmp_path / "a.zip"), root)
    assert contents(elsewhere) == {}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bombs_are_refused_before_they_grow(tmp_path, kind):
    bomb = bytes(64 << 20)
    path = tmp_path / f"bomb.{kind}"
    zip_of(path, {"big.bin": bomb}) if kind == "zip" else tar_of(path, plain("big.bin", bomb))
    assert path.stat().st_size < 100_000
    with pytest.raises(SourceError, match="zip bomb"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.bin"))
    assert unpack(path, tmp_path / "out", limits=Limits(ratio=1e6)) == 1


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path):
    path = zip_of(tmp_path / "bomb.zip", {"big.bin": bytes(16 << 20)})
    raw = bytearray(path.read_bytes())
    central = raw.rindex(b"PK\x01\x02")
    raw[central + 24 : central + 28] = (10).to_bytes(4, "little")  # claims ten bytes
    path.write_bytes(raw)
    with pytest.raises(SourceError, match=r"zip bomb|whole archive"):
        unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_too_many_members_are_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", {f"{k}": b"" for k in range(20)})
    with pytest.raises(SourceError, match="at most 10 members"):
        unpack(path, tmp_path / "out", limits=Limits(members=10))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a.bin": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="zip or tar"):
        unpack(path, tmp_path / "out")
    path = zip_of(tmp_path / "b.zip", {"a.bin": os.urandom(5000)})
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 255
    path.write_bytes(raw)
    with pytest.raises(SourceError, match="whole archive"):
        unpack(path, tmp_path / "out")
    path = tar_of(tmp_path / "c.tar.gz", plain("a.bin", os.urandom(5000)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SourceError, match=r"whole archive"):
        unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == {}
    with pytest.raises(UsageError):
        unpack(tmp_path / "none.zip", tmp_path / "out")


def flips(raw):
    """Yield every version of some bytes in which one bit of one byte is flipped, each byte in turn."""
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        yield bytes(changed)


@contextmanager
def naming(path):
    """Let pass only errors that name a file."""
    try:
        yield
    except SourceError as error:
        if str(path) not in str(error):
            raise AssertionError(f"unnamed: {error}") from error
        raise


@pytest.mark.parametrize("kind", ["zip", "gz", "xz", "bz2"])
def test_a_flipped_bit_is_refused_by_name_or_harms_nothing_and_nothing_stays(tmp_path, kind):
    path, root = tmp_path / f"a.{kind}", tmp_path / "new" / "out"
    members = [plain(name, content) for name, content in FILES.items()]
    zip_of(path) if kind == "zip" else tar_of(path, *members, mode=f"w:{kind}")
    refused = harmless = 0
    for changed in flips(path.read_bytes()):
        path.write_bytes(changed)
        with suppress(SourceError), naming(path):
            unpack(path, root)
        if not (tmp_path / "new").exists():
            refused += 1
            continue
        assert contents(root) == FILES
        harmless += 1  # a time, an attribute: no sum covers them
        shutil.rmtree(tmp_path / "new")
    assert refused > harmless


def test_the_sum_at_the_end_is_read_also_where_every_file_is_there_already(tmp_path):
    path = tar_of(tmp_path / "a.tar.gz", *(plain(name, content) for name, content in FILES.items()))
    unpack(path, tmp_path / "out")
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    with pytest.raises(SourceError, match="whole archive"):
        unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_a_damaged_header_in_a_plain_tar_is_not_its_end(tmp_path):
    path = tar_of(tmp_path / "a.tar", *(plain(name, content) for name, content in FILES.items()), mode="w")
    raw = bytearray(path.read_bytes())
    raw[1024 + 3] ^= 1  # the second member's name
    path.write_bytes(raw)
    with pytest.raises(SourceError, match="whole archive"):
        unpack(path, tmp_path / "out")
    path.write_bytes(raw[:1024] + bytes(1024) + raw[1024:])
    with pytest.raises(SourceError, match="behind the archive's end"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_a_files_place_is_refused_before_anything_is_moved(tmp_path):
    root = tmp_path / "out"
    (root / "img" / "a.jpg").mkdir(parents=True)
    with pytest.raises(SourceError, match="Expected a file or nothing"):
        unpack(zip_of(tmp_path / "a.zip"), root)
    assert contents(root) == {}


def test_command_unpacks_several(tmp_path):
    paths = [str(zip_of(tmp_path / "a.zip")), str(tar_of(tmp_path / "b.tar.gz", plain("d.txt")))]
    result = CliRunner().invoke(data, ["unpack", *paths, "--root", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert set(contents(tmp_path / "out")) == {*FILES, "d.txt"}


def test_a_real_download_is_unpacked(real_data, tmp_path):
    assert unpack(real_data / "textvqa" / "textvqa_0.5.1_dummy.zip", tmp_path) == 5
    assert unpack(tmp_path / "dummy_data" / "train_val_images.zip", tmp_path / "dummy_data") > 1
