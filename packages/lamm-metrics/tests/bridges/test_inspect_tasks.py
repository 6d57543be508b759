"""inspect asks a model our questions, and shows the scores that `lamm_metrics.score` gives."""

import pytest

from lamm_metrics import read_predictions, score

inspect_ai = pytest.importorskip("inspect_ai", reason="needs inspect: `nox -s bridges`")


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.setenv("INSPECT_DISPLAY", "none")
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path / "logs"))


def asked(bench, log_dir, **options):
    """Run the registered task with a model that knows the answers; return the log and what the model was shown."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    shown = []

    def answer(messages, *_):
        shown.append(messages)
        output = ModelOutput.from_content("mockllm/model", bench.answers[messages[-1].text])
        output.usage = ModelUsage()  # else tokens are counted, by a table that is fetched
        return output

    model = get_model("mockllm/model", custom_outputs=answer)
    arguments = {"references": str(bench.file), **bench.rule}
    (log,) = inspect_ai.eval(
        "lamm_metrics/benchmark", model=model, task_args=arguments, log_dir=str(log_dir), log_format="json", **options
    )
    assert log.status == "success", log.error
    return log, shown


def of(log):
    return {name: one.value for name, one in log.results.scores[0].metrics.items()}


@pytest.mark.parametrize("which", ["shop", "rooms"])
def test_a_task_gives_the_numbers_of_our_own_score(which, request, tmp_path):
    bench = request.getfixturevalue(which)
    log, shown = asked(bench, tmp_path / "logs")
    report = bench.report()
    assert of(log) == bench.shown()
    assert {str(one.id): one.scores["lamm"].value for one in log.samples} == {
        one.id: one.status if one.value is None else one.value for one in report.samples
    }
    pictures = [part.type for part in shown[0][-1].content]
    assert pictures == (["image", "text"] if which == "shop" else ["image", "image", "text"])
    assert (shown[0][0].role == "system") == (which == "rooms")
    # What inspect wrote is read by `lamm metrics score`, to the same end.
    again = score(None, str(bench.file), read_predictions(log.location), bench.rule["protocol"])
    assert again.headline == report.headline


def test_a_part_of_the_records_is_scored_by_the_classes_of_all(shop, tmp_path):
    log, _ = asked(shop, tmp_path / "logs", limit=5)
    whole = shop.report()
    assert of(log)["accuracy"] == sum(one.value for one in whole.samples[:5]) / 5


def test_several_epochs_are_refused(shop, tmp_path):
    with pytest.raises(AssertionError, match="one answer a record, got 18 to 9"):
        asked(shop, tmp_path / "logs", epochs=2)
