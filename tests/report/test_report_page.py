"""The report in a real browser: leaderboard, samples, drawings, a cloud that turns, filters, contrast and labels."""

import json
import re

import pytest
from headless_browser import opened_browser
from scenes import draw_scene

from lamm_metrics import chance_predictions, score, write_report

SWITCHES = {"webgl": ("--enable-unsafe-swiftshader",), "canvas": ("--disable-3d-apis",)}


@pytest.fixture(scope="module", params=SWITCHES)
def browser(request, tmp_path_factory):
    with opened_browser(tmp_path_factory.mktemp("browser"), *SWITCHES[request.param]) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    draw_scene(folder)
    scenes = [
        {"id": f"s{i}", "image": "scene.png", "query": "Where is the <b>block</b>?", "group": f"g{i}",
         "object": [{"label": "block", "bbox": [0.1, 0.2, 0.4, 0.8]}]}
        for i in range(4)
    ]  # fmt: skip
    rooms = [
        {"id": f"r{i}", "pcl": "room.npy", "query": "Find the block.", "gt_bbox": [0, 0, 0.5, 1, 1, 1]}
        for i in range(3)
    ]
    counts = [{"id": f"c{i}", "image": "scene.png", "query": "How many?", "num": i % 5 + 1} for i in range(12)]
    answers = {
        "detection": [
            {"id": f"s{i}", "text": "block [0.1, 0.2, 0.4, 0.7]" if i else "I cannot tell."} for i in range(4)
        ],
        "visual_grounding3d": [{"id": f"r{i}", "text": "[0.1, 0.1, 0.5, 1.0, 1.0, 1.0]"} for i in range(3)],
        "counting": [{"id": f"c{i}", "text": f"{i % 4}"} for i in range(12)],
    }
    records = {"detection": scenes, "visual_grounding3d": rooms, "counting": counts}
    names = {"detection": "Detection_Blocks", "visual_grounding3d": "VG_Blocks", "counting": "Counting_Blocks"}
    results = {
        "mine": {names[task]: score(task, records[task], answers[task], draws=20) for task in records},
        "chance": {
            names[task]: score(task, records[task], chance_predictions(task, records[task]), draws=20)
            for task in records
        },
    }
    transcripts = {"Detection_Blocks": {"s1": "Both name the block."}}
    return write_report(folder / "report.html", results, folder, title="Blocks", transcripts=transcripts).as_uri()


