"""Pictures in a real browser: marks where they belong, zoom, names that do not overlap, a click."""

from urllib.parse import quote

import pytest

IMAGE = "data:image/svg+xml," + quote(
    "<svg xmlns='http://www.w3.org/2000/svg' width='400' height='300'><rect width='400' height='300' fill='#cdd8ea'/>"
    "<rect x='40' y='60' width='120' height='180' fill='#c33'/></svg>"
)
PICTURE = """const image = new Image(); Object.assign(image, { src: values.image, alt: "A scene" });
here.append(lammViewer.picture(image, { name: "scene.png", series: values.series }));"""
STAGE = "document.querySelector('.viewer-stage')"
# The first box in shares of the picture, in hundredths: left, top, right, bottom.
PLACE = """(() => { const box = document.querySelector('.viewer rect').getBoundingClientRect();
const all = document.querySelector('.viewer img').getBoundingClientRect();
const places = [["left", all.left, all.width], ["top", all.top, all.height], ["right", all.left, all.width],
  ["bottom", all.top, all.height]];
return places.map(([side, from, whole]) => Math.round((100 * (box[side] - from)) / whole) / 100); })()"""
# Names that are shown, and pairs of them that overlap.
OVERLAPS = """(() => { const names = [...document.querySelectorAll('.viewer-names span')];
const boxes = names.filter((name) => name.style.visibility === 'visible').map((name) => name.getBoundingClientRect());
const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
return [boxes.length, boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b))).length]; })()"""


@pytest.fixture
def series():
    truth = [
        {"kind": "box", "numbers": [0.1, 0.2, 0.4, 0.8], "label": "block", "found": True},
        {"kind": "polygon", "numbers": [0.6, 0.2, 0.9, 0.3, 0.75, 0.7], "label": "sail"},
        {"kind": "point", "numbers": [0.5, 0.9], "label": "foot"},
    ]
    answers = [{"kind": "box", "numbers": [0.12, 0.22, 0.41, 0.79], "label": "<b>block</b>", "found": True}]
    answers += [{"kind": "box", "numbers": [0.11, 0.2 + n / 100, 0.4, 0.8], "label": f"block {n}"} for n in range(6)]
    return [
        {"name": "truth", "colour": "#1f8a3b", "marks": truth},
        {"name": "mine", "colour": "#0b57d0", "dashed": True, "answer": "A <i>block</i>.", "marks": answers},
    ]


def test_marks_lie_where_they_belong_and_names_do_not_overlap(show, series):
    browser = show(PICTURE, image=IMAGE, series=series)
    browser.wait(f"{STAGE}.dataset.names > 3")
    assert browser.value(f"{STAGE}.dataset.boxes") == "10"
    assert browser.value(PLACE) == [0.1, 0.2, 0.4, 0.8]
    assert browser.value("document.querySelectorAll('.viewer rect:not([fill=none])').length") == 2
    assert browser.value("document.querySelectorAll('.viewer polygon').length") == 1
    shown, overlaps = browser.value(OVERLAPS)
    assert shown > 3
    assert overlaps == 0
    browser.press("Tab")
    for _ in range(4):
        browser.press("+")
    browser.wait(f"Number({STAGE}.dataset.zoom) > 2")
    assert browser.value(PLACE) == [0.1, 0.2, 0.4, 0.8]
    assert browser.value(OVERLAPS)[1] == 0


def test_a_click_chooses_the_smallest_mark_and_then_the_next(show, series):
    browser = show(PICTURE, image=IMAGE, series=series)
    browser.wait(f"{STAGE}.dataset.names > 3")
    left, top, width, height = browser.value(
        f"(({{ left, top, width, height }}) => [left, top, width, height])({STAGE}.getBoundingClientRect())"
    )
    heads = []
    for _ in range(9):
        for kind in ("mousePressed", "mouseReleased"):
            place = {"x": left + 0.25 * width, "y": top + 0.5 * height}
            browser.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place)
        heads.append(browser.value("document.querySelector('.viewer-panel b').textContent"))
        browser.value("new Promise((done) => setTimeout(done, 400))")  # two at once would zoom
    assert heads[0] == "block 5"
    assert len(set(heads[:8])) == 8
    assert heads[8] == heads[0]
    assert browser.value("document.querySelector('.viewer-panel p').textContent") == "A <i>block</i>."
    assert browser.value("document.querySelectorAll('.viewer i').length") == 0


def test_unzoomed_arrow_keys_are_the_pages(show, series):
    browser = show(PICTURE, image=IMAGE, series=series)
    browser.wait(f"{STAGE}.dataset.zoom")
    browser.press("Tab")
    event = "new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true, cancelable: true })"
    assert browser.value(f"{STAGE}.dispatchEvent({event})")
    browser.press("+")
    assert not browser.value(f"{STAGE}.dispatchEvent({event})")
    browser.press("0")
    browser.wait(f"{STAGE}.dataset.zoom === '1.000'")
