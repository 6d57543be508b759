"""The review page in a real browser: what is shown, what keys do, and what is on the disk afterwards."""

import json
import os
from pathlib import Path

import pytest

READY = """document.querySelectorAll('.turn').length > 0 &&
  document.getElementById('place').textContent.startsWith('record {}')"""
CANVAS = "document.querySelector('#shown canvas')"
INK = f"""(() => {{
  const canvas = {CANVAS};
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) {{
    sum = (sum * 31 + data[i] * 65536 + data[i + 1] * 256 + data[i + 2]) % 4294967291;
  }}
  return `${{canvas.width}}x${{canvas.height}} ${{sum}}`;
}})()"""
SHOWN = "[...document.querySelectorAll('#shown rect')].filter((box) => box.getBoundingClientRect().width > 20).length"


def verdicts(server):
    return [json.loads(line) for line in server.session.file.path.read_text().splitlines()]


def keep(browser, name):
    """Keep a screenshot where somebody wants to look at it."""
    folder = os.environ.get("LAMM_SCREENSHOTS")
    if folder:
        browser.screenshot(Path(folder) / f"{name}.png")


def open_record(browser, server, number):
    browser.open(server.url)
    browser.wait(READY.format(1))
    for at in range(2, number + 1):
        browser.press("ArrowRight")
        browser.wait(READY.format(at))


def test_a_picture_is_shown_with_boxes_and_its_text_as_text(browser, review):
    server = review()
    open_record(browser, server, 1)
    browser.wait("document.querySelector('#shown img').naturalWidth === 400")
    assert browser.value("document.querySelectorAll('.turn')[1].textContent").endswith("& <b>bold</b>.")
    assert browser.value("document.title") == "LAMM review"
    assert browser.value("document.querySelectorAll('.turn img, .turn b b').length") == 0
    assert "A block and a disc." in browser.value("document.getElementById('captions').textContent")
    assert browser.value("location.hash") == "", "the token does not stay in the address bar"
    assert browser.value(SHOWN) == 2
    names = "[...document.querySelectorAll('.viewer-names span')].map((name) => name.textContent)"
    assert browser.value(names) == ["block", "disc"]
    keep(browser, "picture")
    browser.press("b")
    browser.wait(f"{SHOWN} === 0")
    browser.press("b")
    browser.wait(f"{SHOWN} === 2")


def test_keys_accept_and_reject_and_a_restart_goes_on(browser, review):
    server = review()
    open_record(browser, server, 1)
    browser.press("a")
    browser.wait(READY.format(2))
    browser.press("r")
    browser.wait("!document.getElementById('rejection').hidden")
    browser.press("2")
    keep(browser, "reject")
    browser.press("Enter")
    browser.wait(READY.format(3))
    assert [(item["id"], item["verdict"], item["reason"]) for item in verdicts(server)] == [
        ("a", "accept", ""),
        ("b", "reject", "wrong number"),
    ]
    browser.open(review().url)
    browser.wait(READY.format(3))
    assert browser.value("document.getElementById('count').textContent") == "2 read"
    browser.press("ArrowLeft")
    browser.wait(READY.format(2))
    assert browser.value("document.getElementById('state').textContent") == "rejected: wrong number"


def test_a_note_is_written_without_being_taken_for_commands(browser, review):
    server = review()
    open_record(browser, server, 1)
    browser.press("r")
    browser.wait("!document.getElementById('rejection').hidden")
    browser.press("Tab")
    for letter in "a bran":
        browser.press(letter)
    browser.press("Enter")
    browser.wait(READY.format(2))
    assert [(item["verdict"], item["note"]) for item in verdicts(server)] == [("reject", "a bran")]


def test_a_cloud_turns_by_itself_and_by_hand(browser, review):
    server = review()
    open_record(browser, server, 3)
    browser.wait("document.getElementById('medium-name').textContent === 'room.npy'")
    browser.wait(f"{CANVAS}.dataset.turn && {CANVAS}.dataset.boxes === '1'")
    first = browser.value(INK)
    browser.wait(f"{INK} !== {json.dumps(first)}")
    browser.press("t")
    browser.wait("document.querySelector('[title^=Turn]').getAttribute('aria-pressed') === 'false'")
    still = browser.value(INK)
    assert browser.value(INK) == still
    keep(browser, "cloud")
    browser.drag((300, 300), (420, 340))
    browser.wait(f"{INK} !== {json.dumps(still)}")
    assert browser.value("document.getElementById('error').hidden")


def test_without_the_token_nothing_is_shown(browser, review):
    server = review()
    browser.open(server.url.partition("#")[0])
    browser.value("sessionStorage.clear()")
    browser.open(server.url.partition("#")[0])
    browser.wait("!document.getElementById('error').hidden")
    assert "token" in browser.value("document.getElementById('error').textContent")
    assert browser.value("document.querySelectorAll('.turn').length") == 0


def test_a_missing_picture_is_named(browser, review, tmp_path):
    server = review(root=tmp_path / "elsewhere")
    browser.open(server.url)
    browser.wait("!document.getElementById('error').hidden")
    assert "a.png" in browser.value("document.getElementById('error').textContent")


@pytest.mark.parametrize("width", [700])
def test_a_narrow_window_keeps_the_dialogue_in_sight(browser, review, width):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    try:
        open_record(browser, review(), 1)
        edge = browser.value("document.querySelector('.turn').getBoundingClientRect().right")
        assert 0 < edge <= width
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")
