"""Settings files and overrides of the commands that compose others."""

import tomllib

import pytest

from lamm_cli.settings import SettingsError, as_toml, override, packaged_settings, read_settings

NAMES = ["demo", "benchmark"]


@pytest.mark.parametrize("name", NAMES)
def test_packaged_settings_survive_being_written(name):
    tables = packaged_settings(name)
    assert tomllib.loads(as_toml(tables)) == tables


def test_overrides_set_single_keys():
    tables = override(packaged_settings("demo"), ("world.images=10", "templates.style=short"))
    assert (tables["world"]["images"], tables["templates"]["style"]) == (10, "short")
    assert packaged_settings("demo")["world"]["images"] != 10


def test_free_tables_take_any_key():
    tables = override(packaged_settings("benchmark"), ("models.mine=some/folder",), free=("models",))
    assert tables["models"] == {"mine": "some/folder"}


@pytest.mark.parametrize("bad", ["world.imagse=3", "images=3", "world.images", "world.=3"])
def test_unknown_overrides_are_refused(bad):
    with pytest.raises(SettingsError, match=r"world\.images"):
        override(packaged_settings("demo"), (bad,))


@pytest.mark.parametrize("bad", ["world.images=-3", "training.max_steps=-1", "training.learning_rate=nan"])
def test_numbers_below_zero_are_refused_before_anything_begins(bad):
    with pytest.raises(SettingsError, match="expected a number of at least 0, found"):
        override(packaged_settings("demo"), (bad,))


def test_every_fault_of_a_file_is_named_with_the_nearest_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[benchmrk]\nroot = "x"\n[prediction]\nbatchsize = 3\n[models]\nany = "folder"\n')
    with pytest.raises(SettingsError) as caught:
        read_settings(path, packaged_settings("benchmark"), free=("models",))
    assert "did you mean benchmark?" in str(caught.value)
    assert "did you mean batch_size?" in str(caught.value)
    assert "models" not in str(caught.value)


def test_values_of_another_type_are_refused_and_numbers_fit(tmp_path):
    with pytest.raises(SettingsError, match=r"scoring\.draws: expected int, found 'abc'"):
        override(packaged_settings("benchmark"), ("scoring.draws=abc",))
    path = tmp_path / "mine.toml"
    path.write_text('[benchmark]\nblind = "no"\ntasks = "vqa"\n[judge]\nmax_cost = 2\n[prediction]\nbatch_size = "x"\n')
    with pytest.raises(SettingsError, match=r"benchmark\.blind: expected bool.*prediction\.batch_size: expected int"):
        read_settings(path, packaged_settings("benchmark"))
    path.write_text('[benchmark]\ntasks = "vqa"\n[judge]\nmax_cost = 2\n')
    found = read_settings(path, packaged_settings("benchmark"))
    assert found["benchmark"]["tasks"] == ["vqa"]
    assert found["judge"]["max_cost"] == 2.0


def test_text_with_quotes_and_line_breaks_is_written_as_toml():
    tables = {"a": {"odd key": 'say "hi"\n\\', "list": ["x", 1, True]}}
    assert tomllib.loads(as_toml(tables)) == tables


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("no toml")
    with pytest.raises(SettingsError, match="TOML"):
        read_settings(path, packaged_settings("benchmark"))
