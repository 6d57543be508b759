"""Reports: one file, nothing from outside, no script from the data, models side by side."""

import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.metadata import version

import pytest

from lamm_metrics import Report, Sample, Score, chance_predictions, comparison_table, read_reports, score, write_report
from lamm_metrics.errors import LammMetricsError, UsageError

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
REFERENCES = [
    {"id": i, "label": ["cat", "dog"][i % 2], "image": f"images/{i}.png", "query": f"What? {EVIL}"} for i in range(8)
]
ANSWERS = [{"id": i, "text": f"a cat {EVIL}" if i else ""} for i in range(8)]


class Page(HTMLParser):
    """Collects the tags of a page and checks that they close."""

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "img", "link", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def report():
    return score("classification", REFERENCES, ANSWERS, draws=20)


def page(path):
    text = path.read_text("utf-8")
    parsed = Page()
    parsed.feed(text)
    assert parsed.open == []
    return text, parsed


def embedded(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))


def panels(text):
    return embedded(text)["panels"]


def test_page_is_one_file_without_anything_from_outside(report, tmp_path):
    text, parsed = page(write_report(tmp_path / "r.html", [report], title=f"T {EVIL}"))
    # The name of SVG's elements is an address that nobody visits.
    assert "http" not in text.lower().replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    for tag, attributes in parsed.tags:
        assert not {"src", "onerror", "onload", "onclick"} & attributes.keys(), tag
        assert not attributes.get("href", "#").startswith(("http", "//"))
    assert [tag for tag, _ in parsed.tags].count("script") == 2
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_samples_are_listed_with_status_and_answer(report, tmp_path):
    text, _ = page(write_report(tmp_path / "r.html", [report]))
    (panel,) = panels(text)
    assert panel["total"] == 8
    assert panel["samples"][0]["status"] == "none"
    assert panel["samples"][1]["answer"] == ANSWERS[1]["text"]
    assert panel["samples"][1]["medium"] == -1


def test_models_stand_side_by_side_with_chance(report, tmp_path):
    chance = score("classification", REFERENCES, chance_predictions("classification", REFERENCES), draws=20)
    results = {"model": {"classification": report}, "chance": {"classification": chance}}
    text, parsed = page(write_report(tmp_path / "r.html", results))
    board = text.split('<table id="leaderboard">')[1].split("</table>")[0]
    assert board.count(">model</bdi></th>") == 1
    assert board.count('class="chance-line"') == 1
    assert f"chance {chance.headline.value:.2f} [" in board
    assert ">chance</bdi>" not in board  # a mark to compare with, no line that could be the best
    assert f"{chance.headline.value:.4f}" in text
    assert len(panels(text)) == 2
    assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
    assert "chance" in comparison_table(results)


def test_media_are_linked_from_the_root_or_embedded(report, tmp_path):
    path = write_report(
        tmp_path / "out.html", [report], tmp_path / "media", thumbnails={"images/1.png": "data:image/png;base64,AA"}
    )
    data = embedded(path.read_text("utf-8"))
    pictures = {sample["id"]: data["media"][sample["medium"]]["picture"] for sample in data["panels"][0]["samples"]}
    assert pictures["0"] == "media/images/0.png"
    assert pictures["1"].startswith("data:image/png")


def test_clouds_and_images_are_embedded_in_turns_until_there_are_enough(tmp_path, monkeypatch):
    monkeypatch.setattr("lamm_metrics.report.page_data.MOST_CLOUDS", 2)
    np = pytest.importorskip("numpy")
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).uniform(0, 1, (50, 3)))
    records = [{"id": i, "pcl": f"{i}.npy", "gt_choice": 0, "gt_choices": ["a", "b"], "query": "?"} for i in range(3)]
    report = score("vqa3d", records, [{"id": i, "text": "(A)"} for i in range(3)], draws=2)
    data = embedded(write_report(tmp_path / "r.html", [report], tmp_path).read_text("utf-8"))
    assert [sorted(medium) for medium in data["media"]] == [["cloud"], ["cloud"]]
    assert [sample["medium"] for sample in data["panels"][0]["samples"]] == [0, 1, -1]


