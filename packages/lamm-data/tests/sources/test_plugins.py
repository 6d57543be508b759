"""Sources that installed packages bring through the entry point group `lamm.sources`."""

import sys

import pytest
from PIL import Image

from lamm_data.errors import UsageError
from lamm_data.records.instruction import read_records
from lamm_data.sources.registry import get_source, load_sources
from lamm_data.templates.run import convert_source

MODULE = """
from lamm_data import Annotated, Box, Source


def open_boxes(root, split):
    yield Annotated("1", "1.png", origin="code", width=10, height=10, boxes=(Box(" cat ", (0, 0, 5, 5)),))


def row(**values):
    return Source(**({{"name": "yard", "title": "Yard", "url": "https://example.org", "layout": ("*.png",),
        "splits": ("train",), "train": "train", "readers": {{"detection": "lamm_more_sources:open_boxes"}},
        "licence": "CC0-1.0", "redistribution": True, "commercial": True, "citation": "Me.",
        "dataset": "Yard"}} | values))


ROWS = {rows}
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package as pip would install it, with the sources that a test writes down."""
    load_sources.cache_clear()

    def install(rows):
        (tmp_path / "lamm_more_sources.py").write_text(MODULE.format(rows=rows))
        info = tmp_path / "lamm_more_sources-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamm-more-sources\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[lamm.sources]\nmore = lamm_more_sources:ROWS\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("lamm_more_sources", None)
    load_sources.cache_clear()


@pytest.mark.parametrize("rows", ["row()", "[row()]"])
def test_a_package_brings_a_source_with_one_row(plugin, rows, tmp_path):
    plugin(rows)
    Image.new("RGB", (10, 10)).save(tmp_path / "1.png")
    convert_source("yard", tmp_path, tmp_path / "o.jsonl")
    (record,) = read_records(tmp_path / "o.jsonl")
    assert (record.src_image, record.meta["licence"], record.meta["source"]) == ("Yard", "CC0-1.0", "yard")
    assert "[0.0, 0.0, 0.5, 0.5]" in record.conversations[-1].text
    assert get_source("sample").name == "sample"


@pytest.mark.parametrize("rows", ['row(name="coco_detection")', '["no source"]', "[row(), row()]"])
def test_rows_that_cannot_be_sources_are_refused_by_their_package(plugin, rows):
    plugin(rows)
    with pytest.raises(UsageError, match=r"'lamm_more_sources:ROWS' to be a lamm_data\.Source"):
        load_sources()
