"""What a notebook shows of questions, answers and reports: tables, escaped, no longer than a screen."""

from html.parser import HTMLParser

from lamm_metrics import read_predictions, read_references, score

EVIL = "<script>alert(1)</script>"
REFERENCES = [{"id": i, "query": f"How many? {EVIL}", "num": i % 5} for i in range(25)]
ANSWERS = [{"id": i, "text": f"{EVIL}\n{i % 4}"} for i in range(24)] + [{"id": 24, "error": "it crashed"}]


class Table(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def rows(text):
    tags = Table(text).tags
    assert "script" not in tags
    return tags.count("tr") - 1


def test_a_report_is_a_table_of_its_scores():
    report = score("counting", REFERENCES, ANSWERS, draws=20)
    shown = report._repr_html_()
    assert rows(shown) == len(report.scores)
    assert f"{report.headline.value:.4f} ↓" in shown
    assert report.headline.signature in shown
    assert "answers: " in shown


def test_answers_and_questions_show_the_first_and_count_the_rest():
    answers, questions = read_predictions(ANSWERS), read_references(REFERENCES, "counting")
    for shown in (answers._repr_html_(), questions._repr_html_()):
        assert rows(shown) == 10
        assert "and 15 more" in shown
        assert "&lt;script&gt;" in shown
    assert "25 answers" in answers._repr_html_()
    crashed = read_predictions(ANSWERS[-1:])._repr_html_()
    assert "(no answer: it crashed)" in crashed
    boxes = read_predictions([{"id": 1, "number": 3.0}])._repr_html_()
    assert "number: 3.0" in boxes
