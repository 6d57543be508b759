"""Files and folders are whole whenever they are there."""

import pytest

from lamm_data import UsageError, atomic_bytes, atomic_path, atomic_text
from lamm_data.files.whole import new_folder


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


def test_a_folder_takes_the_place_of_an_empty_one_only(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(FileNotFoundError), new_folder(target) as beside:
        (beside / "none" / "a").write_text("a")
    assert not any(target.iterdir())
    with new_folder(target) as beside:
        (beside / "a").write_text("a")
    assert (target / "a").read_text() == "a"
    with pytest.raises(UsageError, match="new or empty folder"), new_folder(target):
        pass
    assert list(tmp_path.iterdir()) == [target]
