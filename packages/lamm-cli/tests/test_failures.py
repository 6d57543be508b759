"""Expected errors are one line with an exit status; bugs keep their traceback."""

import pytest

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
