"""`lamm data check`, `dedup`, `review` and `generate` as a user calls them."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from lamm_data.cli import data


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
    out = run("check", file, "--output", tmp_path / "kept.jsonl", "--rejected", tmp_path / "rejected.jsonl")
    assert "record 7, turn 2: leakage: The caption" in out
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 6
    rejected = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [item["findings"][0]["kind"] for item in rejected] == ["leakage", "duplicate"]
    report = json.loads(run("check", file, "--json", "--skip", "duplicate"))
    assert report["funnel"] == {"leakage": 7}


def test_dedup_keeps_the_first(file, tmp_path):
    run(
        "dedup", file, "--output", tmp_path / "kept.jsonl", "--rejected", tmp_path / "gone.jsonl", "--threshold", "0.99"
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
