"""Recipes, tests and the judge on models whose weakness is known, behind a real socket."""

import base64
import io
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 180, 30), "white": (250, 250, 250)}
RECORDS = 40
OPTION = re.compile(r"\(([^)]+)\) (red|blue|green|white)")
RECIPES = {
    "spoilt": """
kind = "image_corruption"
tasks = ["vqa"]
[[variants]]
name = "gone"
way = "contrast"
severity = 5
[[variants]]
name = "mild"
way = "jpeg"
severity = 1
""",
    "labels": """
kind = "remap"
tasks = ["vqa"]
[[variants]]
name = "digits"
labels = ["1", "2", "3", "4"]
[[variants]]
name = "shifted"
shift = 1
""",
    "shown": """
kind = "in_context"
tasks = ["vqa"]
[[variants]]
name = "other"
retriever = "fixed"
count = 1
[[variants]]
name = "alike"
retriever = "picture"
count = 1
""",
}


def seen_colour(content):
    """The colour an image has; of a grey one nothing is seen."""
    (url,) = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB"), float)
    mean = pixels.mean(axis=(0, 1))
    near = {name: np.abs(mean - colour).max() for name, colour in COLOURS.items()}
    best = min(near, key=near.get)
    return best if near[best] < 60 else "white"


def answer(model, content):
    """`able` sees and names the label that the question shows; `rigid` sees, but always answers A to D in the order of
    the options, and repeats an example's answer where one is shown."""
    text = content[-1]["text"]
    asked = text.rsplit("Question: ", 1)[-1]
    colour = seen_colour(content)
    options = OPTION.findall(asked)
    if not options:
        return f"A plain {colour} picture without anything else in it." if model == "able" else "A picture."
    if model == "able":
        return next(f"({label}) {name}" for label, name in options if name == colour)
    example = re.search(r"Answer: The answer is \(([A-D])\)", text)
    return f"({example.group(1)})" if example else f"({'ABCD'[[name for _, name in options].index(colour)]})"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == "judge":
            shown = re.findall(r"<answer (\w) \w+>\n(.*?)\n</answer", body["messages"][1]["content"], re.S)
            longest = max(shown, key=lambda pair: len(pair[1]))[0]
            text = json.dumps({"explanation": f"{longest} says more", "verdict": longest})
        else:
            content = body["messages"][-1]["content"]
            if body["model"] == "rigid" and content[-1]["text"] == "Describe it." and seen_colour(content) == "white":
                self.send_error(400, "cannot describe white")
                return
            text = answer(body["model"], content)
        reply = {
            "id": "1", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        payload = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        pass


def write_set(root, split):
    """Questions about the colour of one-coloured pictures; the options stand in an order that turns with the record."""
    records, captions = [], []
    for number in range(RECORDS):
        order = list(np.roll(list(COLOURS), number % 3))
        colour = list(COLOURS)[number % 4]
        path = f"{split}/{number}.png"
        (root / split).mkdir(exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), COLOURS[colour], np.uint8)).save(root / path)
        written = " ".join(f"({letter}) {name}" for letter, name in zip("ABCD", order, strict=True))
        about = {"id": f"{split}{number}", "image": path, "group": f"{split}{number}", "meta": {"split": split}}
        records.append(
            {**about, "query": f"Which colour is it? Options: {written}", "task": "vqa", "dataset": "Colours",
             "gt_choices": order, "gt_choice": order.index(colour)}
        )  # fmt: skip
        captions.append(
            {**about, "query": "Describe it.", "task": "caption", "dataset": "Colours", "sentences": [f"all {colour}"]}
        )
    return records, captions[:6]


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """A run with three recipes and a judge."""
    import subprocess
    import sys

    root = tmp_path_factory.mktemp("colours")
    evaluated, captions = write_set(root, "test")
    (root / "VQA_Colours.json").write_text(json.dumps(evaluated))
    (root / "Caption_Colours.json").write_text(json.dumps(captions))
    shown, _ = write_set(root, "train")
    (root / "train" / "VQA_Colours_train.json").write_text(json.dumps(shown))
    for name, text in RECIPES.items():
        (root / f"{name}.toml").write_text(text)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    output = root / "run"
    words = [sys.executable, "-m", "lamm_cli", "benchmark", "run", "--root", root, "--output", output, "--json"]
    words += ["--model", f"able=able@{url}", "--model", f"rigid=rigid@{url}", "--set", "benchmark.blind=false"]
    recipes = json.dumps([str(root / f"{name}.toml") for name in RECIPES])
    judge = [f"judge.endpoint={url}", "judge.model=judge", "judge.records=4"]
    for setting in (f"benchmark.recipes={recipes}", "scoring.draws=200", *judge):
        words += ["--set", setting]
    try:
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        again = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    finally:
        server.shutdown()
        server.server_close()
    return SimpleNamespace(
        output=output, table=json.loads(done.stdout), log=done.stderr, again=json.loads(again.stdout)
    )