def test_large_reports_keep_their_samples_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("lamm_metrics.report.page_data.INLINE", 10)
    monkeypatch.setattr("lamm_metrics.report.page_data.PART", 4)
    samples = tuple(Sample(str(i), "g", "ok", 1.0, "x", answer=EVIL) for i in range(11))
    one = Report("vqa", "standard", (Score("accuracy", 1.0, None, 11, 0, True, "s"),), samples)
    text = write_report(tmp_path / "r.html", [one]).read_text("utf-8")
    (panel,) = panels(text)
    assert panel["samples"] == []
    assert panel["parts"] == ["r.parts/0.js", "r.parts/1.js", "r.parts/2.js"]
    listed = []
    for part in panel["parts"]:
        call = (tmp_path / part).read_text("utf-8")
        assert call.startswith(f'lammPart("{part}", [')
        listed += json.loads(call.split(", ", 1)[1].rstrip().removesuffix(");"))
    assert [sample["id"] for sample in listed] == [str(i) for i in range(11)]
    assert "script-src 'unsafe-inline' file: 'self'" in text
    write_report(tmp_path / "r.html", [Report("vqa", "standard", one.scores, samples[:3])])
    assert not (tmp_path / "r.parts").exists()


def test_a_page_in_parts_embeds_what_its_plots_need(tmp_path, monkeypatch):
    monkeypatch.setattr("lamm_metrics.report.page_data.INLINE", 10)
    monkeypatch.setattr("lamm_metrics.report.page_data.PLOTTED", 5)
    records = [{"id": i, "num": i % 9} for i in range(20)]
    counted = score("counting", records, [{"id": i, "text": f"{i % 7}"} for i in range(20)], draws=2)
    named = score("classification", REFERENCES, ANSWERS, draws=2)
    found = panels(write_report(tmp_path / "r.html", [counted, named]).read_text("utf-8"))
    assert [sample["truth"] for sample in found[0]["plotted"]] == ["0", "3", "7", "2", "6"]
    assert found[1]["plotted"] == []


def test_seven_columns_say_once_what_holds_for_all_of_them(report, tmp_path):
    chance = score("classification", REFERENCES, chance_predictions("classification", REFERENCES), draws=20)
    both = {"mine": {"Set": report}, "chance": {"Set": chance}}
    text = write_report(tmp_path / "r.html", both).read_text("utf-8")
    assert text.count("n\u00a0=\u00a08") == 1
    assert text.count('<td data-label="unread">12.5%</td>') == 1
    assert '<td data-label="unread">0.0%</td>' not in text
    fewer = score("classification", REFERENCES[:4], ANSWERS[:4], draws=20)
    text = write_report(tmp_path / "r.html", {"mine": {"Set": report}, "less": {"Set": fewer}}).read_text("utf-8")
    assert "n\u00a0=\u00a04 to 8" in text
    assert "Not all were scored on the same number of records on Set: these scores do not compare." in text


def test_differences_say_what_they_are_from(report, tmp_path):
    class Compared:
        difference, p_value = -0.25, 0.0004

    given = {"significance": {"Set": {"mine": Compared}}, "against": "the unchanged file"}
    text = write_report(tmp_path / "r.html", {"mine": {"Set": report}}, **given).read_text("utf-8")
    assert '<td class="value" data-label="Δ">\u22120.25 <small>p &lt; 0.001</small></td>' in text
    assert "mine against the unchanged file: worse on Set, most by 0.25 on Set, p &lt; 0.001" in text
    assert "difference from the unchanged file," in text
    assert "paired test" not in write_report(tmp_path / "r.html", [report]).read_text("utf-8")


def test_the_system_message_is_embedded_once(tmp_path):
    records = [{**record, "system": "Name the animal."} for record in REFERENCES]
    data = embedded(write_report(tmp_path / "r.html", [score("classification", records, ANSWERS)]).read_text("utf-8"))
    assert data["systems"] == ["Name the animal."]
    assert {sample["system"] for sample in data["panels"][0]["samples"]} == {0}


