"""`lamm data check`, `dedup`, `review` and `generate` as a user calls them."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from lamm_data.cli import data
from lamm_data.errors import LammDataError


@pytest.fixture
def file(tmp_path):
    def record(number, text):
        turns = [{"from": "human", "value": f"What is in {number}?"}, {"from": "gpt", "value": text}]
        return {"id": str(number), "image": f"{number}.jpg", "conversations": turns, "task_type": "conversation"}

    items = [record(n, f"Thing number {n} on a {['red', 'blue', 'green'][n % 3]} cloth.") for n in range(6)]
    items.append(record(6, "The caption says nothing."))
    items.append({**items[0]})
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def run(*arguments):
    result = CliRunner().invoke(data, [str(item) for item in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_check_prints_a_funnel_and_moves_what_it_rejects(file, tmp_path):
    out = run(
        "check", file, "--output", tmp_path / "kept.jsonl", "--rejected", tmp_path / "rejected.jsonl", "--no-fail"
    )
    assert "record 7, turn 2: leakage: The caption" in out
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 6
    rejected = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [item["findings"][0]["kind"] for item in rejected] == ["leakage", "duplicate"]
    report = json.loads(run("check", file, "--json", "--skip", "duplicate", "--no-fail"))
    assert report["funnel"] == {"leakage": 7}
    assert [(item["record"], item["turn"], item["kind"]) for item in report["findings"]] == [(7, 2, "leakage")]


def fails(*arguments):
    result = CliRunner().invoke(data, [str(item) for item in arguments])
    assert isinstance(result.exception, LammDataError), result.output
    assert result.exception.exit_code == 1
    return str(result.exception)


def test_check_is_a_gate(file):
    assert "got 2 of 8 with some (1 leakage, 1 duplicate)" in fails("check", file)
    run("check", file, "--skip", "duplicate", "--skip", "leakage")


@pytest.mark.parametrize("text", ["", "[]", "{}\n", '{"id": 1}\n{"id": 2}\n'])
@pytest.mark.parametrize(
    ("command", "more"), [("check", ["--no-fail"]), ("stats", []), ("view", ["--output", "o.html"])]
)
def test_a_file_without_any_usable_record_is_an_error(tmp_path, monkeypatch, text, command, more):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "none.jsonl"
    path.write_text(text)
    assert "none.jsonl, got none that is usable" in fails(command, path, *more)


def test_media_are_opened_and_compared_with_a_benchmark_that_lies_beside_its_own(tmp_path):
    own, held_out = tmp_path / "own", tmp_path / "benchmark"
    for folder in (own, held_out):
        folder.mkdir()
    picture = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50)
    picture.save(own / "a.png")
    picture.save(held_out / "leaked.png")
    (own / "b.png").write_bytes((own / "a.png").read_bytes()[:200])
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A cat."}]
    records = [{"id": name, "image": f"{name}.png", "conversations": turns} for name in "abc"]
    (own / "r.jsonl").write_text("".join(json.dumps(item) + "\n" for item in records))
    (held_out / "b.json").write_text(json.dumps([{"id": 1, "image": "leaked.png", "query": "?"}]))
    out = run("check", own / "r.jsonl", "--media-root", own, "--no-fail")
    assert [line.split(":")[0] for line in out.splitlines() if ": media: " in line] == ["record 2", "record 3"]
    out = run("check", own / "r.jsonl", "--benchmark", held_out / "b.json", "--no-fail")
    assert "record 1: contamination: a.png is leaked.png of b.json" in out


def test_dedup_keeps_the_first(file, tmp_path):
    run(
        "dedup",
        file,
        "--output",
        tmp_path / "kept.jsonl",
        "--rejected",
        tmp_path / "gone.jsonl",
        "--similarity",
        "0.99",
    )
    gone = [json.loads(line) for line in (tmp_path / "gone.jsonl").read_text().splitlines()]
    assert gone[0]["duplicate_of"] == {"record": 1, "rouge_l": 1.0}


def test_review_draws(file, tmp_path):
    assert "8 of 8" in run("review", file, "--output", tmp_path / "sample.jsonl", "--share", "1")


@pytest.mark.parametrize("command", ["generate", "check", "dedup", "review"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom lamm_data.cli import data\n"
        f"data([{command!r}, '--help'], standalone_mode=False)\n"
        "bad = {'torch', 'numpy', 'transformers', 'openai', 'nltk', 'PIL', 'rapidfuzz', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
