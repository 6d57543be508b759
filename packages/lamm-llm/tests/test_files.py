"""Files and folders are whole whenever they are there."""

import pytest

from lamm_llm import UsageError, atomic_bytes, atomic_path, atomic_text, write_whole


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
