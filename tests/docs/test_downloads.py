"""The page of downloads has every source that is downloaded, with its terms and its files."""

import importlib.util

from documentation_blocks import DOCS
from prose import faults

from lamm_data import load_sources

spec = importlib.util.spec_from_file_location("downloads", DOCS / "downloads.py")
downloads = importlib.util.module_from_spec(spec)
spec.loader.exec_module(downloads)


def test_every_source_is_on_the_page():
    page = downloads.downloads_page()
    fetched = {name: source for name, source in load_sources().items() if source.url.startswith("http")}
    assert len(fetched) > 30
    for name, source in fetched.items():
        section = page.split(f"{{#{name}}}")[1].split("\n## ")[0]
        assert source.url in section
        assert source.licence in section
        assert all(file in section for file in source.layout)


def test_sizes_are_of_sources():
    assert downloads.SIZES.keys() <= downloads.sources().keys()


def test_the_page_can_be_read():
    assert not faults(downloads.downloads_page())
