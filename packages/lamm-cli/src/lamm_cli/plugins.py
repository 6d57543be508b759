"""The commands of the installed packages, found by entry point and loaded when they are called.

A package joins by declaring `[project.entry-points."lamm.commands"]`. Only names are read at start-up; a package that
cannot be loaded is listed as broken and leaves the others alone.
"""

import importlib.metadata
import sys
from functools import partial

import click

from lamm_cli.failures import show_traceback
from lamm_cli.renamed import with_new_names

GROUP = "lamm.commands"

# What our own packages bring, so that a missing one can say which install brings it.
BRINGS = {"data": "lamm-data", "model": "lamm-model", "metrics": "lamm-metrics"}


class UnusableCommand(click.Command):
    """Stands for a command that is not installed or whose import failed, and says so when it is called.

    Args:
        name: Its name.
        error: What it says.
        cause: The error of the import; shown in full with `LAMM_DEBUG=1`.
    """

    def __init__(self, name: str, error: click.ClickException, cause: Exception | None = None) -> None:
        super().__init__(
            name,
            params=[click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)],
            add_help_option=False,
            context_settings={"ignore_unknown_options": True},
            short_help="(could not be loaded)",
        )
        self.error, self.cause = error, cause

    def invoke(self, ctx: click.Context) -> None:
        """Say why it cannot be used."""
        raise self.cause if self.cause is not None and show_traceback() else self.error


class PluginGroup(click.Group):
    """A click group whose commands are the installed entry points of `lamm.commands`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a command line, old names of options among them."""
        tell = (lambda _line: None) if ctx.resilient_parsing else partial(click.echo, err=True)
        return super().parse_args(ctx, with_new_names(args, tell))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the installed commands."""
        return sorted({*super().list_commands(ctx), *_installed()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, or what stands for it when it is missing or broken."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry = _installed().get(cmd_name)
        if entry is None:
            package = BRINGS.get(cmd_name)
            missing = click.UsageError(
                f"Expected {package} for `lamm {cmd_name}`, got none. Install it: pip install {package}."
            )
            return UnusableCommand(cmd_name, missing) if package else None
        try:
            command = entry.load()
        except (ImportError, AttributeError) as cause:
            broken = click.ClickException(
                f"Expected `lamm {cmd_name}` to load, got: {cause}. Install its package anew."
            )
            return UnusableCommand(cmd_name, broken, cause)
        return command if isinstance(command, click.Command) else None


def _installed() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def versions() -> dict[str, str]:
    """Return the installed LAMM packages and the interpreter with their versions."""
    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for package in ("lamm-cli", "lamm-llm", *BRINGS.values()):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
