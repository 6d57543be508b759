"""What a run is called where nobody names it."""

import pytest

from lamm_model.prediction.journal import run_name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my-run/model", "my-run"),
        ("my-run", "my-run"),
        ("my-run/checkpoint-20", "my-run/checkpoint-20"),
        ("my-run/untuned", "my-run/untuned"),
        ("exported", "exported"),
    ],
)
def test_a_run_is_called_after_its_folder(tmp_path, folder, name):
    (tmp_path / folder).mkdir(parents=True)
    if folder.startswith("my-run"):
        (tmp_path / "my-run" / "run.json").write_text("{}")
    assert run_name(tmp_path / folder) == name
    assert run_name(tmp_path / folder, blind=True) == f"{name} (blind)"


def test_models_of_the_hub_and_of_endpoints_are_called_by_their_names():
    assert run_name("org/model-7b") == "org/model-7b"
    assert run_name("org/model-7b", blind=True, endpoint="http://localhost/v1") == "org/model-7b (blind)"