def test_what_the_paper_published_is_marked_with_its_protocol(report, tmp_path):
    text = write_report(tmp_path / "r.html", [report]).read_text("utf-8")
    assert "What the LAMM paper published (paper, zero-shot)" in text
    assert "VQA ScanQA multiplechoice" in text


def test_thumbnail_that_is_no_image_is_not_embedded(report, tmp_path):
    path = write_report(tmp_path / "out.html", [report], thumbnails={"0": "javascript:alert(1)"})
    assert "javascript:alert" not in path.read_text("utf-8")


def test_long_lists_are_thinned_evenly_and_say_so(tmp_path):
    samples = tuple(Sample(str(i), "g", "ok", 1.0, "x") for i in range(1001))
    one = Report("vqa", "standard", (Score("accuracy", 1.0, None, 1001, 0, True, "s"),), samples)
    text, _ = page(write_report(tmp_path / "r.html", [one], max_samples=100))
    (panel,) = panels(text)
    assert panel["total"] == 1001
    assert len(panel["samples"]) == 91
    assert panel["samples"][-1]["id"] == "990"


def test_the_first_of_many_doubts_are_seen_and_the_rest_are_folded(tmp_path):
    records = [{"id": i, "num": i, "query": "How many?"} for i in range(6)]
    same = score("counting", records, [{"id": i, "text": "3"} for i in range(6)], draws=2)
    for count, more in ((6, 0), (11, 6)):
        path = write_report(tmp_path / "r.html", {f"m{i}": {"Counting_X": same} for i in range(count)})
        (wrong,) = re.findall(r"What looks wrong</h3>(.*?)</div>", path.read_text())
        seen, *folded = wrong.split(f"<details><summary>{more} more</summary>")
        assert len(re.findall("<li>", seen)) == (6 if more else count + 1)
        assert [len(re.findall("<li>", part)) for part in folded] == ([more] if more else [])


def test_nothing_to_report_is_misuse_and_leaves_no_file(tmp_path):
    with pytest.raises(UsageError, match="at least one report"):
        write_report(tmp_path / "r.html", [])
    assert not list(tmp_path.iterdir())


def test_reports_of_one_name_are_all_kept(report, tmp_path):
    text, _ = page(write_report(tmp_path / "r.html", [report, report, report]))
    assert [panel["name"] for panel in panels(text)] == ["classification", "classification (2)", "classification (3)"]


def test_json_reads_back(report, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps([report.to_json(samples=True)]))
    (back,) = read_reports(tmp_path / "r.json")
    assert back == report
    (tmp_path / "other.json").write_text('{"task": "vqa"}')
    with pytest.raises(LammMetricsError, match="Expected a report"):
        read_reports(tmp_path / "other.json")


@pytest.mark.parametrize(
    "change",
    [
        {"extra": {"a": "b"}},
        {"extra": []},
        {"extra": {"a": 10**400}},
        {"n": 10**400},
        {"value": 10**400},
        {"n_failed": 1.5},
        {"interval": [0]},
    ],
)
def test_json_of_another_shape_is_refused_before_it_is_printed(report, tmp_path, change):
    written = report.to_json()
    written["scores"][0] |= change
    (tmp_path / "r.json").write_text(json.dumps(written))
    with pytest.raises(LammMetricsError, match=r"r\.json"):
        read_reports(tmp_path / "r.json")


def test_score_prints_itself_and_its_html(report):
    headline = report.headline
    assert headline.signature in str(headline)
    assert "<strong>accuracy</strong>" in headline._repr_html_()
    assert "unread=12.5%" in str(headline)
    assert report.score("accuracy") is headline
    with pytest.raises(KeyError):
        report.score("nonsense")


