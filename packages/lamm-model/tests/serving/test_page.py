"""The page in a real browser: a picture and a cloud, an answer that streams, boxes where it says, faults in words."""

import base64
import threading

import numpy as np
import pytest
from headless_browser import opened_browser
from scenes import draw_scene

from lamm_model.serving.engine import ChatEngine, Job, Piece
from lamm_model.serving.server import ChatServer

ANSWERS = {
    "image": "The red block is at [0.10, 0.20, 0.40, 0.80] and its middle at [0.25, 0.50]; (3, 4) is no place.",
    "cloud": "A block at [0, 0, 0.5, 1, 1, 1] and a turned one at [1.2, 1.2, 0.3, 0.6, 0.4, 0.6, 0.7].",
    "text": "Show me something first. <b>Not a tag</b>",
}


class Scripted(ChatEngine):
    """Answers word by word what a test expects, instead of what random weights would say."""

    def submit(self, prompt, emit, choice=0):
        job = Job(prompt, choice, emit)
        kinds = {kind for kind, _ in prompt.media}
        words = ANSWERS["image" if "image" in kinds else "cloud" if kinds else "text"].split(" ")
        turns = len(prompt.row["input_ids"])

        def write():
            for number, word in enumerate(words):
                last = number == len(words) - 1
                emit(Piece(word + (" " if not last else ""), "stop" if last else "", turns, number + 1))

        threading.Thread(target=write).start()
        return job


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with opened_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(model_and_processor):
    engine = Scripted(*model_and_processor)
    httpd = ChatServer(("127.0.0.1", 0), engine, "blocks")
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd.url.removesuffix("v1")
    httpd.shutdown()
    engine.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    draw_scene(folder)
    return folder


@pytest.fixture
def page(browser, address):
    browser.open(address)
    browser.wait("document.getElementById('model').textContent === 'blocks'")
    return browser


def moved(path):
    content = base64.b64encode(path.read_bytes()).decode()
    return (
        f"const bytes = Uint8Array.from(atob('{content}'), (letter) => letter.charCodeAt(0));"
        f"const moved = new DataTransfer(); moved.items.add(new File([bytes], '{path.name}'));"
    )


