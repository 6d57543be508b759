"""The page of `lamm data view` in a real browser: search, keys, nothing asked of any network."""

import pytest
from headless_browser import opened_browser
from PIL import Image

from lamm_data.records.instruction import InstructionRecord
from lamm_data.view.page import Viewed, write_page


@pytest.fixture
def browser(tmp_path):
    with opened_browser(tmp_path / "browser") as opened:
        yield opened


def test_records_are_found_and_walked_through(browser, tmp_path):
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "photo.png")
    records = [
        InstructionRecord.from_dict(
            {"id": f"r{number}", "image": "photo.png", "conversations": [
                {"from": "human", "value": "What?"}, {"from": "gpt", "value": f"A {animal} <script>alert(1)</script>"}]}
        )
        for number, animal in enumerate(("cat", "dog", "cat"))
    ]  # fmt: skip
    write_page(tmp_path / "page.html", records, tmp_path, Viewed(read=3), title="Pets & <others>")
    browser.open((tmp_path / "page.html").as_uri())
    browser.wait("document.querySelectorAll('article .viewer img').length === 3")
    focused = "document.activeElement.querySelector('h2').textContent"
    for key, wanted in (("j", "r0"), ("j", "r1"), ("k", "r0")):
        browser.press(key)
        assert browser.value(focused) == wanted
    browser.value(
        "(() => { const find = document.getElementById('find'); find.value = 'CAT';"
        "find.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert browser.value("document.querySelectorAll('article:not([hidden])').length") == 2
    assert browser.value("document.getElementById('count').textContent") == "2 of 3"
    browser.press("j")
    assert browser.value(focused) == "r2"
    # Keys of a picture that has the focus are its own.
    browser.value("document.querySelector('article:not([hidden]) .viewer-stage').focus()")
    browser.press("+")
    assert float(browser.value("document.querySelector('article:not([hidden]) .viewer-stage').dataset.zoom")) > 1
    assert browser.value("document.title") == "Pets & <others>"
    assert (browser.requests(), browser.complaints()) == ([], [])
