"""What `lamm benchmark run` says before it begins: models, tasks, recipes, versions of the benchmark."""

import copy
import hashlib
import json

import pytest

from lamm_cli.benchmark.provenance import keep_settings
from lamm_cli.leaderboard.scores import BenchmarkFile, BenchmarkFilesError, Scorer
from lamm_cli.settings import SettingsError, packaged_settings


def settings(root, **models):
    made = copy.deepcopy(packaged_settings("benchmark"))
    made["benchmark"]["root"] = str(root)
    made["models"].update(models)
    return made


def test_a_misnamed_model_may_be_corrected_until_it_has_answered(tmp_path):
    keep_settings(tmp_path, settings(tmp_path, other="wrnog@http://127.0.0.1:9/v1"))
    predictions = tmp_path / "predictions" / "other"
    predictions.mkdir(parents=True)
    (predictions / "VQA_X.jsonl.journal").write_text('{"lamm": "predictions"}\n')
    kept = keep_settings(tmp_path, settings(tmp_path, other="right@http://127.0.0.1:9/v1"))
    assert kept["models"]["other"].startswith("right@")
    with (predictions / "VQA_X.jsonl.journal").open("a") as lines:
        lines.write('{"id": "1", "text": "A"}\n')
    with pytest.raises(SettingsError, match="another one for other"):
        keep_settings(tmp_path, settings(tmp_path, other="third@http://127.0.0.1:9/v1"))


def test_a_misspelt_task_is_named(tmp_path):
    pytest.importorskip("lamm_data")
    from lamm_cli.benchmark.sets import gather_files

    wanted = settings(tmp_path)["benchmark"]
    wanted["tasks"] = ["counting", "clasification"]
    with pytest.raises(
        BenchmarkFilesError, match=r"Expected tasks, got 'clasification'\. Did you mean classification\?"
    ):
        gather_files(wanted, tmp_path / "files")


def test_a_misspelt_recipe_is_refused_before_the_run_directory_holds_it(tmp_path):
    pytest.importorskip("lamm_data")
    from lamm_cli.benchmark.run import BenchmarkRun
    from lamm_data import UsageError

    wanted = settings(tmp_path, mine=str(tmp_path))
    wanted["benchmark"]["recipes"] = ["remaping"]
    with pytest.raises(UsageError, match="got 'remaping'"):
        BenchmarkRun(tmp_path / "run", wanted).carry_out()
    assert not (tmp_path / "run").exists()


def test_answers_to_another_version_of_a_file_are_not_scored(tmp_path):
    pytest.importorskip("lamm_metrics")
    path = tmp_path / "Counting_X.json"
    path.write_text(json.dumps([{"id": "1", "num": 3, "query": "?", "task": "counting"}]))
    version = hashlib.sha256(path.read_bytes()).hexdigest()
    answers = tmp_path / "answers.jsonl"
    header = {"lamm": "predictions", "config": {"benchmark_sha256": version}}
    answers.write_text(f'{json.dumps(header)}\n{{"id": "1", "text": "3"}}\n')
    file = BenchmarkFile.read(path, tmp_path)
    assert Scorer().of_run("mine", file, answers).headline.value == 0.0
    path.write_text(path.read_text().replace("3", "4"))
    with pytest.raises(BenchmarkFilesError, match=f"benchmark_sha256 {version[:12]}"):
        Scorer().of_run("mine", file, answers)