def choose(browser, path):
    browser.value(
        f"(() => {{ {moved(path)} const input = document.getElementById('file'); input.files = moved.files;"
        "input.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def drop(browser, path):
    event = "new DragEvent('drop', {bubbles: true, dataTransfer: moved})"
    browser.value(f"(() => {{ {moved(path)} document.getElementById('stage').dispatchEvent({event}); }})()")


def ask(browser, words):
    browser.value(
        f"(() => {{ document.getElementById('question').value = '{words}';"
        "document.getElementById('form').requestSubmit(); })()"
    )


TURNS = "[...document.querySelectorAll('.turn')].map((turn) => turn.className + ': ' + turn.lastChild.textContent)"
BOXES = "document.querySelector('#shown [data-boxes]').dataset.boxes"
TURN = "document.querySelector('#shown canvas').dataset.turn"
RED = (
    "(() => { const c = document.querySelector('#shown canvas');"
    "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
    "const wanted = [0xe5, 0x48, 0x4d]; let n = 0; for (let i = 0; i < d.data.length; i += 4)"
    "n += wanted.every((value, k) => Math.abs(d.data[i + k] - value) < 12); return n; })()"
)
# The place of a drawn box in shares of the picture: left, top, right, bottom.
DRAWN = (
    "(() => { const box = document.querySelector('#shown rect').getBoundingClientRect();"
    "const all = document.querySelector('#shown img').getBoundingClientRect();"
    "return [(box.left - all.left) / all.width, (box.top - all.top) / all.height,"
    "(box.right - all.left) / all.width, (box.bottom - all.top) / all.height]; })()"
)


def test_a_picture_is_shown_and_the_boxes_of_the_answer_are_drawn_in_it(page, scene):
    choose(page, scene / "scene.png")
    page.wait("document.getElementById('caption').textContent === 'scene.png: 320 × 240'")
    assert page.value(BOXES) == "0"
    ask(page, "Where is the block?")
    page.wait(f"{BOXES} === '2'")
    page.wait("!document.querySelector('.writing')")
    assert page.value(TURNS) == ["turn user: Where is the block?", f"turn assistant: {ANSWERS['image']}"]
    marked = "[...document.querySelectorAll('.mark')].map((mark) => mark.textContent)"
    assert page.value(marked) == ["[0.10, 0.20, 0.40, 0.80]", "[0.25, 0.50]"]
    assert np.abs(np.subtract(page.value(DRAWN), (0.1, 0.2, 0.4, 0.8))).max() < 0.01
    assert page.value("document.querySelector('#shown rect').getAttribute('stroke')") == "#e5484d"
    page.value("document.querySelector('#shown .viewer-stage').focus()")
    page.press("Enter")
    assert ANSWERS["image"] in page.value("document.querySelector('#shown .viewer-panel').textContent")


def test_a_cloud_turns_and_holds_the_boxes_of_the_answer(page, scene):
    drop(page, scene / "room.npy")
    page.wait(TURN)
    assert "4,500 points" in page.value("document.getElementById('caption').textContent")
    first = page.value(TURN)
    page.wait(f"{TURN} !== '{first}'")
    ask(page, "Where are blocks?")
    page.wait(f"{BOXES} === '2'")
    page.wait(f"{RED} > 200")
    page.value("document.querySelector('#shown canvas').focus()")
    page.press("ArrowLeft")
    stopped = page.value(TURN)
    page.press("ArrowRight")
    assert page.value(TURN) != stopped


def test_a_dialogue_goes_on_and_is_plain_text(page):
    ask(page, "Hello?")
    page.wait("document.querySelectorAll('.turn').length === 2 && !document.querySelector('.writing')")
    ask(page, "And now?")
    page.wait("document.querySelectorAll('.turn').length === 4 && !document.querySelector('.writing')")
    assert page.value("document.querySelectorAll('.turn span b').length") == 0
    assert page.value("document.querySelectorAll('.turn')[3].lastChild.textContent") == ANSWERS["text"]
    page.value("document.getElementById('fresh').click()")
    assert page.value("document.querySelectorAll('.turn').length") == 0


def test_faults_are_told_in_words(page, scene, tmp_path):
    (tmp_path / "torn.npy").write_bytes((scene / "room.npy").read_bytes()[:300])
    choose(page, tmp_path / "torn.npy")
    page.wait("document.querySelector('.turn.bad') !== null")
    assert "torn.npy cannot be shown" in page.value("document.querySelector('.turn.bad').textContent")
    (tmp_path / "no.png").write_bytes(b"nothing")
    choose(page, tmp_path / "no.png")
    page.wait("document.querySelector('.turn.bad')?.textContent.includes('no.png')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen_and_keeps_contrast(page, scene, scheme, width, tmp_path):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    try:
        choose(page, scene / ("scene.png" if scheme == "light" else "room.npy"))
        page.wait("document.getElementById('stage').classList.contains('full')")
        ask(page, "Where is it?")
        page.wait(f"{BOXES} === '2'")
        assert page.value("document.documentElement.scrollWidth") <= width
        assert page.value("document.querySelector('#shown .viewer').offsetWidth") > (300 if width < 500 else 500)
        small = "[...document.querySelectorAll('button')].filter((b) => b.offsetHeight && b.offsetHeight < 36).length"
        assert page.value(small) == 0
        background = page.value("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 23, 27)")
        page.screenshot(tmp_path / f"{scheme}-{width}.png")
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")
        page.call("Emulation.setEmulatedMedia", features=[])


def test_a_server_with_a_key_asks_for_it(browser, model_and_processor):
    engine = Scripted(*model_and_processor)
    httpd = ChatServer(("127.0.0.1", 0), engine, "blocks", api_key="secret")
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        browser.open(httpd.url.removesuffix("v1"))
        browser.wait("document.querySelector('details').open")
        browser.value(
            "(() => { const key = document.getElementById('key'); key.value = 'secret';"
            "key.dispatchEvent(new Event('change')); })()"
        )
        browser.wait("document.getElementById('model').textContent === 'blocks'")
        ask(browser, "Hello?")
        browser.wait("document.querySelectorAll('.turn').length === 2 && !document.querySelector('.writing')")
        assert browser.value("document.querySelectorAll('.turn.bad').length") == 0
    finally:
        httpd.shutdown()
        engine.close()
        browser.events.clear()  # the refusal before the key is what this test wants


def test_nothing_is_asked_of_others_and_nothing_complains(browser, address, scene):
    browser.events.clear()
    browser.open(address)
    browser.wait("document.getElementById('model').textContent === 'blocks'")
    choose(browser, scene / "room.npy")
    browser.wait(TURN)
    ask(browser, "Where?")
    browser.wait(f"{BOXES} === '2'")
    assert {url for url in browser.requests() if not url.startswith((address, "blob:"))} == set()
    assert browser.complaints() == []
