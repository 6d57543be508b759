"""Every `lamm` command that a page shows exists, with the options it is shown with."""

import re

import click
import pytest
from documentation_blocks import DOCS, ROOT

from lamm_cli.main import lamm

PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
SHOWN = re.compile(r"^(?:    |\$ )?(?:nice |[A-Z_]+=\S+ )*lamm ((?:.*\\\n)*.*)$", re.MULTILINE)
INLINE = re.compile(r"`lamm ([^`\n]+)`")


def shown(text):
    """Return the commands of code blocks and of code within sentences, on one line each."""
    joined = [re.sub(r"\\\n\s*", "", command) for command in SHOWN.findall(text)]
    return [re.sub(r"\s#.*", "", command).strip() for command in (*joined, *INLINE.findall(text))]


def unknown(command):
    """Return the first word of a command that does not exist, or None."""
    context = click.Context(lamm)
    group = lamm
    words = command.split()
    while words and isinstance(group, click.Group) and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        found = group.get_command(context, words[0])
        if found is None:
            return words[0]
        group, words = found, words[1:]
    options = {flag for option in group.params for flag in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    options |= {"--version"} if group is lamm else set()
    return next(
        (flag for flag in re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", f" {' '.join(words)}") if flag not in options), None
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    text = page.read_text(encoding="utf-8")
    wrong = {command: word for command in shown(text) if "|" not in command and (word := unknown(command))}
    assert not wrong


def test_a_wrong_command_is_noticed():
    assert unknown("data convert --root x --output y") is None
    assert unknown("data convrt --root x") == "convrt"
    assert unknown("data convert --rot x") == "--rot"
    assert shown("    lamm data convert --root x \\\n        --output y  # z\n") == ["data convert --root x --output y"]


@pytest.mark.parametrize("group", ["data", "model", "metrics", "benchmark"])
def test_the_list_of_commands_is_whole(group):
    """The overview of `docs/cli.md` names every command of each group, and no other."""
    text = re.sub(r"\s#.*", "", (DOCS / "cli.md").read_text(encoding="utf-8"))
    listed = re.search(rf"^    lamm {group} ((?:.*\n)(?: {{8,}}.*\n)*)", text, re.MULTILINE)
    context = click.Context(lamm)
    assert set(re.findall(r"[a-z-]+", listed[1])) == set(lamm.get_command(context, group).list_commands(context))
