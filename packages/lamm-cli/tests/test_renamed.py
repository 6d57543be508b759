"""Options under their old names."""

from importlib.util import find_spec

import click
import pytest
from click.testing import CliRunner

from lamm_cli.main import lamm
from lamm_cli.renamed import _RENAMED, with_new_names


@pytest.mark.parametrize(
    ("words", "now"),
    [
        ("metrics score --references a.json --json", "metrics score --benchmark a.json --json"),
        ("data untile --records=a.json", "data untile --benchmark=a.json"),
        ("data convert --skip-missing --seed 1", "data convert --media skip-missing --seed 1"),
        ("data generate --config a.toml", "data generate a.toml"),
        ("data generate --config=a.toml", "data generate a.toml"),
        ("data templates generate x --task y", "data templates generate x --definition y"),
    ],
)
def test_an_old_name_is_taken_for_the_new_one(words, now):
    notes = []
    assert " ".join(with_new_names(words.split(), notes.append)) == now
    assert len(notes) == 1


def test_other_commands_and_what_follows_two_dashes_stay():
    words = ["metrics", "list", "--references", "--", "data", "view", "--limit"]
    assert with_new_names(words, pytest.fail) == words
    words = ["data", "view", "--", "--limit"]
    assert with_new_names(words, pytest.fail) == words


def test_the_note_goes_to_stderr_alone():
    result = CliRunner().invoke(lamm, ["metrics", "lint", "--help"])
    assert "Note:" not in result.stderr
    result = CliRunner().invoke(lamm, ["metrics", "score", "--references", "x", "--help"])
    assert (result.exit_code, result.stderr) == (0, "Note: --references is now --benchmark.\n")


@pytest.mark.parametrize(("commands", "old", "new"), _RENAMED)
def test_every_row_leads_from_no_option_to_one(commands, old, new):
    """The packaging session has every package installed; rows of those that are not are passed over here."""
    for words in commands:
        if find_spec(f"lamm_{words.partition(' ')[0]}") is None:
            continue
        command = lamm
        for name in words.split():
            command = command.get_command(click.Context(command), name)
        options = {name for option in command.params for name in option.opts}
        assert old not in options
        assert not new or new[0] in options
