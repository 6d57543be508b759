"""A running review of real files, and a real browser driven over its debugging pipe."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lamm_data.generation.rows import Row, SceneObject
from lamm_data.quality.review.server import ReviewServer
from lamm_data.quality.review.session import ReviewSession, ReviewSettings
from lamm_data.records import InstructionRecord, Turn

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOSTILE = "It is <img src=x onerror=\"document.title='broken in'\"> & <b>bold</b>."


def draw_picture(path):
    image = Image.new("RGB", (400, 300), (210, 220, 235))
    pen = ImageDraw.Draw(image)
    pen.rectangle((40, 60, 160, 240), fill=(200, 40, 40))
    pen.ellipse((220, 100, 340, 220), fill=(40, 90, 200))
    image.save(path)


def draw_room(path):
    rng = np.random.default_rng(0)
    floor = np.c_[rng.uniform(-2, 2, (3000, 2)), np.zeros(3000), np.tile([150, 150, 140], (3000, 1))]
    block = np.c_[rng.uniform(-0.5, 0.5, (2000, 2)), rng.uniform(0, 1, 2000), np.tile([220, 60, 50], (2000, 1))]
    np.save(path, np.r_[floor, block].astype(np.float32))


@pytest.fixture
def sample(tmp_path):
    """Four records in two strata, with their media and rows."""
    media = tmp_path / "media"
    media.mkdir()
    draw_picture(media / "a.png")
    draw_picture(media / "b.png")
    draw_room(media / "room.npy")

    def record(name, text, kind="conversation", **keys):
        return InstructionRecord([Turn("human", "What is there?"), Turn("gpt", text)], id=name, task_type=kind, **keys)

    records = [
        record("a", HOSTILE, image="a.png", src_image="coco2017"),
        record("b", "A disc at [0.55, 0.33, 0.85, 0.73].", "detection", image="b.png", src_image="coco2017"),
        record("room", "A block at [0, 0, 0.5, 1, 1, 1].", "detection3d", pcl="room.npy", src_dataset="rooms"),
        record("c", "A red block.", image="a.png", src_image="coco2017"),
    ]
    objects = (SceneObject("block", (0.1, 0.2, 0.4, 0.8)), SceneObject("disc", (0.55, 0.33, 0.85, 0.73)))
    rows = {name: Row(name, f"{name}.png", captions=("A block and a disc.",), objects=objects) for name in "ab"}
    return media, records, rows


@pytest.fixture
def review(sample, tmp_path):
    """Starts servers; called again it restarts the review on the same verdicts."""
    media, records, rows = sample
    running = []

    def start(reviewer="ann", root=media):
        settings = ReviewSettings(tmp_path / "verdicts.jsonl", reviewer, root)
        server = ReviewServer(ReviewSession(records, settings, rows))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()
        server.session.close()


class Browser:
    """Headless Chromium over its debugging pipe: JSON messages that end in a zero byte."""

    def __init__(self, program, folder):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # High numbers, so that neither is 3 or 4, which Chromium reads and writes.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 60) for end in (to_read, to_write)]
        options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-dev-shm-usage", "--window-size=1280,800",
            f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip
        start = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
            "os.execv(sys.argv[3], sys.argv[3:])"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", start, *map(str, ends), program, *options],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (to_read, to_write, *ends):
            os.close(end)
        self._pipe = os.fdopen(self._read, "rb", buffering=0)
        self._buffer, self._number, self._session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                part = self._pipe.read(65536)
                assert part, "the browser ended"
                self._buffer += part
            line, self._buffer = self._buffer.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        # A change of fragment alone would not load the page again.
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)

    def value(self, expression):
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression, seconds=15):
        # A page that is still loading lacks the elements that are asked for: that is not true yet either.
        safe = f"(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()"
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.value(safe):
                return
            time.sleep(0.03)
        raise AssertionError(f"never true: {expression}; the page says {self.value('document.body.innerText')}")

    def press(self, key):
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def drag(self, start, end):
        for kind, (x, y), buttons in (
            ("mousePressed", start, 1), ("mouseMoved", end, 1), ("mouseReleased", end, 0),
        ):  # fmt: skip
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self._process.kill()
        self._process.wait()
        self._pipe.close()
        os.close(self._write)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    opened = Browser(program, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()