def row(run, model, recipe, variant):
    (found,) = [
        row
        for row in run.table["variants"]
        if (row["model"], row["recipe"], row["variant"]) == (model, recipe, variant)
    ]
    return found


def clearly_lower(found):
    return found["difference"] < -0.3 and found["interval"][1] < 0 and found["p_value"] < 0.05


def unchanged(found):
    return found["difference"] == 0 and found["score"]["value"] == 1.0 and found["same_choice"]["value"] == 1.0


def test_numbers_and_intervals_are_those_of_lamm_metrics_score(varied, lamm):
    answers = varied.output / "recipes/spoilt/predictions/rigid/VQA_Colours+gone.jsonl"
    path = varied.output / "recipes/spoilt/files-0/VQA_Colours+gone.json"
    scored = lamm(
        "metrics", "score", "--task", "vqa", "--benchmark", path, "--predictions", answers, "--draws", 200, "--json"
    )
    assert scored.returncode == 0, scored.stderr
    headline = json.loads(scored.stdout)["scores"][0]
    shown = row(varied, "rigid", "spoilt", "gone")["score"]
    assert shown["value"] == headline["value"] < 1
    assert shown["interval"] == headline["interval"]
    assert shown["interval"][0] < shown["value"] < shown["interval"][1]


def test_both_models_know_the_unchanged_benchmark(varied):
    (vqa,) = [row for row in varied.table["rows"] if row["benchmark"] == "VQA_Colours"]
    assert vqa["scores"]["able"]["value"] == vqa["scores"]["rigid"]["value"] == 1.0
    assert vqa["scores"]["chance"]["value"] < 0.6


@pytest.mark.parametrize("model", ["able", "rigid"])
def test_a_model_that_looks_loses_where_the_picture_is_spoilt(varied, model):
    assert clearly_lower(row(varied, model, "spoilt", "gone"))
    assert unchanged(row(varied, model, "spoilt", "mild"))


@pytest.mark.parametrize("variant", ["digits", "shifted"])
def test_only_the_model_that_knows_letters_alone_loses_under_other_labels(varied, variant):
    rigid = row(varied, "rigid", "labels", variant)
    assert clearly_lower(rigid)
    assert rigid["same_choice"]["value"] < 0.2
    assert unchanged(row(varied, "able", "labels", variant))


def test_only_the_model_that_copies_examples_loses_by_one_of_another_colour(varied):
    assert clearly_lower(row(varied, "rigid", "shown", "other"))
    assert unchanged(row(varied, "able", "shown", "other"))
    # An example about the same colour helps the copier wherever the options stand in the same order.
    alike, other = (row(varied, "rigid", "shown", variant)["score"]["value"] for variant in ("alike", "other"))
    assert alike >= other


def test_ratios_are_given_where_the_base_is_clear_of_chance(varied):
    found = row(varied, "able", "labels", "digits")
    assert found["kept"]["value"] == 1.0
    assert row(varied, "rigid", "labels", "digits")["kept"]["value"] < 0.2


def test_the_judge_is_asked_and_what_it_said_is_kept(varied):
    text = (varied.output / "table.md").read_text()
    assert "| Caption_Colours | win_rate ↑ | " in text
    assert "| able | 1.00" in text
    assert "| rigid | 0.00" in text
    said = [json.loads(line) for line in (varied.output / "judgements/Caption_Colours/transcripts.jsonl").open()]
    assert len({entry["id"] for entry in said}) == 4
    page = (varied.output / "report.html").read_text()
    assert "says more" in page
    assert "Caption Colours gpt win rate" in page
    assert "<small>gpt_win_rate, n" in page


def test_the_report_holds_paired_tests_and_the_variants_have_their_own(varied):
    page = (varied.output / "report.html").read_text()
    assert re.search(r'data-label="Δ">[+\u2212]?\d\.\d\d <small>p (=|&lt;) ', page)
    variants = (varied.output / "recipes.html").read_text()
    assert "labels: VQA_Colours+digits" in variants
    assert (varied.output / "recipes.md").read_text().count("\n") == 2 + 2 * 6
    assert len((varied.output / "recipes.csv").read_text().splitlines()) == 1 + 2 * 6


def test_the_one_sample_that_a_model_crashes_on_is_failed_with_its_trace(varied):
    (captions,) = [row for row in varied.table["rows"] if row["benchmark"] == "Caption_Colours"]
    assert captions["scores"]["rigid"]["failure_rate"] == pytest.approx(1 / 6)
    assert captions["scores"]["able"]["failure_rate"] == 0
    (failure,) = map(json.loads, (varied.output / "predictions/rigid/Caption_Colours.failures.jsonl").open())
    assert failure["id"] == "test3"
    assert "cannot describe white" in failure["error"] or "400" in failure["error"]
    assert "Traceback" in failure["trace"]
    assert "1 sample failed" in varied.log
    assert "(no answer: LammModelError" in (varied.output / "report.html").read_text()


def test_a_second_run_asks_nobody(varied):
    assert varied.again["done"] == []
    assert varied.again["variants"] == varied.table["variants"]