def choose(browser, control, value):
    browser.value(
        f"(() => {{ const control = document.getElementById('{control}'); control.value = '{value}';"
        "control.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def test_from_the_leaderboard_to_a_sample_and_its_drawing(browser, page):
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    # A line for the model in each set; chance is a mark in it.
    assert browser.value("document.querySelectorAll('#leaderboard td strong').length") == 3
    assert browser.value("document.querySelectorAll('#leaderboard .chance-line').length") == 3
    browser.value("document.querySelector('button[data-task=Detection_Blocks]').click()")
    browser.wait("document.activeElement.id === 'samples'")
    assert browser.value("document.querySelectorAll('article:first-of-type .drawn rect').length") >= 1
    assert browser.value("document.querySelectorAll('article')[1].querySelectorAll('.drawn rect').length") == 2
    filled = "querySelectorAll('.drawn rect:not([fill=none])').length"
    assert browser.value(f"document.querySelectorAll('article')[1].{filled}") == 2
    assert browser.value(f"document.querySelector('article').{filled}") == 0
    assert browser.value("document.querySelector('article dd').textContent") == "Where is the <b>block</b>?"
    assert "Both name the block." in browser.value("document.querySelectorAll('article')[1].textContent")


def test_samples_are_found_by_status_outcome_and_words(browser, page):
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    choose(browser, "f-model", "mine")
    choose(browser, "f-outcome", "wrong")
    browser.wait("document.querySelectorAll('article').length === 1")
    assert "cannot tell" in browser.value("document.querySelector('article').textContent")
    choose(browser, "f-outcome", "")
    choose(browser, "f-text", "s2")
    browser.wait("document.querySelectorAll('article').length === 1")
    assert browser.value("document.getElementById('count').textContent").startswith("1 of 4")


def test_a_cloud_turns_by_itself_and_by_keyboard(browser, page):
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    browser.value("document.querySelector('button[data-task=VG_Blocks]').click()")
    browser.wait("document.querySelector('canvas.cloud') && document.querySelector('canvas.cloud').dataset.turn")
    first = browser.value("document.querySelector('canvas.cloud').dataset.turn")
    browser.wait(f"document.querySelector('canvas.cloud').dataset.turn !== '{first}'")
    browser.value("document.querySelector('canvas.cloud').focus()")
    browser.press("ArrowLeft")
    stopped = browser.value("document.querySelector('canvas.cloud').dataset.turn")
    browser.press("ArrowRight")
    assert browser.value("document.querySelector('canvas.cloud').dataset.turn") != stopped
    painted = browser.value(
        "(() => { const c = document.querySelector('canvas.cloud');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
    )
    assert painted > 500


def test_keys_walk_through_the_samples(browser, page):
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    for wanted in ("s0", "s1", "s2"):
        browser.press("j")
        assert browser.value("document.activeElement.querySelector('h3').textContent") == wanted
    browser.press("k")
    assert browser.value("document.activeElement.querySelector('h3').textContent") == "s1"


def test_nothing_is_asked_of_any_network_and_nothing_complains(browser, page):
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    assert browser.requests() == []
    assert browser.complaints() == []


POOR_CONTRAST = """
(() => {
  const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (node) => {
    for (let above = node; above; above = above.parentElement) {
      const colour = rgb(getComputedStyle(above).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts =
    "h1, h2, h3, h4, th, td strong, small, dt, dd, p, li, label, .tag, .link, summary, figcaption, article button";
  const poor = [];
  for (const node of document.querySelectorAll(texts)) {
    if (!node.textContent.trim() || !node.offsetParent) continue;
    const pair = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) poor.push(`${node.tagName}: ${node.textContent.slice(0, 40)}`);
  }
  return poor;
})()
"""
UNNAMED = """
[...document.querySelectorAll("select, input, button, img, canvas, svg[role=img], [role=region]")].filter((node) =>
  !(node.labels && node.labels.length) && !node.textContent.trim() && !node.alt && !node.getAttribute("aria-label")
).length
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_controls_are_named(browser, page, scheme):
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    assert browser.value(POOR_CONTRAST) == []
    assert browser.value(UNNAMED) == 0
    assert browser.value("document.documentElement.lang") == "en"


def test_ten_thousand_samples_open_within_a_second(browser, tmp_path):
    records = [{"id": i, "num": i % 9, "query": "How many are there?"} for i in range(10_000)]
    report = score("counting", records, [{"id": i, "text": f"There are {i % 7}."} for i in range(10_000)], draws=2)
    path = write_report(tmp_path / "r.html", {"mine": {"Counting_X": report}})
    assert not re.search(r"\.parts/", path.read_text())
    # Processor time of the page's thread: the clock on the wall also counts what else the machine does.
    browser.call("Performance.enable", timeDomain="threadTicks")
    before = busy(browser)
    browser.open(path.as_uri())
    browser.wait("document.querySelectorAll('article').length === 30")
    assert busy(browser) - before < 1.0


def busy(browser):
    metrics = browser.call("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def test_a_blind_run_shares_its_models_colour_and_draws_nothing(browser, tmp_path):
    draw_scene(tmp_path)
    block = {"label": "block", "bbox": [0.1, 0.2, 0.4, 0.8]}
    records = [{"id": f"s{i}", "image": "scene.png", "query": "Where?", "object": [block]} for i in range(3)]
    report = score("detection", records, [{"id": f"s{i}", "text": "block [0.1, 0.2, 0.4, 0.7]"} for i in range(3)])
    models = ["a", "a (blind)", "b", "b (blind)", "c", "c (blind)", "chance"]
    path = write_report(tmp_path / "r.html", {model: {"Detection_X": report} for model in models}, tmp_path)
    browser.open(path.as_uri())
    browser.wait("document.querySelectorAll('article').length === 3")
    colours = browser.value(f"{json.dumps(models)}.map(lamm.colour)")
    assert colours[::2] == [f"var(--series-{n})" for n in (1, 2, 3)] + ["var(--chance)"]
    assert colours[1::2] == colours[:-1:2]
    # The truth and three models that look.
    assert browser.value("document.querySelectorAll('article:first-of-type .drawn rect').length") == 4


def test_a_long_answer_is_folded_behind_its_beginning(browser, tmp_path):
    records = [{"id": 1, "num": 3, "query": "How many?"}, {"id": 2, "num": 3, "query": "How many?"}]
    answers = [{"id": 1, "text": "I count them. " * 200 + "Three."}, {"id": 2, "text": "Three."}]
    report = score("counting", records, answers, draws=2)
    browser.open(write_report(tmp_path / "r.html", {"mine": {"Counting_X": report}}).as_uri())
    browser.wait("document.querySelectorAll('article').length === 2")
    assert browser.value("document.querySelectorAll('article .long').length") == 1
    closed = browser.value("document.querySelector('article').offsetHeight")
    browser.value("document.querySelector('article .long summary').click()")
    browser.wait(f"document.querySelector('article').offsetHeight > {2 * closed}")


def test_a_narrow_page_does_not_scroll_sideways(browser, page):
    browser.call("Emulation.setDeviceMetricsOverride", width=420, height=800, deviceScaleFactor=1, mobile=True)
    browser.open(page)
    browser.wait("document.querySelectorAll('article').length === 4")
    assert browser.value("document.documentElement.scrollWidth") <= 420
    browser.call("Emulation.clearDeviceMetricsOverride")


@pytest.fixture
def page_in_parts(browser, tmp_path, monkeypatch):
    """An open page of two tasks whose samples lie in parts beside it."""
    monkeypatch.setattr("lamm_metrics.report.page_data.INLINE", 10)
    monkeypatch.setattr("lamm_metrics.report.page_data.PART", 8)
    records = [{"id": i, "num": i % 9, "query": "How many?"} for i in range(20)]
    report = score("counting", records, [{"id": i, "text": f"{i % 7}"} for i in range(20)], draws=2)
    path = write_report(tmp_path / "r.html", {"mine": {"Counting_X": report, "Counting_Y": report}})
    browser.open(path.as_uri())
    browser.wait("document.querySelectorAll('article').length === 20")
    return path


def test_parts_are_loaded_once_however_often_they_are_asked_for(browser, page_in_parts):
    # The plot of counts has its dots although no part was loaded for it.
    assert browser.value("document.querySelectorAll('#plots circle').length") > 20
    browser.value(
        "(() => { const name = document.getElementById('f-name'); name.value = 'Counting_Y';"
        "for (let i = 0; i < 3; i++) name.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    browser.wait("lamm.data.panels[1].parts === null")
    assert browser.value("lamm.data.panels[1].samples.length") == 20


def test_parts_are_loaded_when_their_task_is_chosen(browser, page_in_parts):
    for part in page_in_parts.with_suffix(".parts").iterdir():
        part.unlink()
    browser.value("document.querySelector('button[data-task=Counting_Y]').click()")
    browser.wait("document.getElementById('count').textContent.includes('could not be loaded')")
