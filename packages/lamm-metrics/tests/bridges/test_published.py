"""Results in the formats of others are accepted by the programs of those others."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from lamm_metrics import UsageError, every_eval_log, hub_result
from lamm_metrics.bridges.published import write_every_eval, write_hub
from lamm_metrics.cli import metrics

DAY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(params=["shop", "rooms"])
def report(request):
    return request.getfixturevalue(request.param).report()


def test_every_eval_ever_accepts_our_logs(report, tmp_path):
    core = pytest.importorskip("every_eval_ever.validator.validation_core", reason="needs `nox -s bridges`")
    log = every_eval_log(report, "acme/seer-7b", "Acme", "first_party", "acme/bench", DAY)
    (path,) = write_every_eval(tmp_path, [log])
    place = path.relative_to(tmp_path).as_posix()
    found = core.validate_aggregate(path, repo_path=place, run_semantic_checks=True)
    assert found.valid, found.errors
    assert not found.warnings


def test_a_log_says_all_that_a_score_says(report, tmp_path):
    log = every_eval_log(report, "acme/seer-7b", "Acme", date=DAY)
    assert log["evaluation_id"].endswith("/acme_seer-7b/1767323045")
    results = {row["metric_config"]["metric_name"]: row for row in log["evaluation_results"]}
    assert results.keys() == {one.name for one in report.scores if one.value is not None}
    for one in report.scores:
        if one.value is None:
            continue
        row = results[one.name]
        assert row["score_details"]["score"] == one.value
        assert row["score_details"]["details"]["signature"] == one.signature
        assert row["metric_config"]["lower_is_better"] != one.higher_is_better
        stated = row["score_details"]["uncertainty"].get("confidence_interval")
        assert (stated and (stated["lower"], stated["upper"])) == one.interval
    assert results[report.headline.name]["metric_config"]["metric_parameters"]["v"]
    first = write_every_eval(tmp_path, [log])
    assert write_every_eval(tmp_path, [log]) == first


def test_the_hub_reads_our_entries(report, tmp_path):
    hub = pytest.importorskip("huggingface_hub", minversion="1.4", reason="needs huggingface_hub")
    yaml = pytest.importorskip("yaml")
    (path,) = write_hub(tmp_path, [report], "acme/bench", DAY)
    assert path.parent == tmp_path / ".eval_results"
    written = yaml.safe_load(path.read_text())
    assert written == [hub_result(report, "acme/bench", DAY)]
    (entry,) = hub.parse_eval_result_entries(written)
    assert (entry.dataset_id, entry.task_id, entry.value) == ("acme/bench", report.task, report.headline.value)
    assert report.headline.signature in entry.notes
    assert hub.eval_result_entries_to_yaml([entry]) == written


@pytest.mark.parametrize("name", ["seer", "a/b/c", "acme/", "../seer", "a b/c"])
def test_names_that_are_none_are_refused(shop, name):
    report = shop.report()
    with pytest.raises(UsageError, match="the model as ORGANISATION/NAME"):
        every_eval_log(report, name, "Acme")
    with pytest.raises(UsageError, match="the dataset as ORGANISATION/NAME"):
        hub_result(report, name)
    with pytest.raises(UsageError, match=r"a relationship \(first_party"):
        every_eval_log(report, "acme/seer", "Acme", "friend")


@pytest.mark.parametrize("name", ["..", "../../out", "/etc", "a/b", ""])
def test_reports_from_anywhere_are_written_below_the_folder(shop, tmp_path, name):
    report = replace(shop.report(), task=name, dataset=name)
    log = every_eval_log(report, "acme/seer", "Acme", date=DAY)
    for path in (*write_every_eval(tmp_path / "out", [log]), *write_hub(tmp_path / "out", [report], "acme/bench", DAY)):
        assert path.resolve().is_relative_to(tmp_path / "out")
        assert len(path.relative_to(tmp_path / "out").parts) == (5 if path.suffix == ".json" else 2)


def test_a_report_without_a_number_is_refused(shop):
    report = shop.report()
    empty = replace(report, scores=tuple(replace(one, value=None, interval=None) for one in report.scores))
    for write in (lambda: every_eval_log(empty, "acme/seer", "Acme"), lambda: hub_result(empty, "acme/bench")):
        with pytest.raises(UsageError, match="a score with a value, got accuracy of 9 records"):
            write()


def test_the_commands_write_what_the_functions_write(shop, tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps([shop.report().to_json()]))

    def run(*words):
        return CliRunner().invoke(metrics, list(words))

    options = ["--output", str(tmp_path / "out"), "--dataset", "acme/bench", "--date", "2026-01-02"]
    assert run("export", str(report), "--to", "hub", *options).output.endswith(".eval_results/vqa.yaml\n")
    words = [*options, "--model", "acme/seer", "--organisation", "Acme"]
    shown = run("export", str(report), "--to", "every-eval-ever", *words)
    assert "/data/Shop/acme/seer/" in shown.output, shown.output
    assert run("export", str(report), "--to", "every-eval-ever", *options).exit_code == 2
    shown = run("lmms-eval", str(shop.file), "--output", str(tmp_path / "tasks"))
    assert "--tasks lamm_VQA_Shop" in shown.output, shown.output
    assert (tmp_path / "tasks" / "lamm_VQA_Shop.yaml").is_file()
