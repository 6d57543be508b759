"""An exported folder is whole whenever it is there."""

import pytest

from lamm_data import UsageError
from lamm_data.export.formats import new_folder


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
