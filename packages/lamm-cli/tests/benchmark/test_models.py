"""The models of a benchmark run, as the user names them."""

import pytest

from lamm_cli.benchmark.models import Model, asked_models, named_models
from lamm_cli.benchmark.run import BenchmarkRun
from lamm_cli.settings import SettingsError, packaged_settings
from lamm_llm import UsageError


def test_models_are_named_after_their_folder_or_by_the_user(tmp_path):
    folder = tmp_path / "my-run" / "model"
    folder.mkdir(parents=True)
    served = "org/SmolLM2@http://127.0.0.1:8000/v1"
    assert named_models([str(folder), f"mine={folder}", served]) == {
        "my-run": str(folder),
        "mine": str(folder),
        "SmolLM2": served,
    }


def test_one_name_for_two_models_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="twice"):
        named_models([f"a={tmp_path}", f"a={tmp_path / 'other'}"])


def test_each_model_is_followed_by_itself_blind(tmp_path):
    found = asked_models({"a": str(tmp_path), "b": "m@http://127.0.0.1:1/v1"}, blind=True)
    assert [one.label for one in found] == ["a", "a (blind)", "b", "b (blind)"]
    assert found[1].arguments() == ["--model", str(tmp_path), "--blind"]
    assert found[2] == Model("b", "m", "http://127.0.0.1:1/v1")
    assert len({one.folder for one in found}) == 4


@pytest.mark.parametrize(("name", "target"), [("../up", "."), ("a", ""), ("a.blind", "."), ("a", "no/such/folder")])
def test_names_that_cannot_be_folders_and_models_that_are_not_there_are_refused(name, target):
    with pytest.raises(SettingsError, match="Expected"):
        asked_models({name: target}, blind=False)


def test_each_endpoint_is_told_its_own_key(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRST_KEY", "first")
    models = {"a": "m@http://127.0.0.1:1/v1", "b": "m@http://127.0.0.1:2/v1", "c": str(tmp_path)}
    first, second, third = asked_models(models, blind=False, keys={"a": "FIRST_KEY"})
    assert first.arguments()[-2:] == ["--api-key-env", "FIRST_KEY"]
    assert "--api-key-env" not in [*second.arguments(), *third.arguments()]
    with pytest.raises(UsageError, match="SECOND_KEY, found it unset"):
        asked_models(models, blind=False, keys={"b": "SECOND_KEY"})
    for stranger in ("c", "d"):
        with pytest.raises(SettingsError, match=f"endpoints, got one for {stranger}"):
            asked_models(models, blind=False, keys={stranger: "FIRST_KEY"})


@pytest.mark.parametrize("address", ["http://me:s3cret@127.0.0.1/v1", "http://127.0.0.1/v1?api_key=s3cret"])
@pytest.mark.parametrize("place", ["models", "judge"])
def test_an_address_with_a_secret_is_refused_before_anything_is_written(tmp_path, address, place):
    settings = packaged_settings("benchmark")
    settings["judge"]["endpoint"] = address if place == "judge" else ""
    settings["models"] = {"m": f"org/m@{address}"} if place == "models" else {}
    with pytest.raises(UsageError, match="Expected an endpoint without user name") as caught:
        BenchmarkRun(tmp_path / "run", settings).carry_out()
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "run").exists()
