"""Pages that hold nothing but viewers, in a real browser, with WebGL2 and without."""

import json

import pytest
from headless_browser import opened_browser
from scenes import furnished_room

from lamm_metrics import pack_cloud, viewer_script

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
# Text above and below leaves the page something to scroll.
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Viewer</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">
<style>body {{ margin: 1rem; }} .after {{ height: 3000px; }}</style></head>
<body><main id="here"></main><p class="after">The page goes on.</p><script>"use strict";
{viewer}
lammViewer.software = {software};
const values = {values}, here = document.getElementById("here");
{code}
</script></body></html>"""


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    with opened_browser(tmp_path_factory.mktemp("browser"), "--enable-unsafe-swiftshader") as opened:
        yield opened


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page that runs a line of code with some values; at the end nothing complained, nothing was asked for.

    Points are drawn by the processor, as for everybody without a graphics card; `gpu` draws them by WebGL2 in software.
    """

    def opened(code, width=800, gpu=False, motion="no-preference", **values):
        text = json.dumps(values).replace("<", "\\u003c")
        page = PAGE.format(policy=POLICY, viewer=viewer_script(), values=text, code=code, software=str(gpu).lower())
        (tmp_path / "page.html").write_text(page)
        features = [{"name": "prefers-reduced-motion", "value": motion}]
        browser.call("Emulation.setEmulatedMedia", features=features)
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.call("Emulation.setDeviceMetricsOverride", **screen)
        browser.call("Emulation.setTouchEmulationEnabled", enabled=width < 500)
        browser.events.clear()
        browser.open((tmp_path / "page.html").as_uri())
        browser.wait("document.readyState === 'complete'")
        return browser

    yield opened
    assert browser.complaints() == []
    assert browser.requests() == []


@pytest.fixture(scope="package")
def room():
    """A furnished room of 200,000 points: the packed cloud, and the true boxes and answers of one model as series."""
    cloud, boxes = furnished_room(200_000)
    truth = [{"kind": "box3d", "numbers": box, "label": name, "found": name != "bed"} for name, box in boxes.items()]
    moved = [
        {"kind": "box3d", "numbers": [box[0] + 0.1, box[1] - 0.05, *box[2:]], "label": name, "found": True}
        for name, box in boxes.items()
        if name != "bed"
    ]
    answer = "There are <b>nine</b> pieces of furniture.<img src=x onerror='document.title=1'>"
    series = [
        {"name": "truth", "colour": "#1f8a3b", "marks": truth},
        {"name": "LAMM 7B", "colour": "#0b57d0", "dashed": True, "answer": answer, "marks": moved},
    ]
    return pack_cloud(cloud), series
