"""The commands of the installed packages, found by entry point and loaded when they are called.

A package joins by declaring `[project.entry-points."lamm.commands"]`. Only names are read at start-up; a package that
cannot be loaded is listed as broken and leaves the others alone.
"""

import importlib.metadata
import sys

import click

from lamm_cli.failures import show_traceback

GROUP = "lamm.commands"

# What our own packages bring, so that a missing one can say which install brings it.
BRINGS = {
    "data": "lamm-data",
    "model": "lamm-model",
    "metrics": "lamm-metrics",
}


class MissingCommand(click.Command):
    """Stands for the command of a LAMM package that is not installed."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(name, add_help_option=False, context_settings={"ignore_unknown_options": True})
        self.params = [click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)]
        self.package = package

    def invoke(self, ctx: click.Context) -> None:
        """Say which install brings the command."""
        raise click.UsageError(
            f"`lamm {self.name}` needs {self.package}. Install it with: pip install {self.package}", ctx
        )


class BrokenCommand(click.Command):
    """Stands for an installed plugin whose import failed; it names the cause when it is called."""

    def __init__(self, name: str, cause: ImportError | AttributeError) -> None:
        super().__init__(
            name,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True},
            short_help="(could not be loaded)",
        )
        self.params = [click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)]
        self.cause = cause

    def invoke(self, ctx: click.Context) -> None:
        """Show what went wrong while the plugin was imported."""
        if show_traceback():
            raise self.cause
        raise click.ClickException(f"`lamm {self.name}` could not be loaded: {self.cause}")


class PluginGroup(click.Group):
    """A click group whose commands are the installed entry points of `lamm.commands`."""

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
            return MissingCommand(cmd_name, BRINGS[cmd_name]) if cmd_name in BRINGS else None
        try:
            command = entry.load()
        except (ImportError, AttributeError) as error:
            return BrokenCommand(cmd_name, error)
        return command if isinstance(command, click.Command) else None


def _installed() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def versions() -> dict[str, str]:
    """Return the installed LAMM packages and the interpreter with their versions."""
    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for package in ("lamm-cli", *BRINGS.values()):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