def test_a_sample_says_why_its_answer_could_not_be_read(tmp_path):
    answers = [{"id": i, "text": "a cat or a dog" if i == 3 else "a cat"} for i in range(8)]
    report = score("classification", REFERENCES, answers, draws=2)
    assert [bool(sample.detail) for sample in report.samples] == [i == 3 for i in range(8)]
    why = report.samples[3].detail
    assert "cat, dog" in why
    assert f"unread: '3' (ambiguous: {why})" in str(report)
    assert report.to_json()["unread"] == [{"id": "3", "status": "ambiguous", "detail": why}]
    (tmp_path / "r.json").write_text(json.dumps(report.to_json(samples=True)), "utf-8")
    assert read_reports(tmp_path / "r.json")[0].samples[3].detail == why
    (panel,) = panels(write_report(tmp_path / "r.html", [report]).read_text("utf-8"))
    assert [sample["detail"] for sample in panel["samples"][2:4]] == ["", why]


def test_every_unread_sample_has_a_reason():
    texts = ["", "I am sorry, I cannot see the image.", "Hm, well.", "7 or 8; red or blue", "[0.1, 0.2, 0.3]"]
    truths = {
        "classification": {"label": "cat", "labels": ["cat", "dog"]},
        "detection": {"object": [{"label": "cat", "bbox": [0.1, 0.1, 0.5, 0.5]}]},
        "vqa": {"gt_choice": 1, "gt_choices": ["red", "blue"]},
        "counting": {"num": 12},
        "ocr": {"word_list": ["HOTEL"]},
        "caption": {"sentences": ["A cat."]},
        "locating": {"points": [[1, 2]], "image_size": [9, 9]},
        "yes_no": {"label": "no"},
        "visual_grounding3d": {"gt_bbox": [0, 0, 0, 1, 1, 1]},
    }
    for task, truth in truths.items():
        references = [{"id": i, **truth} for i in range(len(texts) + 1)]
        answers = [
            *({"id": i, "text": text} for i, text in enumerate(texts)),
            {"id": len(texts), "error": "it crashed"},
        ]
        report = score(task, references, answers, draws=2)
        assert [bool(one.detail) for one in report.samples] == [one.status != "ok" for one in report.samples], task
        assert report.unread[0].detail == "the answer is empty or missing"
        assert report.unread[-1].detail == "it crashed"


@pytest.mark.parametrize(
    ("task", "truth", "answer"),
    [
        ("vqa", {"gt_choice": 0, "gt_choices": ["red", "blue"]}, {"text": "(A) or (B)"}),
        ("vqa", {"gt_choice": 0, "gt_choices": ["red", "blue"]}, {"choice": 7}),
        ("yes_no", {"label": "yes"}, {"probabilities": [0.5, 0.5]}),
        ("counting", {"num": 3}, {"text": "3 or 4 or 5 birds"}),
        ("detection", {"object": [{"label": "cat", "bbox": [0, 0, 1, 1]}]}, {"text": "cat [0.1, 0.2, 0.3]"}),
    ],
)
def test_every_kind_of_answer_says_why_it_could_not_be_read(task, truth, answer):
    (sample,) = score(task, [{"id": 1, **truth}], [{"id": 1, **answer}], draws=2).samples
    assert (sample.status == "ok", bool(sample.detail)) == (False, True)


def test_the_foot_names_settings_versions_and_the_hash_of_the_records(tmp_path):
    path = tmp_path / "VQA_X.json"
    path.write_text(json.dumps([{"id": i, "gt_choice": 0, "gt_choices": ["a", "b"]} for i in range(3)]))
    answers = [{"id": i, "text": "(A)"} for i in range(3)]
    report = score("vqa", path, answers, draws=7)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.settings["benchmark_sha256"] == digest
    foot = write_report(tmp_path / "r.html", [report]).read_text("utf-8").split("<footer>")[1].split("</footer>")[0]
    assert digest in foot
    assert "draws 7" in foot
    assert f"lamm-metrics {version('lamm-metrics')}" in foot
    assert re.search(r"Written on \d{4}-\d\d-\d\d", foot)
    path.unlink()
    assert "not a file" in write_report(
        tmp_path / "r.html", [score("vqa", [{"id": 1, "gt_choice": 0, "gt_choices": ["a"]}], [{"id": 1, "text": "A"}])]
    ).read_text("utf-8")
