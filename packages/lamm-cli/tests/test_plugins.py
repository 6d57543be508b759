"""Commands come from installed packages, load late, and never take each other down."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from lamm_cli.main import lamm
from lamm_cli.plugins import PluginGroup

needs_model = pytest.mark.skipif(find_spec("lamm_model") is None, reason="lamm-model is not installed")


@pytest.fixture
def plugin_site(tmp_path, monkeypatch):
    """A folder of installed plugins: one that works, one whose import fails."""
    info = tmp_path / "thirdparty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lamm.commands]\nhello = thirdparty_plugin:hello\nbroken = thirdparty_broken:command\n"
    )
    (tmp_path / "thirdparty_plugin.py").write_text(
        "import click\n@click.command()\ndef hello():\n    'Say hello.'\n    click.echo('hello from outside')\n"
    )
    (tmp_path / "thirdparty_broken.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_third_party_command_joins(plugin_site):
    assert "Say hello." in CliRunner().invoke(lamm, ["--help"]).output
    assert CliRunner().invoke(lamm, ["hello"]).output == "hello from outside\n"


def test_a_broken_plugin_is_listed_and_named_and_harms_nobody(plugin_site):
    shown = CliRunner().invoke(lamm, ["--help"])
    assert shown.exit_code == 0
    assert "(could not be loaded)" in shown.output
    called = CliRunner().invoke(lamm, ["broken", "--any", "thing"])
    assert called.exit_code == 1
    assert "no_such_module" in called.output


def test_a_missing_package_says_which_install_brings_it(monkeypatch):
    monkeypatch.setattr("lamm_cli.plugins._installed", dict)
    for name, package in (("data", "lamm-data"), ("model", "lamm-model"), ("metrics", "lamm-metrics")):
        called = CliRunner().invoke(lamm, [name, "anything", "--help"])
        assert called.exit_code == 2
        assert f"pip install {package}" in called.output
    assert CliRunner().invoke(lamm, ["nonsense"]).exit_code == 2


def test_a_plugin_that_is_no_command_is_not_offered(monkeypatch):
    class Entry:
        def load(self):
            return "not a command"

    monkeypatch.setattr("lamm_cli.plugins._installed", lambda: {"odd": Entry()})
    assert PluginGroup(name="x").get_command(None, "odd") is None


@pytest.mark.parametrize(
    ("words", "meant"),
    [("metricz", "metrics"), ("data convrt", "convert"), ("data templates lst", "list"), ("metrics scroe", "score")],
)
def test_a_mistyped_command_is_guessed(words, meant):
    done = subprocess.run([sys.executable, "-m", "lamm_cli", *words.split()], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"Did you mean '{meant}'?" in done.stderr


def test_no_colour_goes_into_a_pipe(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    done = subprocess.run([sys.executable, "-m", "lamm_cli", "metricz"], capture_output=True, text=True)
    assert done.stderr.startswith("Error: No such command")


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("met", "metrics"),
        ("data conv", "convert"),
        ("metrics score --task capt", "caption"),
        ("metrics score --protocol le", "leo"),
        ("data convert --source coco_k", "coco_keypoints"),
        ("data benchmark --tasks vqa,cap", "vqa,caption"),
        pytest.param("model finetune qlo", "qlora-24gb", marks=needs_model),
        ("data generate --type daily", "daily_dialogue"),
        ("data recipe hall", "hallucination"),
    ],
)
def test_a_shell_completes_commands_tasks_sources_presets_and_protocols(words, whole):
    context = lamm.make_context("lamm", [], resilient_parsing=True)
    complete = ShellComplete(lamm, context.obj or {}, "lamm", "_LAMM_COMPLETE")
    *before, begun = words.split()
    assert whole in [item.value for item in complete.get_completions(before, begun)]


def test_completion_answers_a_shell():
    asked = {**os.environ, "_LAMM_COMPLETE": "bash_complete", "COMP_WORDS": "lamm met", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "lamm_cli"], env=asked, capture_output=True, text=True, check=True)
    assert done.stdout == "plain,metrics\n"


def test_version_lists_the_packages():
    shown = CliRunner().invoke(lamm, ["--version"]).output
    assert "lamm-cli 0.1.0" in shown
    assert shown.startswith("python 3.")


def test_help_is_instant_in_imports():
    program = (
        "import sys; from lamm_cli.main import lamm; print([m for m in ('rich', 'numpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_module_runs_as_a_command():
    done = subprocess.run([sys.executable, "-m", "lamm_cli", "--version"], capture_output=True, text=True, check=True)
    assert "lamm-cli" in done.stdout
    assert Path(sys.executable).exists()
