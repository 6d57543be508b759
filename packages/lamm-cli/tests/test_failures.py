"""Expected errors are one line with an exit status; bugs keep their traceback."""

import subprocess
import sys

import click
import pytest

from lamm_cli import main
from lamm_cli.failures import describe, exit_code_of, run_guarded


class Misuse(Exception):
    exit_code = 2


def guarded(error, capsys):
    def fail():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_guarded(fail)
    return ended.value.code, capsys.readouterr().err


def test_our_errors_are_one_line(capsys):
    assert guarded(Misuse("Expected a task, got x. Choose one."), capsys) == (
        2,
        "Error: Expected a task, got x. Choose one.\n",
    )


def test_errors_of_the_operating_system_name_the_file(capsys):
    code, text = guarded(OSError(28, "No space left on device", "out.jsonl"), capsys)
    assert (code, text) == (1, "Error: out.jsonl: No space left on device.\n")


def test_a_package_that_is_not_installed_is_named_and_a_missing_module_of_ours_is_a_bug(capsys):
    missing = ModuleNotFoundError("No module named 'lamm_data'", name="lamm_data")
    code, text = guarded(missing, capsys)
    assert code == 2
    assert text == "Error: Expected lamm-data, found none. Install all of LAMM: pip install 'lamm-cli[all]'.\n"
    assert exit_code_of(ModuleNotFoundError("No module named 'lamm_data.gone'", name="lamm_data.gone")) is None
    assert exit_code_of(ModuleNotFoundError("No module named 'numpy'", name="numpy")) is None


def test_an_interrupt_says_how_to_go_on(capsys):
    code, text = guarded(KeyboardInterrupt(), capsys)
    assert code == 130
    assert "go on" in text


def test_bugs_keep_their_traceback():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_guarded(fail)
    assert exit_code_of(ZeroDivisionError()) is None


def test_debug_shows_the_traceback_of_expected_errors(monkeypatch):
    monkeypatch.setenv("LAMM_DEBUG", "1")

    def fail():
        raise Misuse("x")

    with pytest.raises(Misuse):
        run_guarded(fail)


def test_an_error_without_a_message_is_named():
    assert describe(Misuse()) == "Misuse"


def test_the_command_ends_as_documented_however_it_ends(tmp_path):
    def ended(*words):
        done = subprocess.run([sys.executable, "-m", "lamm_cli", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert ended("--version")[0] == 0
    code, _, said = ended("benchmark", "list", "--root", str(tmp_path / "nothing"))
    assert code == 2
    assert "does not exist" in said
    assert ended("nonsense")[0] == 2


def test_an_interrupted_command_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(**_):
        raise click.Abort

    monkeypatch.setattr(main.lamm, "main", interrupted)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 130
    assert "go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--size", "x"], "Error: Invalid value for '--size': 'x' is not a valid integer. See tool --help.\n"),
        (["--siez", "3"], "Error: No such option '--siez'. Did you mean '--size'? See tool --help.\n"),
    ],
)
def test_misuse_of_an_option_is_one_line(words, line, capsys):
    @click.command()
    @click.option("--size", type=int)
    def tool(size):
        """Do it."""

    with pytest.raises(SystemExit) as ended:
        run_guarded(lambda: tool.main(words, prog_name="tool", standalone_mode=False))
    assert (ended.value.code, capsys.readouterr().err) == (2, line)
