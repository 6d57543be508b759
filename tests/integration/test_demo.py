"""The whole pipeline, small: sample, generate, convert, finetune, predict, score; killed at three stages."""

import json
import subprocess
from collections import Counter


def lines_in(folder, pattern):
    return [line for path in folder.glob(pattern) for line in path.read_text().splitlines()]


def test_the_table_covers_twelve_tasks_and_four_runs(small_demo):
    table = small_demo.table
    assert table["runs"] == ["fine-tuned", "before", "blind", "chance"]
    assert len(table["rows"]) >= 12
    for row in table["rows"]:
        for run in table["runs"]:
            assert row["scores"][run]["value"] is not None, (row["benchmark"], run)


def test_generation_went_on_where_it_was_killed(small_demo):
    output = small_demo.output
    now = lines_in(output / "instructions", "*.journal.jsonl")
    assert (
        now[: len(small_demo.answers_when_killed) - 1] == small_demo.answers_when_killed[:-1]
    )  # the last line may have been torn
    keys = Counter(json.loads(line).get("key") for line in now if '"reply"' in line)
    assert set(keys.values()) == {1}
    for kind in ("daily_dialogue", "detailed_description"):
        kept = lines_in(output / "instructions", f"{kind}.jsonl")
        rejected = lines_in(output / "instructions", f"{kind}.rejected.jsonl")
        assert len(kept) + len(rejected) == small_demo.settings["generation.rows"]


def test_fine_tuning_went_on_from_a_checkpoint(small_demo):
    output = small_demo.output
    record = json.loads((output / "finetune" / "finetune.json").read_text())
    assert record["resumed_from"] is not None
    assert record["steps"] == small_demo.settings["training.max_steps"]


def test_finished_predictions_were_left_alone(small_demo):
    output = small_demo.output
    for name, stamp in small_demo.stamps_when_killed.items():
        assert (output / "predictions" / "tuned" / name).stat().st_mtime_ns == stamp


def test_every_prediction_file_answers_every_record(small_demo):
    output = small_demo.output
    for reference in (output / "benchmark").glob("*.json"):
        wanted = {str(record["id"]) for record in json.loads(reference.read_text())}
        for run in ("tuned", "base", "blind"):
            answers = [json.loads(line) for line in lines_in(output / "predictions" / run, f"{reference.stem}.jsonl")]
            assert {str(answer["id"]) for answer in answers if "id" in answer} == wanted


def test_a_second_run_does_nothing(small_demo):
    output, table = small_demo.output, small_demo.table
    watched = [path for part in ("finetune", "predictions", "instructions") for path in (output / part).rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in watched if path.is_file()}
    done = subprocess.run(small_demo.command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == table
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before


def test_the_report_is_one_file(small_demo):
    output = small_demo.output
    page = (output / "report.html").read_text()
    assert "Classification_SampleShapes" in page
    assert "https://" not in page.replace("https://arxiv.org", "")


def test_produced_records_pass_the_check(small_demo, lamm):
    records = []
    for path in sorted((small_demo.output / "instructions").glob("*_tasks.jsonl")):
        done = lamm("data", "check", path, "--json", "--no-fail")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        records.append(report["records"])
        assert "format" not in report["kinds"]
        assert report["kept"] >= 0.95 * report["records"]
    assert len(records) == 4
    assert min(records) >= 40
    assert sum(records) > 200
