"""A few seconds of `decoders.py`: every reader of pictures over mutated files of every format."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import decoders


def test_mutated_pictures_are_decoded_or_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(decoders.seeds()) >= 10
    assert decoders.main(0.05, seed=3) == 0
    assert not (tmp_path / "fuzz-faults").exists()


def test_a_fault_is_counted_and_the_input_laid_aside(tmp_path, monkeypatch, capsys):
    def broken(content):
        raise RuntimeError("as libraries do")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(decoders, "read_image", broken)
    monkeypatch.setattr(decoders, "READERS", {"training": broken})
    monkeypatch.setattr(decoders, "seeds", lambda: {"PNG": [b"x"]})
    monkeypatch.setattr(decoders, "mutated", lambda content, draw: content)
    assert decoders.main(0.0005, seed=random.Random(0).randrange(9)) == 1
    assert list((tmp_path / "fuzz-faults").iterdir())
    assert "as libraries do" in capsys.readouterr().err
