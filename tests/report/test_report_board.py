"""The report in a real browser: sorting and switching models, links to samples, two models side by side, odd input."""

import json

import pytest
from headless_browser import opened_browser
from scores_made import made_report

from lamm_metrics import Report, Sample, score, write_report

ARTICLES = "[...document.querySelectorAll('article h3')].map((one) => one.textContent)"
LONG = "a-very-long-name-of-a-model-that-somebody-tuned-on-data-of-his-own-" + "x" * 13


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with opened_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two models on two sets of which the second is told by an error."""
    choices = [{"id": f"v/{i}", "gt_choice": 0, "gt_choices": ["red", "blue"], "query": "?"} for i in range(100)]
    counts = [{"id": f"c{i}", "num": i % 5 + 1, "query": "How many?"} for i in range(40)]
    says = {"a": lambda i: "(A)" if i % 3 else "(B)", LONG: lambda i: "(A)" if i % 2 else "(B)"}
    results = {
        model: {
            "VQA_X": score("vqa", choices, [{"id": f"v/{i}", "text": say(i)} for i in range(100)], draws=20),
            "Counting_X": score("counting", counts, [{"id": f"c{i}", "text": f"{i % 4}"} for i in range(40)], draws=20),
        }
        for model, say in says.items()
    }
    return write_report(tmp_path_factory.mktemp("board") / "r.html", results).as_uri()


def shown(browser, page, count=30):
    browser.open(page)
    browser.wait(f"document.querySelectorAll('article').length === {count}")


def choose(browser, **values):
    for name, value in values.items():
        control = f"document.getElementById({name.replace('_', '-')!r})"
        browser.value(
            f"{control}.value = {json.dumps(value)}; {control}.dispatchEvent(new Event('input', {{bubbles: true}}))"
        )


def test_sets_are_sorted_and_found(browser, page):
    shown(browser, page)
    order = "[...document.querySelectorAll('#leaderboard tbody:not([hidden])')].map((one) => one.dataset.task)"
    assert browser.value(order) == ["VQA_X", "Counting_X"]
    choose(browser, b_order="name")
    assert browser.value(order) == ["Counting_X", "VQA_X"]
    choose(browser, b_order="n")
    assert browser.value(order) == ["VQA_X", "Counting_X"]
    choose(browser, b_text="count")
    assert browser.value(order) == ["Counting_X"]
    assert browser.value("document.getElementById('b-count').textContent") == "1 of 2 sets match."


def test_a_model_is_switched_off_everywhere(browser, page):
    shown(browser, page)
    assert browser.value("document.querySelectorAll('article:first-of-type .answer').length") == 2
    browser.value("document.querySelector('#switches input').click()")
    assert browser.value("document.querySelectorAll('article:first-of-type .answer').length") == 1
    assert browser.value("document.querySelectorAll('#leaderboard tr.off').length") == 2


def test_a_link_leads_to_one_sample_and_on_to_its_neighbours(browser, page):
    browser.open(f"{page}#VQA_X/v%2F77")
    browser.wait(f"{ARTICLES}[0] === 'v/77'")
    assert browser.value("document.activeElement.querySelector('h3').textContent") == "v/77"
    browser.value("document.querySelector('article [aria-label=\"Sample before\"]').click()")
    assert browser.value("document.activeElement.querySelector('h3').textContent") == "v/76"
    assert browser.value("location.hash") == "#VQA_X/v%2F76"
    browser.value("document.activeElement.querySelector('[aria-label=\"Next sample\"]').click()")
    assert browser.value("location.hash") == "#VQA_X/v%2F77"
    browser.open(f"{page}#VQA_X/nobody")
    browser.wait("document.getElementById('count').textContent.startsWith('No sample nobody is listed')")
    shown(browser, f"{page}#%", 30)


def test_two_models_stand_side_by_side_where_they_differ(browser, page):
    shown(browser, page)
    choose(browser, f_model="a", f_beside=LONG, f_outcome="better")
    # a is right where i % 3, the other where i % 2: a alone where i % 3 and not i % 2.
    count = sum(1 for i in range(100) if i % 3 and not i % 2)
    browser.wait(f"document.getElementById('count').textContent.startsWith('{count} of 100')")
    assert browser.value("[...document.querySelectorAll('article')].every((one) => one.querySelector('.answers.two'))")
    choose(browser, f_outcome="differ")
    both = sum(1 for i in range(100) if bool(i % 3) != bool(i % 2))
    browser.wait(f"document.getElementById('count').textContent.startsWith('{both} of 100')")
    choose(browser, f_beside="")
    browser.wait("document.getElementById('f-outcome').value === ''")


def test_raw_text_and_signature_stand_behind_a_fold(browser, page):
    shown(browser, page)
    assert "accuracy|" not in browser.value("document.querySelector('article').textContent")
    browser.value("document.querySelector('article .raw summary').click()")
    browser.wait("document.querySelector('article .raw').textContent.includes('accuracy|task:vqa')")


ODD = {
    "without samples": {"a": {"X": made_report(0.5)}},
    "one sample": {"a": {"X": made_report(1.0, half=None, n=1, samples=[Sample("1", "g", "ok", 1.0, "x")])}},
    "only failures": {
        "a": {
            "X": made_report(
                0.0,
                half=None,
                n=2,
                failed=2,
                samples=[Sample(str(i), "g", "none", 0.0, "", detail="empty") for i in range(2)],
            )
        }
    },
    "not a number": {
        "a": {
            "X": made_report(float("nan"), samples=[Sample("1", "g", "ok", float("nan"), "x", confidence=float("inf"))])
        },
        "b": {"X": made_report(None)},
    },
    "long and from right to left": {
        LONG: {"X": made_report(0.5, samples=[Sample("قطة", "g", "ok", 1.0, "", "ما هذا؟", "قطة بيضاء", "قطة")])},
        "نموذج": {"قطط": made_report(0.5)},
    },
    "nothing but chance": {"chance": {"X": made_report(0.5)}},
}


@pytest.mark.parametrize("case", ODD)
def test_odd_input_gives_a_page_that_is_right_and_readable(browser, tmp_path, case):
    browser.events.clear()
    browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    browser.open(write_report(tmp_path / "r.html", ODD[case]).as_uri())
    samples = sum(len(report.samples) for reports in ODD[case].values() for report in reports.values())
    expected = f"document.querySelectorAll('article').length === {samples}" if samples else (
        "document.getElementById('count').textContent.startsWith('No samples are in this report')"
    )  # fmt: skip
    browser.wait(expected)
    assert browser.complaints() == []
    assert browser.value("document.documentElement.scrollWidth") <= 390
    assert "NaN" not in browser.value("document.body.innerText")
    assert browser.value("document.querySelectorAll('#leaderboard tr[data-model] svg.lane').length") >= 1
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_long_names_stand_whole_and_lanes_fill_their_rows(browser, tmp_path):
    names = [f"{LONG[:-4]}-4bit", f"{LONG[:-4]}-8bit"]
    results = {name: {"A set": made_report(0.5)} for name in names}
    browser.open(write_report(tmp_path / "r.html", results).as_uri())
    browser.wait("document.querySelectorAll('#leaderboard .model bdi').length === 2")
    cut = "[...document.querySelectorAll('.model bdi')].filter((one) => one.scrollHeight > one.clientHeight + 1).length"
    assert browser.value(cut.replace("one.clientHeight", "one.getBoundingClientRect().height")) == 0
    gap = "document.querySelectorAll('tr[data-model] svg.lane')[1].getBoundingClientRect().top - "
    gap += "document.querySelector('tr[data-model] svg.lane').getBoundingClientRect().bottom"
    assert abs(browser.value(gap)) < 1


def test_folded_lines_stay_lines(browser, tmp_path):
    truth = "\n".join(f"{place}: a drawing of a {'very ' * 20}purple cross" for place in range(5))
    sample = Sample("1", truth, "ok", 1.0, "x", truth=truth)
    browser.open(write_report(tmp_path / "r.html", {"a": {"X": made_report(0.5, samples=[sample])}}).as_uri())
    browser.wait("document.querySelector('.long > summary > span') !== null")
    assert browser.value("document.querySelector('.long > summary > span').innerText.split('\\n').length") >= 3


def test_right_to_left_text_runs_so(browser, tmp_path):
    browser.open(write_report(tmp_path / "r.html", ODD["long and from right to left"]).as_uri())
    browser.wait("document.querySelectorAll('article').length === 1")
    directions = "['dd span', '.answer > span'].map((one) => getComputedStyle(document.querySelector(one)).direction)"
    assert browser.value(directions) == ["rtl", "rtl"]


def test_a_hundred_thousand_samples_open_within_a_second(browser, tmp_path):
    samples = tuple(Sample(str(i), str(i), "ok", i % 2, "A", "Which?", "It is (A).", "(A) red") for i in range(10_000))
    reports = {f"Set_{k}": Report("vqa", "standard", made_report(0.5).scores, samples) for k in range(10)}
    path = write_report(tmp_path / "r.html", {"a": reports})
    assert path.stat().st_size < 400_000
    # Processor time of the page's thread: the clock on the wall also counts what else the machine does.
    browser.call("Performance.enable", timeDomain="threadTicks")
    browser.open(path.as_uri())
    browser.wait("document.querySelectorAll('article').length === 30")
    metrics = {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
    assert metrics["TaskDuration"] < 1.0


def test_a_page_without_samples_is_small(tmp_path):
    samples = ()
    reports = {f"Set_{k}": Report("vqa", "standard", made_report(0.5).scores, samples) for k in range(20)}
    path = write_report(tmp_path / "r.html", {f"model {m}": reports for m in range(7)})
    assert path.stat().st_size < 400_000


def test_where_models_fail_is_drawn_for_the_chosen_set(browser, page):
    shown(browser, page)
    titles = "[...document.querySelectorAll('#task figcaption')].map((one) => one.textContent)"
    assert browser.value(titles) == ["Which class is taken for which"]
    row = "[...document.querySelector('#task tbody tr').cells].map((one) => one.textContent)"
    assert browser.value(row) == ["A", "66", "34", "·"]
    choose(browser, f_name="Counting_X")
    browser.wait(f"{titles}[0] === 'By true number'")
    marks = "document.querySelectorAll('#task .at').length"
    assert browser.value(marks) == 6  # three ranges, two models
    browser.value("document.querySelector('#switches input').click()")
    browser.wait(f"{marks} === 3")
    assert browser.complaints() == []
