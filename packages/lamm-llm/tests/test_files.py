"""Files and folders are whole whenever they are there, and one process at a time writes them."""

import errno
import os
import subprocess
import sys

import pytest

from lamm_llm import (
    InUseError,
    UsageError,
    atomic_bytes,
    atomic_path,
    atomic_text,
    sole_use,
    write_whole,
    writes_alone,
)


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_text(target) as handle:
        handle.write("ü\n")
        assert not target.exists()
    assert target.read_bytes() == b"\xc3\xbc\n"
    with atomic_bytes(target) as handle:
        handle.write(b"\0")
    assert target.read_bytes() == b"\0"
    with atomic_path(target, sync=True) as beside:
        beside.write_text("synced")
    assert target.read_text() == "synced"
    write_whole(target, "ä\n")
    assert target.read_bytes() == b"\xc3\xa4\n"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("write", [atomic_text, atomic_bytes])
def test_a_failure_leaves_what_was_there(tmp_path, write):
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(KeyError), write(target):
        raise KeyError
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UsageError, match="got a folder"), write(tmp_path):
        pass


HOLD = """
import sys, time
from lamm_llm import atomic_path, sole_use
with sole_use(sys.argv[1], folder=sys.argv[2] == "folder"), atomic_path(sys.argv[3]) as beside:
    beside.write_text("half")
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def start():
    started = []

    def start_holder(output, kind, written):
        call = [sys.executable, "-c", HOLD, str(output), kind, str(written)]
        started.append(subprocess.Popen(call, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"held\n"
        return started[-1]

    yield start_holder
    for holder in started:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_output_has_one_user_and_is_free_after_a_kill(tmp_path, start, kind):
    output = tmp_path / "new" / "out"
    holder = start(output, kind, output / "part.txt" if kind == "folder" else output)
    with (
        pytest.raises(InUseError, match=f"Expected {output} to be free, got another run"),
        sole_use(output, folder=kind == "folder"),
    ):
        pass
    holder.kill()
    holder.wait()
    assert list(tmp_path.rglob("*.part"))
    with sole_use(output, folder=kind == "folder"):
        assert os.path.isdir(output) == (kind == "folder")
        assert not list(tmp_path.rglob("*.part"))  # what the killed process was writing
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with sole_use(tmp_path / "never" / "there", folder=kind == "folder"):
        pass
    assert not (tmp_path / "never").exists()


def test_outputs_side_by_side_do_not_block_each_other(tmp_path, start):
    start(tmp_path / "a.jsonl", "file", tmp_path / "a.jsonl")
    with sole_use(tmp_path / "b.jsonl"), sole_use(tmp_path, folder=True):
        assert len(list(tmp_path.glob(".a.jsonl.*.part"))) == 1  # another process is still writing it


def test_two_names_of_one_output_are_one(tmp_path, start, monkeypatch):
    start(tmp_path / "a.jsonl", "file", tmp_path / "a.jsonl")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "./a.jsonl", "link.jsonl"):
        with pytest.raises(InUseError), sole_use(name):
            pass


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """The last holder removes the file between our opening and our locking it: a third one could hold another."""
    import filelock

    output, taken = tmp_path / "a", []
    acquire = filelock.FileLock.acquire

    def acquire_late(lock, *args, **options):
        done = acquire(lock, *args, **options)
        taken.append(lock)
        if len(taken) == 1:
            os.unlink(lock.lock_file)
        return done

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire_late)
    with sole_use(output):
        assert len(taken) == 2
        assert (tmp_path / ".a.lock").exists()


def test_a_function_holds_the_outputs_that_its_arguments_name(tmp_path, start):
    @writes_alone("output", "rejected")
    def work(output, rejected=None):
        """Work."""
        return output

    assert work.__doc__ == "Work."
    assert work(output=tmp_path / "a", rejected=None) == tmp_path / "a"
    start(tmp_path / "b", "file", tmp_path / "b")
    with pytest.raises(InUseError):
        work(output=tmp_path / "a", rejected=tmp_path / "b")
    with sole_use(tmp_path / "a"):
        pass


def test_a_place_where_nothing_can_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"Expected a place to write .*file"), sole_use(tmp_path / "file" / "out"):
        pass
    with atomic_path(tmp_path / "free") as beside:
        beside.write_text("")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_disk_names_the_file(tmp_path, number):
    with pytest.raises(OSError, match=r"out\.json") as caught, atomic_text(tmp_path / "out.json"):
        raise OSError(number, os.strerror(number))
    assert caught.value.filename == str(tmp_path / "out.json")
    assert not list(tmp_path.iterdir())
