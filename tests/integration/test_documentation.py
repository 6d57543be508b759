"""Pages that load a language model, followed block by block; training is cut to a few steps."""

import numpy as np
import pytest
from documentation_blocks import HEAVY, blocks, follow
from PIL import Image

SMALLER = {
    "max_steps = 60": "max_steps = 2",
    "training.max_steps=20": "training.max_steps=2",
    "--images 1200 --rooms 40": "--images 60 --rooms 1",
}


@pytest.mark.parametrize("page", HEAVY)
def test_page_can_be_followed(page, tmp_path):
    Image.fromarray(np.full((40, 60, 3), 120, np.uint8)).save(tmp_path / "photo.jpg")
    done = [follow(block, tmp_path, SMALLER) for block in blocks(page) if block.does_something and not block.reason]
    assert len(done) >= 1
    if page == "tutorial.md":
        report = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert all(f">{model}</bdi></th>" in report for model in ("tuned", "before"))
        assert '<th scope="col">Blind</th>' in report  # a mark beside the model's own score
        assert sorted(path.name for path in (tmp_path / "answers").iterdir()) == ["before", "blind", "tuned"]
