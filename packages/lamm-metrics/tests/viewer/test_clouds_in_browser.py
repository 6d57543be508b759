"""Clouds in a real browser: all of a room, its boxes, hands and keys, the page's own scrolling, hostile clouds."""

import numpy as np
import pytest

from lamm_metrics import pack_cloud

CLOUD = "here.append(lammViewer.cloud(values.cloud, { name: 'room.npy', series: values.series, spin: false }));"
DATA = "document.querySelector('canvas.cloud').dataset"
PANEL = "document.querySelector('.viewer-panel')"
PAINTED = """(() => { const c = document.querySelector('canvas.cloud');
const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, back = [d[0], d[1], d[2]]; let n = 0;
for (let i = 0; i < d.length; i += 4) n += back.some((value, k) => Math.abs(d[i + k] - value) > 24);
return n / (c.width * c.height); })()"""
# Frames of a cloud that turns for two seconds: what the fastest took, and the points that were drawn at last.
FRAMES = """(async () => { const viewer = document.querySelector('.viewer').viewer, times = []; viewer.turn(true);
let last = performance.now(); const end = last + 2000;
while (performance.now() < end) {
  const now = await new Promise(requestAnimationFrame); times.push(now - last); last = now;
}
const drawn = Number(document.querySelector('canvas.cloud').dataset.drawn); viewer.turn(false);
return [Math.min(...times.slice(1)), drawn]; })()"""


def middle(browser):
    return browser.value(
        "(() => { const box = document.querySelector('.viewer-stage').getBoundingClientRect();"
        "return [box.left + box.width / 2, box.top + box.height / 2]; })()"
    )


def wheel(browser, place, turn, modifiers=0):
    x, y = place
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": turn, "modifiers": modifiers}
    browser.call("Input.dispatchMouseEvent", **event)
    browser.value("new Promise((done) => setTimeout(done, 120))")


def click(browser, x, y):
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


@pytest.mark.parametrize("gpu", [False, True])
def test_a_room_of_200_000_points_is_all_there_with_its_boxes(show, room, gpu):
    cloud, series = room
    browser = show(CLOUD, gpu=gpu, cloud=cloud, series=series)
    browser.wait(f"{DATA}.drawn === '200000'")
    assert browser.value(f"{DATA}.painter") == ("webgl" if gpu else "canvas")
    assert browser.value(f"{DATA}.boxes") == str(sum(len(one["marks"]) for one in series))
    assert int(browser.value(f"{DATA}.names")) >= 10
    assert browser.value(PAINTED) > 0.15
    # One side is switched off, and on again.
    switch = "document.querySelectorAll('.viewer-series button')[1]"
    assert browser.value(f"{switch}.textContent") == "LAMM 7B"
    truths = len(series[0]["marks"])
    for boxes, pressed in ((truths, "false"), (truths + len(series[1]["marks"]), "true")):
        browser.value(f"{switch}.click()")
        browser.wait(f"{DATA}.boxes === '{boxes}'")
        assert browser.value(f"{switch}.getAttribute('aria-pressed')") == pressed
    assert "200,000 points" in browser.value("document.querySelector('.viewer-bar').textContent")


def test_it_turns_smoothly_where_the_processor_draws(show, room):
    browser = show(CLOUD, cloud=room[0], series=room[1])
    browser.wait(f"{DATA}.drawn === '200000'")
    took, drawn = browser.value(FRAMES)
    # On an idle core a frame of all points takes 28 ms. A busy machine draws fewer points at a time, and all of them
    # once the cloud rests.
    assert took < 120
    assert drawn >= 12_000
    browser.wait(f"{DATA}.drawn === '200000'")


def test_a_click_on_a_box_tells_its_answer_as_text(show):
    points = np.random.default_rng(0).uniform(-1, 1, (3000, 3))
    marks = [{"kind": "box3d", "numbers": [0, 0, 0, 0.5, 0.5, 0.5], "label": "<i>cube</i>", "found": True}]
    series = [{"name": "mine", "colour": "#0b57d0", "answer": "It is <img src=x> here.", "marks": marks}]
    browser = show(CLOUD, cloud=pack_cloud(points), series=series)
    browser.wait(f"{DATA}.boxes === '1'")
    assert browser.value(f"{PANEL}.hidden")
    click(browser, *middle(browser))
    browser.wait(f"!{PANEL}.hidden")
    words = browser.value(f"{PANEL}.textContent")
    for part in ("<i>cube</i>", "mine", "found its counterpart", "0.50 × 0.50 × 0.50 m", "It is <img src=x> here."):
        assert part in words
    assert browser.value("document.querySelectorAll('.viewer i, .viewer img').length") == 0
    browser.value("document.querySelector('canvas.cloud').focus()")
    browser.press("Escape")
    assert browser.value(f"{PANEL}.hidden")
    # The same by keyboard, from the list of all marks.
    browser.value("document.querySelector('.viewer-list').open = true")
    browser.wait("document.querySelectorAll('.viewer-list li button').length === 1")
    browser.value("document.querySelector('.viewer-list li button').click()")
    assert not browser.value(f"{PANEL}.hidden")


