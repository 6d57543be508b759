"""What is printed commands no terminal, fails at no character, names a full disk; cells are data."""

import csv
import io
import subprocess
import sys

import click
import pytest

from lamm_cli.output import CONTROL, SafeStream, csv_text, guard_streams, markdown_table, print_table, shown

ATTACKS = [
    "\x1b]0;title\x07",  # the window's title
    "\x1b]52;c;ZXZpbA==\x07",  # the clipboard
    "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[1A",  # clears, moves up
    "\x9b31m\x9d0;title\x9c",  # the same in single characters
    "a\rb\x08\x7f\x00",
    "abc\u202egnp.exe",  # turned round
]


@pytest.fixture
def streams(monkeypatch):
    """stdout and stderr of some encoding, guarded; what was written there."""

    def guarded(encoding="utf-8"):
        written = [io.BytesIO(), io.BytesIO()]
        for name, raw in zip(("stdout", "stderr"), written, strict=True):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding, write_through=True))
        guard_streams()
        return [lambda raw=raw: raw.getvalue().decode(encoding) for raw in written]

    return guarded


@pytest.mark.parametrize("attack", ATTACKS)
def test_control_characters_are_written_out_on_both_streams_and_in_tables(streams, attack):
    out, err = streams()
    for stream in (sys.stdout, sys.stderr):
        stream.write(f"label {attack}\n")
    print_table([attack], [[attack]])
    sys.stdout.writelines([attack, "\n"])
    for text in (out(), err()):
        assert not CONTROL.search(text)
        assert shown(attack) in text


def test_what_rich_draws_passes_and_what_it_is_told_to_draw_commands_nothing(streams):
    from rich.console import Console

    _, err = streams()
    Console(file=sys.stderr, force_terminal=True, color_system="standard").print("\x1b]0;title\x07", style="bold")
    assert "\x1b[1m" in err()
    assert "\x1b]" not in err()
    assert "\x07" not in err()


def test_bars_of_libraries_go_back_on_stderr_only(streams):
    out, err = streams()
    for stream in (sys.stderr, sys.stdout):
        stream.write("\r 10%")
        stream.write("\n\x1b[A")
        stream.write("\x1b[Ahidden")
    assert err() == "\r 10%\n\x1b[A\\x1b[Ahidden"
    assert out() == "\\r 10%\n\\x1b[A\\x1b[Ahidden"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_character_can_be_printed_in_every_encoding(streams, encoding):
    out, err = streams(encoding)
    click.echo("dog 犬 ↑ \udcff é")
    click.echo("dog 犬 ↑ \udcff é", err=True)
    print_table(["犬"], [["↑"]])
    assert "dog" in out()
    assert "dog" in err()


def test_names_in_brackets_are_no_markup(streams):
    out, _ = streams()
    print_table(["[/b]"], [["[red]model[/]"]])
    assert "[/b]" in out()
    assert "[red]model[/]" in out()


def test_the_whole_command_guards_its_streams(tmp_path):
    name = "\x1b]0;title\x07.json"
    done = subprocess.run(
        [sys.executable, "-m", "lamm_cli", "benchmark", "list", "--root", str(tmp_path / name)],
        capture_output=True, text=True, check=False, env={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 2
    assert not CONTROL.search(done.stdout + done.stderr)


def test_a_full_disk_behind_stdout_is_named():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "lamm_cli", "--version"], stdout=full, stderr=-1, text=True)
    assert (done.returncode, done.stderr) == (1, "Error: stdout: No space left on device.\n")


def test_a_closed_pipe_ends_quietly():
    command = f"{sys.executable} -m lamm_cli --version; echo $? >&2"
    done = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, check=False)
    assert done.stderr.strip() in ("0", "1")  # 0 where the reader went after everything was written


def test_bytes_cannot_go_past_the_guard(streams):
    streams()
    assert isinstance(sys.stdout, SafeStream)
    assert not hasattr(sys.stdout, "buffer")
    guard_streams()
    assert isinstance(sys.stdout._stream, io.TextIOWrapper)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_cells_that_a_spreadsheet_would_calculate_are_texts(cell):
    quoted = "'" + cell.replace("\r", "\n")
    assert list(csv.reader(io.StringIO(csv_text([[cell, -1.5, "a,b"]]), newline=""))) == [[quoted, "-1.5", "a,b"]]


def test_markdown_cells_end_where_they_should():
    text = markdown_table(["a|b"], [["<script>\nx | y"]])
    assert text == "| a\\|b |\n|---|\n| &lt;script> x \\| y |\n"
