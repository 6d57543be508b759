"""A real browser for tests of pages: headless Chromium, driven over its debugging pipe."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser():
    """Return the program, or None where no Chromium is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """Headless Chromium over its debugging pipe: JSON messages that end in a zero byte."""

    def __init__(self, program, folder, *switches):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # High numbers, so that neither is 3 or 4, which Chromium reads and writes.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 60) for end in (to_read, to_write)]
        options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-dev-shm-usage", "--window-size=1280,800",
            f"--user-data-dir={folder}", "--remote-debugging-pipe", *switches, "about:blank",
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
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

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
            if "method" in answer:
                self.events.append(answer)

    def complaints(self):
        """Errors of the page's code, of its console and of refused resources since the browser was opened."""
        self.value("0")  # events arrive with answers
        found = []
        for event in self.events:
            entry = event["params"].get("entry", {})
            if (
                event["method"] == "Runtime.exceptionThrown"
                or (event["method"] == "Log.entryAdded" and entry["level"] == "error")
                or (event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "assert"))
            ):
                found.append(event["params"])
        return found

    def requests(self):
        """The addresses that pages asked for, files and embedded data left out."""
        asked = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file:", "data:", "about:"))]

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


@contextmanager
def opened_browser(folder, *switches):
    """Open the browser for a test, which skips where there is none."""
    import pytest

    program = find_browser()
    if program is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    opened = Browser(program, folder, *switches)
    yield opened
    opened.close()