def test_the_wheel_zooms_only_when_it_is_meant_to(show, room):
    browser = show(CLOUD, cloud=room[0], series=[])
    browser.wait(f"{DATA}.far")
    far, place = browser.value(f"{DATA}.far"), middle(browser)
    wheel(browser, place, 100)
    browser.wait("scrollY > 0")
    assert browser.value(f"{DATA}.far") == far
    browser.value("scrollTo(0, 0)")
    browser.value("new Promise((done) => setTimeout(done, 200))")
    wheel(browser, place, -100, modifiers=2)  # with Ctrl
    browser.wait(f"Number({DATA}.far) < {far}")
    click(browser, *place)
    nearer = browser.value(f"{DATA}.far")
    wheel(browser, place, -100)
    browser.wait(f"Number({DATA}.far) < {nearer}")
    assert browser.value("scrollY") == 0
    # The pointer leaves and comes back: the page has its wheel again.
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    wheel(browser, place, 100)
    browser.wait("scrollY > 0")


def test_one_finger_scrolls_the_page_and_two_zoom_the_cloud(show, room):
    browser = show(CLOUD, width=390, cloud=room[0], series=[])
    browser.wait(f"{DATA}.far")
    far, (x, y) = float(browser.value(f"{DATA}.far")), middle(browser)
    for kind, apart in (("touchStart", 30), *(("touchMove", 30 + 8 * step) for step in range(1, 9)), ("touchEnd", 0)):
        fingers = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}] if apart else []
        browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
    browser.wait(f"Number({DATA}.far) < {0.6 * far}")
    assert browser.value("[scrollY, visualViewport.scale]") == [0, 1]
    for kind, moved in (("touchStart", 0), *(("touchMove", 12 * step) for step in range(1, 12)), ("touchEnd", 0)):
        fingers = [{"x": x, "y": y - moved, "id": 1}] if kind != "touchEnd" else []
        browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
    browser.wait("scrollY > 50")


def test_keys_turn_move_zoom_and_look_from_above(show, room):
    browser = show(CLOUD, cloud=room[0], series=room[1])
    browser.wait(f"{DATA}.drawn")
    browser.value("document.querySelector('canvas.cloud').focus()")
    turn, far = browser.value(f"[{DATA}.turn, {DATA}.far]")
    browser.press("ArrowLeft")
    browser.wait(f"{DATA}.turn !== '{turn}'")
    browser.press("+")
    browser.wait(f"{DATA}.far !== '{far}'")
    browser.press("v")
    browser.wait(f"{DATA}.turn === '0.0000'")
    browser.wait("document.querySelector('[title^=\"From above\"]').getAttribute('aria-pressed') === 'true'")
    browser.press("b")
    browser.wait(f"{DATA}.boxes === '0'")
    browser.press("c")
    browser.wait("document.querySelector('.viewer select').value === 'height'")
    browser.press("0")
    browser.wait(f"{DATA}.far === '{far}'")
    assert browser.value("scrollY") == 0


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_at_first_sight_it_turns_a_little_unless_motion_is_unwanted(show, room, motion, moves):
    browser = show(CLOUD.replace("spin: false", "spin: true"), motion=motion, cloud=room[0], series=[])
    browser.wait(f"{DATA}.turn")
    turn = browser.value(f"{DATA}.turn")
    later = browser.value(f"new Promise((done) => setTimeout(() => done({DATA}.turn), 400))")
    assert (later != turn) == moves


HOSTILE = {
    "one point": np.array([[3.0, 4.0, 5.0]]),
    "coinciding points": np.ones((50, 6)),
    "a line": np.c_[np.linspace(0, 1, 300), np.zeros(300), np.zeros(300)],
    "a sheet": np.c_[np.random.default_rng(0).uniform(-1, 1, (3000, 2)), np.zeros(3000)],
    "map coordinates": np.add(np.random.default_rng(0).uniform(-3, 3, (3000, 3)), (4.4e6, 5.3e6, 320)),
    "huge": np.random.default_rng(0).uniform(-1e29, 1e29, (3000, 3)),
    "tiny": np.random.default_rng(0).uniform(-1e-7, 1e-7, (3000, 3)),
    "with NaN and far points": np.r_[
        np.random.default_rng(0).uniform(-1, 1, (3000, 3)), [[np.nan, 0, 0], [np.inf, 0, 0], [1e12, 0, 0]]
    ],
}
MARKS = [
    {"kind": "box3d", "numbers": [0, 0, 0, 1e300, 1, 1], "label": "endless"},
    {"kind": "box3d", "numbers": [0, 0, 0, -1, 0, 1, 0.3], "label": "\u202eturned about"},
    {"kind": "box3d", "numbers": [0, 0], "label": "short"},
    {"kind": "box3d", "numbers": [None, 0, 0, 1, 1, 1], "label": "not finite"},
    {"kind": "secret", "numbers": [1], "label": "unknown"},
]


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_clouds_and_marks_draw_something_right(show, name, gpu):
    series = [{"name": "odd", "colour": "var(--nowhere)", "marks": MARKS}]
    browser = show(CLOUD, gpu=gpu, cloud=pack_cloud(HOSTILE[name]), series=series)
    browser.wait(f"{DATA}.boxes === '2'")
    browser.value("document.querySelector('.viewer').viewer.boxes(false)")
    browser.wait(f"{DATA}.boxes === '0'")
    assert browser.value(PAINTED) > 0.0002
    if "far" in name:
        assert "1 far away" in browser.value("document.querySelector('.viewer-bar').textContent")


def test_a_cloud_without_points_says_so(show):
    browser = show(CLOUD, cloud=pack_cloud(np.full((3, 3), np.nan)), series=[])
    assert browser.value("document.querySelector('.viewer-empty').textContent") == "room.npy has no points to show."
